"""Verdicts of `isthmus check` on runs of known outcome: what was not measured never passes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import isthmus
from isthmus.chemistry.molecule import Molecule
from isthmus.evaluate.physics.conservation import check_conservation
from isthmus.evaluate.physics.laboratory import Laboratory
from isthmus.evaluate.physics.motion import Motion
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.stability import check_stability
from isthmus.evaluate.physics.subject import Subject, evaluate_frames
from isthmus.forcefield.forcefield import ForceField
from isthmus.terms.nonbonded_method import NonbondedMethod

pytestmark = pytest.mark.physics


@pytest.fixture(scope="module")
def water() -> Subject:
    molecule = isthmus.from_smiles("O", conformers=1)

    def bind(other: Molecule, precision: str) -> Any:
        return ForceField.free("class1", other.topology).bind(other.topology, precision=precision)

    return Subject(molecule, bind)


def at_rest(subject: Subject, *, replicas: int, until: float, records: int = 20) -> Motion:
    """A run in which nothing moves [ps]."""
    frames = np.broadcast_to(subject.positions, (records, replicas, subject.n_atoms, 3)).copy()
    zero = np.zeros((records, replicas))
    times = np.linspace(until / records, until, records)
    mechanics = subject.mechanics(conserves_momentum=True)
    return Motion(times, zero, zero.copy(), frames, 0 * frames, mechanics, 0.0005, None)


def laboratory(subject: Subject, **runs: Any) -> Laboratory:
    """One whose runs have been made."""
    made = Laboratory(subject, Settings.create(quick=True, temperatures=[300.0]))
    vars(made).update(start=subject.positions, **runs)
    return made


@pytest.mark.parametrize(
    ("until", "verdict"), [(2.6, "undecided"), (8.0, "undecided"), (10.0, "pass")]
)
def test_a_short_run_without_a_break_is_no_verdict(
    water: Subject, until: float, verdict: str
) -> None:
    """The 16 replicas of a quick look, at one temperature and its partner."""
    (found,) = check_stability(
        laboratory(water, canonical=at_rest(water, replicas=32, until=until))
    )
    assert found.verdict == verdict
    assert ("a verdict needs 100 ps" in found.note) == (verdict == "undecided")


def test_a_short_run_with_a_break_fails(water: Subject) -> None:
    motion = at_rest(water, replicas=32, until=2.6)
    motion.positions[5:, 3, 1] += 0.5
    (found,) = check_stability(laboratory(water, canonical=motion))
    assert (found.verdict, found.value) == ("fail", 1.0)


def test_one_replica_that_is_lost_fails_conservation(
    water: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are at rest and keep their energy to the last digit."""
    motion = at_rest(water, replicas=32, until=10.0)
    for lost, verdict in ((0, "pass"), (1, "fail")):
        potential = motion.potential.copy()
        potential[12:, :lost] = np.nan
        run = replace(motion, potential=potential)
        monkeypatch.setattr(Laboratory, "newton", lambda *_, run=run, **__: run)
        drift, _ = check_conservation(laboratory(water, canonical=motion))
        assert drift.verdict == verdict
    assert "1 of 32 replicas" in drift.note


def test_structures_in_a_box_are_minimised_too() -> None:
    """Three molecules, stretched by 8 %, far from the minimum of each of their bonds."""
    flat = isthmus.from_smiles("O.O.O", conformers=1)
    centres = np.array([[0.2, 0.2, 0.2], [0.7, 0.7, 0.2], [0.2, 0.7, 0.8]])
    first = np.flatnonzero(flat.topology.atomic_numbers == 8)[flat.topology.components]
    inside = flat.positions - flat.positions[first]
    molecule = Molecule.create(
        flat.topology, 1.08 * inside + centres[flat.topology.components], box=1.5 * np.eye(3)
    )
    method = NonbondedMethod("cutoff", cutoff=0.7)

    def bind(other: Molecule, precision: str) -> Any:
        force_field = ForceField.free("class1", other.topology)
        return force_field.bind(
            other.topology, precision=precision, nonbonded=method, box=other.box
        )

    subject = Subject(molecule, bind)
    assert subject.is_periodic
    start = Laboratory(subject, Settings.create(quick=True)).start
    forces = [
        np.abs(evaluate_frames(subject.double, x[None], molecule.box)[1]).max()
        for x in (molecule.positions, start)
    ]
    assert forces[0] > 1000
    assert forces[1] < 50
