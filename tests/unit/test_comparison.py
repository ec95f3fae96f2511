"""Two engines side by side: what is compared, and in which groups."""

import dataclasses

import numpy as np
import pytest

import isthmus
from isthmus.chemistry.molecule import Molecule, combine
from isthmus.deploy.comparison import ENGINES, evaluate
from isthmus.errors import InputError
from isthmus.forcefield.potential import Potential
from isthmus.terms.bound import BoundTerm

DESIGN = """
name = "two terms"
[[term]]
name = "bond"
over = "bond"
energy = "k*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 2e5 }
parameters.r0 = { unit = "nm", default = 0.1 }
[[term]]
name = "coulomb"
over = "pair"
long_range = "coulomb"
energy = "COULOMB*charge1*charge2/r"
parameters.charge = { unit = "e", per = "atom", default = 0.2 }
"""


@pytest.fixture(scope="module")
def dimer() -> Molecule:
    """Two molecules of water, two conformers."""
    one = isthmus.from_smiles("O", conformers=1)
    near = Molecule.create(one.topology, one.positions + np.array([0.3, 0.0, 0.0]))
    pair = combine([one, near])
    frames = np.stack([pair.positions, 1.02 * pair.positions])
    return Molecule.create(pair.topology, frames)


@pytest.fixture(scope="module")
def potential(dimer: Molecule) -> Potential:
    force_field = isthmus.ForceField.free(isthmus.parse_design(DESIGN), dimer.topology)
    return force_field.bind(dimer.topology, precision="float64")


def test_each_term_alone_and_all_together(dimer: Molecule, potential: Potential) -> None:
    results = evaluate(potential, dimer.conformers)
    assert len(results) == 2
    for result in results:
        assert [group.name for group in result.groups] == ["bond", "coulomb"]
        for group in result.groups:
            assert group.isthmus == pytest.approx(group.openmm, rel=1e-9)
        assert result.isthmus == pytest.approx(result.openmm, rel=1e-9)
        assert result.forces is not None
        assert result.forces.relative < 1e-9


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_that_were_not_asked_say_nothing(
    engine: str, dimer: Molecule, potential: Potential
) -> None:
    result = evaluate(potential, dimer.conformers[:1], engine=engine)[0]
    assert (result.isthmus is None) == (engine == "openmm")
    assert (result.openmm is None) == (engine == "isthmus")
    assert (result.difference is None) == (engine != "both")
    assert (result.forces is None) == (engine != "both")


def test_a_wrong_system_is_seen(dimer: Molecule, potential: Potential) -> None:
    item = potential.parameterization
    (bond,) = item.terms
    stiff = BoundTerm(bond.term, bond.atoms_idx, dict(bond.values) | {"k": bond.values["k"] * 1.01})
    other = isthmus.to_openmm(dataclasses.replace(item, terms=(stiff,)))
    imported = isthmus.from_openmm(isthmus.to_openmm(item)).bind(
        dimer.topology, precision="float64"
    )
    result = evaluate(imported, dimer.conformers[1:], system=other)[0]
    assert result.difference is not None
    assert abs(result.difference) > 1e-3
    assert result.forces is not None
    assert result.forces.relative > 1e-4


def test_unknown_engine(dimer: Molecule, potential: Potential) -> None:
    with pytest.raises(InputError, match="unknown engine 'lammps': choose one of isthmus, openmm"):
        evaluate(potential, dimer.conformers, engine="lammps")
