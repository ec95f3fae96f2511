"""When a run has broken, and where: atoms and the term that blew up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.elements import element_symbols
from isthmus.chemistry.topology import Topology
from isthmus.simulate.record import Engine, Record
from isthmus.words import counted

__all__ = ["Breakage", "Watch", "bond_lengths", "find_breakage", "longest_bonds"]

_STRETCH: Final = 1.5
"""Times its length at the start: a bond that long is broken. At 1.5 a bond between atoms of organic
molecules, as Morse's curve, has taken up 0.6 of its dissociation energy, some 20 kT at 1200 K: no
thermal motion leads there, and from there it goes on. Larger factors see the same breaks later,
with more of the run spoilt"""
_HYDROGEN: Final = 0.25
"""A bond of hydrogen that long is broken [nm]; 1.5 times their length is little for these, which
are short, and swing the furthest: this is what mlipaudit takes"""
_TIMES: Final = 10.0
_ABOVE: Final = 1000.0
"""A temperature is beyond reason above `_TIMES` times what it should be plus this [K]: far outside
of thermal fluctuations, even of three atoms"""
_FINE: Final = 20
"""A piece of the run in which something broke is repeated in pieces this many times smaller"""


@dataclass(frozen=True)
class Breakage:
    """Where and how a run broke.

    Attributes:
        step: the first step at which it was seen.
        time: of this step [ps].
        replica: which one, from 0.
        what: in words, with numbers.
        atoms: those concerned, from 0; may be empty.
        term: with the largest energy there, in words; empty if unknown.
        last_good: the record before.
    """

    step: int
    time: float
    replica: int
    what: str
    atoms: tuple[int, ...]
    term: str
    last_good: Record


class Watch:
    """Looks at records.

    Attributes:
        lengths: of all bonds at the start (replicas, bonds) [nm].
    """

    def __init__(
        self,
        topology: Topology,
        lengths: Float[np.ndarray, "replicas bonds"],
        *,
        temperature: float,
    ) -> None:
        """What is compared with.

        Args:
            topology: of one replica.
            lengths: of bonds at the start of the run [nm].
            temperature: that the run should have [K].
        """
        self._topology = topology
        self.lengths = lengths
        self._longest = longest_bonds(topology, lengths)
        self._hottest = _TIMES * temperature + _ABOVE

    def problem(self, record: Record) -> tuple[int, str, tuple[int, ...]] | None:
        """What is wrong with a record: replica, words, atoms; None if nothing is."""
        energies = record.potential + record.kinetic
        finite = np.isfinite(record.positions) & np.isfinite(record.velocities)
        if not (finite.all() and np.isfinite(energies).all()):
            return self._not_finite(np.asarray(finite.all(axis=2)), energies)
        lengths = bond_lengths(self._topology, record)
        broken = np.argwhere(lengths > self._longest)
        if len(broken):
            excess = (lengths / self._longest)[tuple(broken.T)]
            replica, bond = (int(n) for n in broken[np.argmax(excess)])
            atoms = tuple(int(atom) for atom in self._topology.bonds[bond])
            return (
                replica,
                f"the bond {self.named(atoms, '-')} is {lengths[replica, bond]:.3f} nm long "
                f"({self.lengths[replica, bond]:.3f} nm at the start)",
                atoms,
            )
        hot = np.flatnonzero(record.temperature > self._hottest)
        if len(hot):
            return self._hot(record, int(hot[0]))
        return None

    def _not_finite(
        self, finite: np.ndarray, energies: np.ndarray
    ) -> tuple[int, str, tuple[int, ...]]:
        found = np.argwhere(~finite)
        if not len(found):
            replica = int(np.flatnonzero(~np.isfinite(energies))[0])
            return replica, "the energy is not a finite number", ()
        replica = int(found[0, 0])
        atoms = tuple(int(atom) for atom in found[found[:, 0] == replica, 1])
        return (
            replica,
            f"coordinates of {counted(len(atoms), 'atom')} are not finite numbers (first: "
            f"{self.named(atoms[:3])})",
            atoms,
        )

    def _hot(self, record: Record, replica: int) -> tuple[int, str, tuple[int, ...]]:
        speeds = (record.velocities[replica] ** 2).sum(axis=1)
        fastest = (int(np.argmax(speeds)),)
        return (
            replica,
            f"the temperature is {record.temperature[replica]:.0f} K; the fastest atom is "
            f"{self.named(fastest)}",
            fastest,
        )

    def named(self, atoms: tuple[int, ...], between: str = ", ") -> str:
        """Atoms by name, number from 1, element, and residue where there are several."""
        return between.join(self._name(atom) for atom in atoms)

    def _name(self, atom: int) -> str:
        topology = self._topology
        symbol = element_symbols(topology.atomic_numbers[atom : atom + 1])[0]
        text = f"{topology.atom_names[atom]} (atom {atom + 1}, {symbol}"
        if len(topology.residue_names) > 1:
            residue = topology.residue_idx[atom]
            text += f", {topology.residue_names[residue]} {topology.residue_ids[residue]}"
        return text + ")"


def longest_bonds(
    topology: Topology, lengths: Float[np.ndarray, "*replicas bonds"]
) -> Float[np.ndarray, "*replicas bonds"]:
    """The length beyond which each bond is broken [nm]: the rule of runs and of checks.

    Args:
        topology: of one replica.
        lengths: that the bonds should have [nm].
    """
    hydrogen = (topology.atomic_numbers[topology.bonds] == 1).any(axis=1)
    return np.where(hydrogen, _HYDROGEN, _STRETCH * lengths)


def bond_lengths(topology: Topology, record: Record) -> Float[np.ndarray, "replicas bonds"]:
    """Of all bonds of all replicas [nm], across the sides of the box."""
    first, second = topology.bonds[:, 0], topology.bonds[:, 1]
    apart = record.positions[:, first].astype(np.float64) - record.positions[:, second]
    if record.box is not None:
        cells = np.asarray(record.box, dtype=np.float64)
        apart -= np.rint(apart @ np.linalg.inv(cells)) @ cells
    return np.sqrt((apart**2).sum(axis=-1))


def find_breakage(
    engine: Engine,
    watch: Watch,
    snapshot: Mapping[str, np.ndarray],
    good: Record,
    found: Record,
) -> Breakage:
    """The step at which a run broke, by going through the last piece again in small steps.

    Args:
        engine: is left somewhere in this piece.
        watch: what found it.
        snapshot: of the engine at `good`.
        good: the last record without a problem.
        found: the record with one.
    """
    size = max((found.step - good.step) // _FINE, 1)
    failure = engine.failure
    engine.restore(snapshot)
    while good.step < found.step:
        engine.advance(min(size, found.step - good.step))
        record = engine.record()
        if watch.problem(record) is None:
            # Single steps are not gone through again, so these need no snapshot
            snapshot, good = engine.snapshot() if size > 1 else snapshot, record
            continue
        found = record
        if size == 1:
            break
        size = 1
        engine.restore(snapshot)
    problem = watch.problem(found)
    assert problem is not None
    replica, what, atoms = problem
    if failure is not None:
        what += f"; {failure}"
    term = _largest_term(engine.term_energies, good, found, replica)
    return Breakage(found.step, found.time, replica, what, atoms, term, good)


def _largest_term(
    energies: Callable[..., Mapping[str, float]], good: Record, found: Record, replica: int
) -> str:
    """The term that has the largest energy where it broke, or just before if that is not finite."""
    for record in (found, good):
        if not np.isfinite(record.positions[replica]).all():
            continue
        box = None if record.box is None else record.box[replica]
        terms = energies(record.positions[replica], box)
        if not terms:
            return ""
        wrong = [name for name, energy in terms.items() if not isfinite(energy)]
        if wrong:
            return f"'{wrong[0]}', whose energy is not finite"
        name = max(terms, key=lambda one: terms[one])
        return f"'{name}' with {terms[name]:.6g} kJ/mol at step {record.step}"
    return ""
