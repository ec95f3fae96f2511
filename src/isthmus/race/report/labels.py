"""Where names go beside their points: the nearest place that hides nothing else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

__all__ = ["Box", "Label", "place_labels", "stairs"]

_RINGS: Final = (0.0, 8.0, 20.0, 36.0, 56.0, 84.0)
_ANGLES: Final = tuple((k + 1e-6) * math.pi / 8 for k in range(16))
_MARK: Final = 6.0
_NEAR: Final = 8.0
_LINE: Final = 2.0

Box = tuple[float, float, float, float]
"""Left, low, right, high"""


@dataclass(frozen=True)
class Label:
    """The centre of a name [pixels]; from afar it needs a line to its point."""

    x: float
    y: float
    far: bool


def place_labels(
    points: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    size: tuple[float, float],
    lines: Sequence[Box] = (),
) -> list[Label]:
    """The places of labels; those of the first points have the first choice.

    Args:
        points: in pixels, x to the right and y up.
        sizes: width and height of each label [pixels].
        size: width and height of the field that they should stay in [pixels].
        lines: boxes that should stay free as well.
    """
    taken: list[Box] = [(x - _MARK, y - _MARK, x + _MARK, y + _MARK) for x, y in points]
    taken += lines
    labels = []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        best: tuple[float, Label, Box] | None = None
        for ring in _RINGS:
            for angle in _ANGLES:
                dx, dy = math.cos(angle), math.sin(angle)
                # Along the edge of the box in which the name would touch the mark
                to = min((width / 2 + _MARK) / abs(dx), (height / 2 + _MARK) / abs(dy))
                cx, cy = x + dx * (to + ring), y + dy * (to + ring)
                box = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
                cost = 40 * _outside(box, size) + ring + 2 * (dx < 0) + (dy < 0)
                cost += sum(_overlap(box, other) for other in taken)
                if best is None or cost < best[0] - 1e-6:
                    best = (cost, Label(cx, cy, ring > _NEAR), box)
        assert best is not None
        taken.append(best[2])
        labels.append(best[1])
    return labels


def stairs(points: Sequence[tuple[float, float]]) -> list[Box]:
    """The lines of a frontier as boxes: level to the next point, then down to it [pixels]."""
    boxes = []
    for (x, y), (to, low) in pairwise(sorted(points)):
        boxes.append((x, y - _LINE, to, y + _LINE))
        boxes.append((to - _LINE, low, to + _LINE, y))
    return boxes


def _overlap(a: Box, b: Box) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _outside(box: Box, size: tuple[float, float]) -> float:
    low = max(0.0, -box[0]) + max(0.0, -box[1])
    return low + max(0.0, box[2] - size[0]) + max(0.0, box[3] - size[1])
