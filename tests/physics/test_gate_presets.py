"""The whole of `isthmus check --quick` on force fields that are known to be sound."""

from pathlib import Path
from typing import Any

import pytest

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.read import read
from isthmus.deploy.spec import resolve_force_field
from isthmus.evaluate.physics.gate import check_physics

pytestmark = [pytest.mark.physics, pytest.mark.slow]


@pytest.mark.parametrize("spec", ["class1", "class2plus", "mmff94"])
def test_nothing_fails(spec: str, repository: Path) -> None:
    (molecule,) = read(repository / "examples/data/paracetamol.sdf")

    def bind(other: Molecule, precision: str) -> Any:
        return resolve_force_field(spec, other).bind(other, precision=precision)

    found = check_physics(bind, molecule, quick=True)
    assert found.passed, {check.name: check.note for check in found.failed}
    assert len(found.checks) == 28


def test_water_and_a_solute_in_a_box(repository: Path) -> None:
    """Checks that need one molecule say that they do not apply; the others pass."""
    (molecule,) = read(repository / "examples/data/alanine_dipeptide_solvated.pdb")

    def bind(other: Molecule, precision: str) -> Any:
        return resolve_force_field("amber14", other).bind(other, precision=precision)

    found = check_physics(bind, molecule, quick=True, only=["forces", "symmetry", "extensivity"])
    assert found.passed, [check.note for check in found.failed]
    unfit = {check.name for check in found.checks if check.verdict == "not applicable"}
    assert {"rotation", "reflection", "energy of two copies"} <= unfit
