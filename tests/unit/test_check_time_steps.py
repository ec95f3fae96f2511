"""What the resonance scan of `isthmus check` keeps, and what it says of it."""

import pytest

import isthmus
from isthmus.evaluate.physics.laboratory import Laboratory
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.subject import Subject
from isthmus.evaluate.physics.time_steps import NAME, Tried, _summary, largest_kept
from isthmus.forcefield.forcefield import ForceField


def tried(step: float, drift: float, error: float) -> Tried:
    return Tried(float(step), drift, error, 0.0, None)


@pytest.mark.parametrize(
    ("drift", "error", "keeps"),
    [
        (3e-4, 1e-6, True),
        (5e-4, 1e-6, False),
        # The threshold is not added to what the error allows
        (4.2e-4, 2.0e-5, False),
        (0.19, 0.1, True),
        (0.2002, 0.1, False),
        (0.01, 0.2, False),
        (float("inf"), 0.0, False),
    ],
)
def test_a_step_is_kept_where_no_drift_is_seen(drift: float, error: float, keeps: bool) -> None:
    assert tried(4, drift, error).keeps is keeps


def test_no_step_drifts_more_than_the_plain_run() -> None:
    plain = tried(0.5, 1e-5, 1e-6)
    scan = [tried(1, 1.2e-5, 1e-6), tried(2, 3e-4, 1e-6), tried(3, 1e-5, 1e-6)]
    assert largest_kept(scan) == 3
    assert largest_kept(scan, plain) == 1
    assert largest_kept(scan[1:], plain) == 0


def test_the_note_says_what_is_known() -> None:
    molecule = isthmus.from_smiles("O", conformers=1)
    bound = ForceField.free("class1", molecule.topology)
    subject = Subject(molecule, lambda other, p: bound.bind(other.topology, precision=p))
    laboratory = Laboratory(subject, Settings.create())
    plain, scan = tried(0.5, 1e-3, 2e-3), [tried(1, 0.03, 0.04), tried(2, 7.0, 0.09)]
    found = _summary(laboratory, plain, scan, largest_kept(scan, plain))
    assert found.name == NAME == "largest outer step of RESPA without a resonance"
    assert (found.verdict, found.value, found.threshold) == ("not judged", 1.0, None)
    assert "no resonance is seen at a resolution of 0.08 kT/ns/dof" in found.note
    assert "smaller drifts are not excluded" in found.note
    assert "of 2 fs 7 ± 0.09" in found.note
