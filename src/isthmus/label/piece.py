"""One piece of a plan: a walk with its labels, or some frames that are labelled again."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.smiles import from_smiles
from isthmus.data.entry import Entry
from isthmus.data.exact import representable
from isthmus.data.spice import open_dataset
from isthmus.errors import InputError, IsthmusError
from isthmus.label.level import LabelError, Labeller, Labels
from isthmus.label.named import level_named
from isthmus.label.plan import Piece, Plan, Target, seed_of
from isthmus.label.samplers import Sampler, sampler_for
from isthmus.label.sampling import Dynamics, walk
from isthmus.units import BOHR

__all__ = ["Done", "Work"]


@dataclass(eq=False)
class Done:
    """What came of a piece.

    Attributes:
        entry: the labelled frames; None if there are none.
        dropped: how many frames were dropped, and why.
        sampler: of the frames; empty where they were given.
    """

    entry: Entry | None = None
    dropped: list[tuple[int, str]] = field(default_factory=list)
    sampler: str = ""


@dataclass(frozen=True, eq=False)
class _Ready:
    """A molecule that is set up."""

    molecule: Molecule
    labeller: Labeller
    sampler: Sampler | None
    entry: Entry | None


class Work:
    """Does pieces one after the other; the last molecule stays set up."""

    def __init__(self, plan: Plan) -> None:
        """Look for the level of theory.

        Raises:
            InputError, EngineMissingError: as `level_named`.
        """
        options = plan.options
        self.plan = plan
        self._level = level_named(options["method"], options["method_arguments"])
        self._data = None if plan.data is None else open_dataset(plan.data, strict=False)
        self._last: tuple[int, _Ready | str] | None = None

    def do(self, piece: Piece) -> Done:
        """One piece; what goes wrong with its molecule is said in the result."""
        index, number = piece
        target = self.plan.targets[index]
        wanted = target.pieces[number]
        if self._last is None or self._last[0] != index:
            self._last = (index, self._set_up(target))
        ready = self._last[1]
        if isinstance(ready, str):
            return Done(dropped=[(wanted, ready)])
        if ready.entry is not None:
            return self._relabelled(ready, target, number)
        return self._sampled(ready, target, number)

    def _set_up(self, target: Target) -> _Ready | str:
        """The molecule with its starts, or why that cannot be."""
        options = self.plan.options
        try:
            entry = None
            if target.entry is not None:
                assert self._data is not None
                entry = self._data[target.entry]
                molecule = Molecule.create(entry.topology, name=target.name)
            else:
                molecule = _with_starts(target, options["conformers"], options["seed"])
            labeller = self._level.labeller(molecule.topology, multiplicity=target.multiplicity)
            sampler = None
            if entry is None:
                sampler = sampler_for(options["sampler"], molecule, labeller)
        except IsthmusError as error:
            return " ".join(str(error).split())
        return _Ready(molecule, labeller, sampler, entry)

    def _sampled(self, ready: _Ready, target: Target, number: int) -> Done:
        options, sampler = self.plan.options, ready.sampler
        assert sampler is not None
        temperatures = options["temperatures"]
        start, hot = divmod(number, len(temperatures))
        wanted, temperature = target.pieces[number], float(temperatures[hot])
        walked = walk(
            ready.molecule,
            ready.molecule.conformers[start],
            sampler.calculator,
            n_frames=wanted,
            temperature=temperature,
            dynamics=Dynamics(**options["dynamics"]),
            rng=np.random.default_rng(seed_of(options["seed"], target.canonical, number)),
        )
        done = self._labelled(ready, target, number, walked.positions)
        if walked.end is not None:
            lost = wanted - len(walked.positions)
            done.dropped.append((lost, f"at {temperature:g} K {walked.end}"))
        done.sampler = sampler.name
        if done.entry is not None:
            frames = np.full(done.entry.n_frames, temperature)
            done.entry = replace(
                done.entry, temperatures=frames, source=f"sampled with {sampler.name}"
            )
        return done

    def _relabelled(self, ready: _Ready, target: Target, number: int) -> Done:
        entry, first = ready.entry, target.first_frame(number)
        assert entry is not None
        given = entry.take(range(first, first + target.pieces[number]))
        done = self._labelled(ready, target, number, given.positions)
        if done.entry is not None:
            kept = given.take(done.entry.frame_idx - first)
            done.entry = replace(
                done.entry,
                positions=kept.positions,
                temperatures=kept.temperatures,
                frame_idx=kept.frame_idx,
                source=kept.source,
            )
        return done

    def _labelled(
        self,
        ready: _Ready,
        target: Target,
        number: int,
        positions: Sequence[Float[np.ndarray, "atoms 3"]] | Float[np.ndarray, "frames atoms 3"],
    ) -> Done:
        """Labels of the frames; one that cannot be labelled is dropped."""
        done, first = Done(), target.first_frame(number)
        # Those that the dataset will hold, to the last bit
        positions = representable(np.array(positions, dtype=np.float64), BOHR)
        kept: list[tuple[int, np.ndarray, Labels]] = []
        for index, frame in enumerate(positions):
            try:
                kept.append((first + index, frame, ready.labeller(frame)))
            except LabelError as error:
                done.dropped.append((1, " ".join(str(error).split())))
        if kept:
            done.entry = _entry(target, ready.molecule, kept, self.plan.level_of_theory)
        return done


def _with_starts(target: Target, conformers: int, seed: int) -> Molecule:
    molecule = from_smiles(target.smiles, name=target.name)
    if target.starts is not None:
        return Molecule.create(molecule.topology, np.array(target.starts), name=target.name)
    # RDKit multiplies its seed by the number of the conformer
    embedding = seed_of(seed, target.canonical, "conformers") % 1_000_000
    try:
        return molecule.with_conformers(conformers, embedding)
    except InputError as error:
        if "relaxed" not in str(error):
            raise
        return molecule.with_conformers(conformers, embedding, relax=False)


def _entry(
    target: Target,
    molecule: Molecule,
    kept: Sequence[tuple[int, np.ndarray, Labels]],
    level_of_theory: str,
) -> Entry:
    def stacked(name: str) -> Any:
        values = [getattr(labels, name) for _, _, labels in kept]
        return None if any(value is None for value in values) else np.array(values)

    return Entry.create(
        target.name,
        molecule.topology,
        positions=np.array([positions for _, positions, _ in kept]),
        energies=stacked("energy"),
        forces=stacked("forces"),
        charges=stacked("charges"),
        dipoles=stacked("dipole"),
        frame_idx=np.array([index for index, _, _ in kept]),
        level_of_theory=level_of_theory,
    )
