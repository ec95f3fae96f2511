"""The learning curve as a picture: what it marks, and that nothing lies upon anything else."""

from pathlib import Path
from typing import Any

import pytest

from isthmus.train.curve import draw_curve

pytest.importorskip("matplotlib")


def line(epoch: float, factor: float) -> dict[str, Any]:
    return {
        "epoch": epoch,
        **{f"{part}_force_rmse": 30 * factor for part in ("train", "validation")},
        **{f"{part}_energy_rmse": 4 * factor for part in ("train", "validation")},
    }


@pytest.mark.parametrize("last", [1e-4, 0.02, 0.9])
def test_the_kept_point_is_marked_and_labels_have_room(
    last: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    drawn: list[Any] = []
    save = Figure.savefig

    def seen(self: Any, *given: Any, **more: Any) -> None:
        save(self, *given, **more)
        drawn.append(self)

    monkeypatch.setattr(Figure, "savefig", seen)
    history = [line(1, 1.0), line(2, last), line(3, 0.97)]
    draw_curve(history, tmp_path / "curve.png", title="t", kept=history[1])
    assert (tmp_path / "curve.png").stat().st_size > 5000
    (figure,) = drawn
    figure.canvas.draw()
    for panel, value in zip(figure.axes, (30 * last, 4 * last), strict=True):
        (kept,) = [one for one in panel.lines if str(one.get_label()).startswith("kept, epoch 2")]
        assert kept.get_xydata().tolist() == [[2, value]]
        low, high = panel.get_ylim()
        shown = [
            text.get_window_extent()
            for place, text in zip(panel.get_yticks(), panel.get_yticklabels(), strict=True)
            if low <= place <= high
        ]
        assert len(shown) >= 2
        assert not any(panel.yaxis.label.get_window_extent().overlaps(one) for one in shown)
        assert not any(a.overlaps(b) for k, a in enumerate(shown) for b in shown[:k])
