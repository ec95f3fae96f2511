"""Whether water bears the time step of `isthmus md`."""

from typing import TYPE_CHECKING, Final

import numpy as np

from isthmus.cli.md_request import Settled
from isthmus.errors import InputError
from isthmus.words import counted

if TYPE_CHECKING:
    from isthmus.chemistry.topology import Topology

__all__ = ["check_water"]

_LONGEST: Final = 0.002
"""Time step that flexible water bears [ps]"""


def check_water(settled: Settled, topology: "Topology", held: np.ndarray | None) -> None:
    """Refuse steps that are meant for heavy hydrogens where water is light and flexible.

    Args:
        settled: what was asked for.
        topology: of the whole system.
        held: pairs of atoms at fixed distances (constraints, 2), or None.

    Raises:
        InputError: heavier hydrogens, a long step, and water that is not rigid.
    """
    from isthmus.simulate.water import water_molecules

    step = settled.timestep / (settled.request.respa or 1)
    if not settled.request.hmr or step <= _LONGEST * (1 + 1e-9):
        return
    pairs = set() if held is None else {frozenset(pair) for pair in np.asarray(held).tolist()}
    sides = ([0, 1], [0, 2], [1, 2])
    flexible = sum(
        any(frozenset(water[side].tolist()) not in pairs for side in sides)
        for water in water_molecules(topology)
    )
    if flexible:
        raise InputError(
            f"--hmr leaves water as it is, here {counted(flexible, 'flexible molecule')} of it: "
            f"steps of {step * 1000:g} fs are too long for that. Add --constraints hydrogens, "
            f"which makes water rigid, or choose --timestep {_LONGEST * 1000:g} or less"
        )
