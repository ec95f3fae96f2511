"""Labelling: levels of theory, walks, plans, and single pieces, without other processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes

from isthmus.chemistry.smiles import from_smiles
from isthmus.errors import EngineMissingError, InputError
from isthmus.label.calculators import LabellerCalculator, MMFFCalculator
from isthmus.label.level import LabelError
from isthmus.label.named import level_named
from isthmus.label.piece import Work
from isthmus.label.plan import read_plan
from isthmus.label.samplers import sampler_for
from isthmus.label.sampling import Dynamics, walk
from isthmus.label.targets import Options, plan_sampling

QUICK = Dynamics(equilibration=0.02, interval=0.01)


def largest_difference(labeller: Any, positions: np.ndarray, step: float) -> float:
    """Between forces and central differences of the energy, over some coordinates [kJ/mol/nm]."""
    forces = labeller(positions).forces
    worst = 0.0
    for atom, axis in ((0, 0), (0, 2), (1, 1), (len(positions) - 1, 0)):
        energies = []
        for sign in (1, -1):
            moved = positions.copy()
            moved[atom, axis] += sign * step
            energies.append(labeller(moved).energy)
        numerical = -(energies[0] - energies[1]) / (2 * step)
        worst = max(worst, abs(numerical - forces[atom, axis]))
    return worst


def rattled(smiles: str) -> Any:
    molecule = from_smiles(smiles, conformers=1)
    noise = np.random.default_rng(0).normal(scale=0.005, size=molecule.positions.shape)
    return molecule.topology, molecule.positions + noise


class Pusher(Calculator):
    """The same force outwards on every atom, for ever."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 - as ASE has it

    def __init__(self, force: float) -> None:
        super().__init__()
        self.force = force

    def calculate(
        self, atoms: Any = None, properties: Any = (), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, list(properties), system_changes)
        assert self.atoms is not None
        outwards = self.atoms.positions - self.atoms.positions.mean(axis=0)
        self.results = {"energy": 0.0, "forces": self.force * outwards}


class TestTightBinding:
    @pytest.fixture(autouse=True)
    def _needs_tblite(self) -> None:
        pytest.importorskip("tblite", reason="tblite is not installed (isthmus[qm])")

    @pytest.mark.parametrize("method", ["gfn1", "gfn2"])
    def test_forces_are_the_gradient(self, method: str) -> None:
        topology, positions = rattled("CC(=O)[O-]")
        labeller = level_named(method).labeller(topology, multiplicity=1)
        assert largest_difference(labeller, positions, 1e-4) < 0.5
        labels = labeller(positions)
        assert np.abs(labels.forces).max() > 500
        assert labels.charges is not None
        assert labels.charges.sum() == pytest.approx(-1.0, abs=1e-6)

    def test_the_energy_is_tblites_own(self) -> None:
        """Of its documentation, for SiH4 at coordinates in bohr: -3.763237 hartree."""
        from isthmus.units import BOHR, HARTREE

        c = 1.617683897558
        places = np.array([[0, 0, 0], [c, c, -c], [-c, -c, -c], [c, -c, c], [-c, c, c]]) * BOHR
        topology = from_smiles("[SiH4]").topology
        labels = level_named("gfn2").labeller(topology, multiplicity=1)(places)
        assert labels.energy / HARTREE == pytest.approx(-3.76323375, abs=2e-7)

    def test_labels_do_not_depend_on_what_came_before(self) -> None:
        topology, positions = rattled("CO")
        labeller = level_named("gfn2").labeller(topology, multiplicity=1)
        first = labeller(positions)
        labeller(positions * 1.02, continued=True)
        again = labeller(positions)
        # Threads of tblite may add in another order
        assert again.energy == pytest.approx(first.energy, rel=1e-13)
        np.testing.assert_allclose(again.forces, first.forces, atol=1e-8)

    def test_the_dipole_of_water(self) -> None:
        from isthmus.units import DEBYE

        water = from_smiles("O", conformers=1)
        labels = level_named("gfn2").labeller(water.topology, multiplicity=1)(water.positions)
        assert labels.dipole is not None
        assert 1.8 < np.linalg.norm(labels.dipole) / DEBYE < 2.7

    def test_atoms_on_each_other_are_an_error_of_the_frame(self) -> None:
        topology, positions = rattled("O")
        labeller = level_named("gfn2").labeller(topology, multiplicity=1)
        with pytest.raises(LabelError, match="tblite: Too close"):
            labeller(positions * 0)
        assert np.isfinite(labeller(positions).energy)

    def test_a_piece_in_this_process(self) -> None:
        options = Options(frames=4, conformers=2, dynamics=QUICK)
        plan = plan_sampling([from_smiles("CO")], options)
        assert plan.targets[0].pieces == (1, 1, 1, 1)
        done = Work(plan).do((0, 1))
        assert done.sampler == "mmff94"
        assert done.entry is not None
        assert done.entry.temperatures is not None
        assert done.entry.temperatures.tolist() == [500.0]
        assert done.entry.frame_idx.tolist() == [1]
        assert done.entry.level_of_theory.startswith("GFN2-xTB (tblite ")
        again = Work(plan).do((0, 1))
        assert again.entry is not None
        # Threads of tblite may add in another order; the processes of a run have one each
        np.testing.assert_array_equal(again.entry.positions, done.entry.positions)
        np.testing.assert_allclose(again.entry.energies, done.entry.energies, rtol=1e-12)

    def test_a_radical_with_its_multiplicity(self) -> None:
        plan = plan_sampling(
            [from_smiles("[CH3]")], Options(frames=1, multiplicity=2, dynamics=QUICK)
        )
        done = Work(plan).do((0, 0))
        assert done.entry is not None, done.dropped


@pytest.mark.slow
class TestQuantum:
    @pytest.fixture(autouse=True)
    def _needs_pyscf(self) -> Iterator[None]:
        pytest.importorskip("pyscf", reason="PySCF is not installed (isthmus[qm])")
        from pyscf import lib

        threads = lib.num_threads()
        lib.num_threads(1)
        yield
        lib.num_threads(threads)

    @pytest.mark.parametrize(
        ("method", "smiles", "multiplicity"),
        [
            ("pyscf:hf/sto-3g", "CCO", 1),
            ("pyscf:b3lyp/def2-svp", "O", 1),
            ("pyscf:pbe/sto-3g", "[CH3]", 2),
        ],
    )
    def test_forces_are_the_gradient(self, method: str, smiles: str, multiplicity: int) -> None:
        topology, positions = rattled(smiles)
        labeller = level_named(method).labeller(topology, multiplicity=multiplicity)
        scale = np.abs(labeller(positions).forces).max()
        assert scale > 500
        assert largest_difference(labeller, positions, 2e-4) < 2.0

    def test_core_potentials_come_with_the_basis(self) -> None:
        """An iodine with all its electrons would have an energy near -6900 hartree."""
        from isthmus.units import HARTREE

        topology, positions = rattled("CI")
        labels = level_named("pyscf:hf/def2-svp").labeller(topology, multiplicity=1)(positions)
        assert -400 < labels.energy / HARTREE < -300

    def test_energy_of_water(self) -> None:
        """RHF/STO-3G near its minimum: -74.9659 hartree (Szabo and Ostlund: -74.963)."""
        from isthmus.units import ANGSTROM, HARTREE

        places = np.array([[0, 0, 0], [0.9894, 0, 0], [-0.1734, 0.9741, 0]]) * ANGSTROM
        level = level_named("pyscf:hf/sto-3g")
        labels = level.labeller(from_smiles("O").topology, multiplicity=1)(places)
        assert labels.energy / HARTREE == pytest.approx(-74.9659, abs=1e-3)
        assert level.level_of_theory.startswith("hf/sto-3g (pyscf ")

    def test_dispersion_without_its_package_is_explained(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from pyscf.scf import dispersion

        monkeypatch.setattr(dispersion, "dftd3", None)
        with pytest.raises(EngineMissingError, match="pip install pyscf-dispersion"):
            level_named("pyscf:b3lyp-d3bj/def2-svp")


def test_any_calculator_of_ase() -> None:
    level = level_named("ase:lj", {"epsilon": 0.01, "sigma": 1.5})
    topology, positions = rattled("CO")
    labeller = level.labeller(topology, multiplicity=1)
    assert largest_difference(labeller, positions, 1e-5) < 0.1
    assert level.level_of_theory.startswith("ase.calculators.lj:LennardJones {")
    by_path = level_named("ase:ase.calculators.lj:LennardJones", {"epsilon": 0.01, "sigma": 1.5})
    other = by_path.labeller(topology, multiplicity=1)
    assert other(positions).energy == labeller(positions).energy


@pytest.mark.slow
def test_mmff_is_ours() -> None:
    """RDKit's MMFF94, which drives the dynamics, and the energy of the design `mmff`."""
    from isthmus.deploy.spec import resolve_force_field
    from isthmus.units import ANGSTROM, ELECTRONVOLT

    molecule = from_smiles("C[NH3+].[Cl-]", conformers=1)
    ours = resolve_force_field("mmff94", molecule).bind(molecule)
    from ase import Atoms

    atoms = Atoms(molecule.topology.atomic_numbers, molecule.positions / ANGSTROM)
    atoms.calc = MMFFCalculator(molecule)
    expected = ours.energy_and_forces(molecule.positions)
    assert atoms.get_potential_energy() * ELECTRONVOLT == pytest.approx(
        float(expected.energy), abs=1e-3
    )
    forces = atoms.get_forces() * ELECTRONVOLT / ANGSTROM
    np.testing.assert_allclose(forces, np.asarray(expected.forces), atol=1.0)


def test_the_sampler_is_mmff94_where_it_can_be() -> None:
    level = level_named("ase:lj")
    for smiles, name in (("CCO", "mmff94"), ("C[SeH]", "label")):
        molecule = from_smiles(smiles).with_conformers(1, relax=False)
        labeller = level.labeller(molecule.topology, multiplicity=1)
        assert sampler_for(None, molecule, labeller).name == name
    with pytest.raises(InputError, match="cannot type"):
        sampler_for("mmff94", molecule, labeller)


class TestWalk:
    def run(self, calculator: Any, **given: Any) -> Any:
        molecule = from_smiles("CC", conformers=1)
        settings: dict[str, Any] = {"n_frames": 5, "temperature": 300.0, "dynamics": Dynamics()}
        return walk(
            molecule,
            molecule.positions,
            calculator,
            rng=np.random.default_rng(0),
            **(settings | given),
        )

    def test_a_broken_bond_ends_it(self) -> None:
        result = self.run(Pusher(3.0))
        assert not result.positions
        assert "is broken" in result.end or "exploded" in result.end

    def test_what_explodes_is_seen(self) -> None:
        result = self.run(Pusher(1e5), dynamics=QUICK)
        assert "exploded" in result.end

    def test_a_level_that_fails_ends_it(self) -> None:
        class Refuses:
            def __call__(self, positions: Any, *, continued: bool = False) -> Any:
                raise LabelError("no convergence")

        result = self.run(LabellerCalculator(Refuses()))
        assert result.end == "the dynamics failed: no convergence"

    @pytest.mark.slow
    def test_the_temperature_is_kept(self) -> None:
        """Of harmonic bonds: <(r - r0)²> = kT/k, over a long walk of MMFF's ethane."""
        from ase import units

        molecule = from_smiles("CC", conformers=1)
        settings = Dynamics(interval=0.02)
        result = self.run(
            MMFFCalculator(molecule), n_frames=600, temperature=600.0, dynamics=settings
        )
        assert result.end is None
        lengths = [np.linalg.norm(frame[0] - frame[1]) * 10 for frame in result.positions]
        # 4.258 mdyn/Å of MMFF's C-C, softened a little by the angles around it
        expected = units.kB * 600 / (4.258 * 6.2415)
        assert np.var(lengths) == pytest.approx(expected, rel=0.35)


class TestPlan:
    def test_odd_electrons_and_atoms_are_failures(self) -> None:
        molecules = [from_smiles(text) for text in ("CO", "C[CH2]", "[Na+]", "OC", "CCN")]
        plan = plan_sampling(molecules, Options(method="ase:lj", frames=7))
        assert [target.name for target in plan.targets] == ["CO", "CCN"]
        assert plan.targets[0].pieces == (2, 1, 1, 1, 1, 1)
        reasons = {one.molecule: one.reason for one in plan.failures}
        assert "17 electrons, an odd number" in reasons["[CH2]C"]
        assert "single atom" in reasons["[Na+]"]

    def test_it_survives_its_file(self, tmp_path: Path) -> None:
        molecules = [from_smiles("CO", conformers=2), from_smiles("[CH3]", name="methyl")]
        plan = plan_sampling(molecules[:1], Options(method="ase:lj", given_coordinates=True))
        (tmp_path / "plan.json").write_text(plan.text)
        assert read_plan(tmp_path / "plan.json").digest == plan.digest
        (tmp_path / "plan.json").write_text(plan.text[:-40])
        with pytest.raises(InputError, match="no plan"):
            read_plan(tmp_path / "plan.json")

    def test_two_plans_are_told_apart(self) -> None:
        molecules = [from_smiles("CO"), from_smiles("CN")]
        first = plan_sampling(molecules, Options(method="ase:lj", seed=1))
        second = plan_sampling(molecules, Options(method="ase:lj", seed=2))
        with pytest.raises(InputError, match="seed was 1, now 2"):
            second.refuse_other(first, where="'x'")
        fewer = plan_sampling(molecules[:1], Options(method="ase:lj", seed=1))
        with pytest.raises(InputError, match="molecules were 2, now 1"):
            fewer.refuse_other(first, where="'x'")

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"frames": 0}, "0 frames"),
            ({"temperatures": (0.0,)}, "temperatures 0"),
            ({"multiplicity": 0}, "multiplicity 0"),
            ({"dynamics": {"timestep": 0.01}}, "time step of 10 fs"),
            ({"dynamics": {"friction": 1e6}}, "friction"),
            ({"dynamics": {"interval": float("nan")}}, "interval of nan"),
        ],
    )
    def test_numbers_that_cannot_be_meant(self, given: Any, message: str) -> None:
        with pytest.raises(InputError, match=message):
            Options(**(given | {"dynamics": Dynamics(**given.get("dynamics", {}))}))
