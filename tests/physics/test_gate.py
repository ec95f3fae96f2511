"""Every check of `isthmus check` can fail: surfaces that are wrong on purpose, each in one way."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import isthmus
from isthmus.chemistry.molecule import Molecule
from isthmus.designs.schema import parse_design
from isthmus.evaluate.physics.check import Check
from isthmus.evaluate.physics.clashes import check_clashes
from isthmus.evaluate.physics.conservation import check_conservation
from isthmus.evaluate.physics.extensivity import check_extensivity
from isthmus.evaluate.physics.geometry import check_geometry
from isthmus.evaluate.physics.gradient import check_gradient
from isthmus.evaluate.physics.laboratory import Laboratory
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.smoothness import check_smoothness
from isthmus.evaluate.physics.stability import check_stability
from isthmus.evaluate.physics.subject import Subject
from isthmus.evaluate.physics.symmetry import check_symmetry
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import EnergyAndForces

pytestmark = pytest.mark.physics

# Bonds, an angle, and repulsion between molecules
WATER = """
name = "water"
[[term]]
name = "bond"
over = "bond"
energy = "k/2*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 4e5, min = 0 }
parameters.r0 = { unit = "nm", default = 0.096, min = 0.05, max = 0.4 }
[[term]]
name = "bend"
over = "angle"
energy = "k/2*(theta-t0)^2"
parameters.k = { unit = "kJ/mol/rad^2", default = 400, min = 0 }
parameters.t0 = { unit = "rad", default = 1.9, min = 0.5, max = 3.1 }
[[term]]
name = "wall"
over = "pair"
energy = "sqrt(e1*e2)*((s1+s2)/2/r)^9"
parameters.e = { unit = "kJ/mol", default = 1.0, min = 0, per = "atom" }
parameters.s = { unit = "nm", default = 0.2, min = 0, per = "atom" }
"""

QUICK = Settings.create(quick=True, temperatures=[300.0])


class Wrong(eqx.Module):
    """A surface with something added to energies and forces, which may not fit together."""

    surface: Any
    added: Callable[[Any], tuple[Any, Any]] = eqx.field(static=True)

    @property
    def n_atoms(self) -> int:
        return self.surface.n_atoms

    @property
    def precision(self) -> str:
        return self.surface.precision

    @property
    def needs_neighbours(self) -> bool:
        return False

    def neighbours(self, positions: Any, box: Any = None, *, skin: float = 0.1) -> tuple:
        return ()

    def energy_and_forces(self, positions: Any, box: Any = None, neighbours: Any = None) -> Any:
        found = self.surface.energy_and_forces(positions, box)
        energy, forces = self.added(jnp.asarray(positions))
        if isinstance(found.energy, np.ndarray):
            energy, forces = np.asarray(energy), np.asarray(forces)
        return EnergyAndForces(found.energy + energy, found.forces + forces)

    def virial(self, positions: Any, box: Any = None, neighbours: Any = None) -> Any:
        return self.surface.virial(positions, box)


def bind(molecule: Molecule, precision: str) -> Any:
    force_field = ForceField.free(parse_design(WATER), molecule.topology)
    return force_field.bind(molecule.topology, precision=precision)


def wrong(added: Callable[[Any], tuple[Any, Any]]) -> Subject:
    return Subject(water(), lambda molecule, p: Wrong(bind(molecule, p), added))


def water() -> Molecule:
    return isthmus.from_smiles("O", conformers=1)


@pytest.fixture(scope="module")
def right() -> Subject:
    return Subject(water(), bind)


def by_name(checks: Any) -> dict[str, Check]:
    return {check.name: check for check in checks}


def swirl(x: Any) -> tuple[Any, Any]:
    """A force that turns atoms about the z axis and comes from no energy."""
    turned = jnp.stack([-x[..., 1], x[..., 0], jnp.zeros_like(x[..., 0])], axis=-1)
    return jnp.zeros(x.shape[:-2], x.dtype), 20 * turned


def step(x: Any) -> tuple[Any, Any]:
    """An energy that jumps where the first bond is 0.12 nm long."""
    long = jnp.linalg.norm(x[..., 1, :] - x[..., 0, :], axis=-1) > 0.12
    return jnp.where(long, 0.5, 0.0), jnp.zeros_like(x)


def kink(x: Any) -> tuple[Any, Any]:
    """An energy whose slope jumps there."""
    apart = x[..., 1, :] - x[..., 0, :]
    length = jnp.linalg.norm(apart, axis=-1)
    pull = jnp.where(length > 0.12, -50.0, 0.0)[..., None] * apart / length[..., None]
    energy = 50.0 * jnp.maximum(length - 0.12, 0.0)
    return energy, jnp.zeros_like(x).at[..., 1, :].set(pull).at[..., 0, :].set(-pull)


def field(x: Any) -> tuple[Any, Any]:
    """A constant field that acts on atoms by their place in the input."""
    strength = 500.0 * jnp.arange(1, x.shape[-2] + 1, dtype=x.dtype)
    force = jnp.zeros_like(x).at[..., 0].set(strength)
    return -jnp.sum(strength * x[..., 0], axis=-1), force


def test_a_right_surface_passes(right: Subject) -> None:
    made = [
        *check_gradient(right, QUICK),
        *check_symmetry(right, QUICK),
        *check_extensivity(right, QUICK),
        *check_smoothness(right, QUICK),
        *check_clashes(right, QUICK),
    ]
    verdicts = {check.name: check.verdict for check in made}
    kept = ("parameters beside another molecule",)
    assert {v for name, v in verdicts.items() if name not in kept} == {"pass"}, verdicts
    assert by_name(made)["force = −∇E, float64"].reached_goal


def test_forces_that_are_no_gradient_fail() -> None:
    checks = by_name(check_gradient(wrong(swirl), QUICK))
    assert checks["force = −∇E, float64"].verdict == "fail"


def test_rounding_of_the_energy_fails() -> None:
    """A surface in float32 that is another one than in float64."""

    def binder(molecule: Molecule, precision: str) -> Any:
        surface = bind(molecule, precision)
        return surface if precision == "float64" else Wrong(surface, field)

    checks = by_name(check_gradient(Subject(water(), binder), QUICK))
    assert checks["force = −∇E, float64"].verdict == "pass"
    assert checks["force, float32 against float64"].verdict == "fail"


def test_a_field_breaks_every_symmetry() -> None:
    checks = by_name(check_symmetry(wrong(field), QUICK))
    assert checks["exchange of equivalent atoms"].verdict == "fail"
    assert "H" in checks["exchange of equivalent atoms"].note
    assert checks["translation"].verdict == "fail"
    assert checks["rotation"].verdict == "fail"
    assert checks["order of atoms in the input"].verdict == "fail"


def test_molecules_that_feel_each_other_fail() -> None:
    def binder(molecule: Molecule, precision: str) -> Any:
        surface = bind(molecule, precision)
        return surface if molecule.n_atoms == 3 else Wrong(surface, field)

    checks = by_name(check_extensivity(Subject(water(), binder), QUICK))
    assert checks["energy of two copies"].verdict == "fail"
    assert checks["forces beside a copy"].verdict == "fail"


def test_a_jump_of_the_energy_is_found_and_placed() -> None:
    found = by_name(check_smoothness(wrong(step), QUICK))["jumps of energy"]
    assert found.verdict == "fail"
    assert found.value == pytest.approx(0.5, rel=1e-3)
    assert "at 0.1200 nm" in found.note


def test_a_kink_of_the_energy_is_found() -> None:
    checks = by_name(check_smoothness(wrong(kink), QUICK))
    assert checks["jumps of force"].verdict == "fail"
    assert checks["jumps of force"].value == pytest.approx(50.0, rel=1e-3)
    assert checks["jumps of energy"].verdict == "pass"


def test_a_second_minimum_along_a_bond_fails() -> None:
    design = WATER.replace("k/2*(r-r0)^2", "k/2*(r-r0)^2*(0.02 + (r/r0-1.6)^2)")
    subject = Subject(water(), _binder_of(design))
    found = by_name(check_smoothness(subject, QUICK))["one minimum along each bond"]
    assert found.verdict == "fail"
    assert "2 minima" in found.note


def test_atoms_that_fall_into_each_other_fail() -> None:
    design = WATER.replace('"sqrt(', '"-sqrt(')
    found = by_name(check_clashes(Subject(water(), _binder_of(design)), QUICK))
    assert found["bonded atoms pressed together"].verdict == "pass"
    assert found["atoms of two molecules pressed together"].verdict == "fail"
    assert "attracts" in found["atoms of two molecules pressed together"].note


@pytest.mark.slow
def test_energy_is_not_conserved_by_a_force_without_energy() -> None:
    laboratory = Laboratory(wrong(swirl), Settings.create(quick=True, temperatures=[300.0]))
    checks = by_name(check_conservation(laboratory))
    assert checks["NVE drift, 0.5 fs"].verdict == "fail"


def test_a_molecule_that_explodes_is_seen() -> None:
    """A bond that lets go: 2 kJ/mol are enough."""
    design = WATER.replace("k/2*(r-r0)^2", "k*r0^2/2000*(1-exp(-20*(r/r0-1)))^2")
    laboratory = Laboratory(Subject(water(), _binder_of(design)), QUICK)
    (found,) = check_stability(laboratory)
    assert found.verdict == "fail"
    assert "bond" in found.note
    assert "ps" in found.note


def test_another_geometry_fails(right: Subject) -> None:
    """The reference has an angle that is far from that of the model."""
    laboratory = Laboratory(right, QUICK)
    bent = right.positions.copy()
    bent[1] = bent[0] + np.array([0.2, 0.0, 0.0])
    found = by_name(check_geometry(laboratory, (bent, "against a broken molecule")))
    assert found["RMSD at the minimum"].verdict == "fail"
    own = by_name(check_geometry(laboratory, (laboratory.start, "against itself")))
    assert own["RMSD at the minimum"].verdict == "pass"
    assert own["bond lengths at the minimum"].value == pytest.approx(0.0, abs=1e-3)


def _binder_of(design: str) -> Callable[[Molecule, str], Any]:
    def binder(molecule: Molecule, precision: str) -> Any:
        force_field = ForceField.free(parse_design(design), molecule.topology)
        return force_field.bind(molecule.topology, precision=precision)

    return binder
