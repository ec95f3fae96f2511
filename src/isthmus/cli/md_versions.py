"""With what a run was made, kept in its checkpoints: others may go on, but not bit by bit."""

import json
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    from isthmus.simulate.record import Engine, Record

__all__ = ["Versioned", "made_with"]

_NAME: Final = "made with"
_PROCESSORS: Final = "/proc/cpuinfo"


def made_with(device: str) -> dict[str, str]:
    """Versions and device, by what they are.

    Args:
        device: that computes, as its engine calls it.
    """
    import jax
    import openmm

    from isthmus import __version__

    return {
        "isthmus": __version__,
        "jax": jax.__version__,
        "openmm": openmm.__version__,
        "device": f"{device}, {_processor()}",
    }


def _processor() -> str:
    """Its name, as far as the operating system says it."""
    try:
        lines = Path(_PROCESSORS).read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


class Versioned:
    """An engine whose snapshots say what made them; an `Engine` of `isthmus.simulate.record`."""

    def __init__(
        self, engine: "Engine", made: Mapping[str, str], warn: Callable[[str], None]
    ) -> None:
        """Stand where the engine stands.

        Args:
            engine: does all the work.
            made: from `made_with`.
            warn: takes a sentence where a snapshot was made with something else.
        """
        self._engine, self._made, self._warn = engine, dict(made), warn

    @property
    def failure(self) -> str | None:
        """See `Engine`."""
        return self._engine.failure

    @property
    def grain(self) -> int:
        """See `Engine`."""
        return self._engine.grain

    def advance(self, n_steps: int) -> None:
        """See `Engine`."""
        self._engine.advance(n_steps)

    def record(self) -> "Record":
        """See `Engine`."""
        return self._engine.record()

    def snapshot(self) -> Mapping[str, np.ndarray]:
        """What the engine gives, and what made it."""
        text = json.dumps(self._made, sort_keys=True).encode()
        return {**self._engine.snapshot(), _NAME: np.frombuffer(text, dtype=np.uint8).copy()}

    def restore(self, snapshot: Mapping[str, np.ndarray]) -> None:
        """Warn of what differs, then go on; see `Engine`."""
        found = snapshot.get(_NAME)
        then = {} if found is None else json.loads(found.tobytes())
        different = [
            f"{name} ({then[name]} then, {now} now)"
            for name, now in self._made.items()
            if then.get(name, now) != now
        ]
        if different:
            self._warn(
                f"the checkpoint was made with another {', '.join(different)}: the run goes on "
                "without a gap, but not bit by bit"
            )
        self._engine.restore({name: a for name, a in snapshot.items() if name != _NAME})

    def term_energies(
        self, positions: Float[np.ndarray, "atoms 3"], box: Float[np.ndarray, "3 3"] | None
    ) -> Mapping[str, float]:
        """See `Engine`."""
        return self._engine.term_energies(positions, box)
