"""Force fields by name: what each text means, for molecules and for systems in a box."""

from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
import openmm
import pytest
from openmm import app

import isthmus
from isthmus.chemistry.molecule import Molecule
from isthmus.deploy.comparison import evaluate
from isthmus.deploy.openmm.topology import openmm_topology
from isthmus.deploy.spec import CUTOFF, ResolvedForceField, resolve_force_field
from isthmus.errors import InputError
from isthmus.parameters.mmff_source import MMFFSource
from isthmus.parameters.source import FreeSource, TableSource
from isthmus.terms.nonbonded_method import NonbondedMethod

DATA = Path(__file__).parents[2] / "examples" / "data"
TEST_DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def peptide() -> Molecule:
    """Alanine dipeptide in water, with its box."""
    return isthmus.read(DATA / "alanine_dipeptide_solvated.pdb")[0]


@pytest.fixture(scope="module")
def alone(peptide: Molecule) -> Molecule:
    """The dipeptide without water and box."""
    atoms = np.flatnonzero(peptide.topology.components == 0)
    return Molecule.create(peptide.topology.subset(atoms), peptide.positions[atoms])


class TestNames:
    @pytest.mark.parametrize(("spec", "variant"), [("mmff94", "MMFF94"), ("MMFF94S", "MMFF94s")])
    def test_mmff(self, spec: str, variant: str, alone: Molecule) -> None:
        source = resolve_force_field(spec, alone).force_field.source
        assert isinstance(source, MMFFSource)
        assert source.variant == variant

    def test_mmff_in_a_box_says_that_it_ignores_it(self, peptide: Molecule) -> None:
        assert "the box is not used" in str(resolve_force_field("mmff94", peptide).note)

    def test_design_is_called_untrained(self, alone: Molecule) -> None:
        found = resolve_force_field("class2plus", alone)
        assert isinstance(found.force_field.source, FreeSource)
        assert found.nonbonded == NonbondedMethod()
        assert "without trained parameters" in str(found.note)

    def test_design_in_a_box_uses_particle_mesh_ewald(self, peptide: Molecule) -> None:
        found = resolve_force_field("class1", peptide)
        assert found.nonbonded == NonbondedMethod("pme", cutoff=CUTOFF)

    def test_saved_force_field(self, alone: Molecule, tmp_path: Path) -> None:
        path = tmp_path / "own.safetensors"
        isthmus.save_force_field(isthmus.ForceField.free("class1", alone.topology), path)
        found = resolve_force_field(str(path), alone)
        assert isinstance(found.force_field.source, FreeSource)
        assert found.note is None


class TestOpenMM:
    def test_short_name_without_box(self, alone: Molecule) -> None:
        found = resolve_force_field("amber14", alone)
        (force,) = [f for f in system_of(found) if isinstance(f, openmm.NonbondedForce)]
        assert force.getNonbondedMethod() == openmm.NonbondedForce.NoCutoff
        assert isinstance(found.force_field.source, TableSource)

    def test_short_name_with_box(self, peptide: Molecule) -> None:
        found = resolve_force_field("amber14", peptide)
        (force,) = [f for f in system_of(found) if isinstance(f, openmm.NonbondedForce)]
        assert force.getNonbondedMethod() == openmm.NonbondedForce.PME
        assert force.getCutoffDistance()._value == CUTOFF
        assert found.system is not None
        assert found.system.getNumConstraints() == 0

    def test_files_by_name(self, alone: Molecule) -> None:
        found = resolve_force_field("amber14-all.xml, amber14/tip3pfb.xml", alone)
        assert found.system is not None

    def test_both_engines_agree_on_every_force(self, alone: Molecule) -> None:
        found = resolve_force_field("amber14", alone)
        (result,) = evaluate(found.bind(alone), alone.conformers, system=found.system)
        assert len(result.groups) == 4
        for group in result.groups:
            assert group.isthmus == pytest.approx(group.openmm, rel=1e-6)
        assert result.forces is not None
        assert result.forces.relative < 1e-6

    def test_serialised_system(self, alone: Molecule, tmp_path: Path) -> None:
        system = resolve_force_field("amber14", alone).system
        path = tmp_path / "system.xml"
        path.write_text(openmm.XmlSerializer.serialize(system))
        found = resolve_force_field(str(path), alone)
        assert isinstance(found.force_field.source, TableSource)

    @pytest.mark.parametrize(
        ("spec", "special"),
        [
            pytest.param("charmm36", "Cmap", marks=pytest.mark.slow),
            ("amber14-all.xml,implicit/obc2.xml", "ImplicitSolvent"),
        ],
    )
    def test_saved_and_loaded(self, spec: str, special: str, tmp_path: Path) -> None:
        (molecule,) = isthmus.read(TEST_DATA / "chignolin.pdb")
        force_field = resolve_force_field(spec, molecule).force_field
        isthmus.save_force_field(force_field, tmp_path / "a.safetensors")
        loaded = isthmus.load_force_field(tmp_path / "a.safetensors")
        assert eqx.tree_equal(loaded, force_field)
        assert special in [
            type(s).__name__ for s in loaded.parameterise(molecule.topology).specials
        ]

    @pytest.mark.slow  # OpenMM takes seconds to read CHARMM
    def test_two_templates_for_one_residue(self, peptide: Molecule) -> None:
        with pytest.raises(InputError, match="Multiple non-identical matching templates"):
            resolve_force_field("charmm36", peptide)

    @pytest.mark.parametrize("tag", ["Script", "InitializationScript"])
    def test_scripts_in_files_of_strangers_do_not_run(
        self, alone: Molecule, tmp_path: Path, tag: str
    ) -> None:
        trace = tmp_path / "trace"
        script = f"<{tag}>open({str(trace)!r}, 'w').close()</{tag}>"
        (tmp_path / "evil.xml").write_text(f"<ForceField>{script}</ForceField>")
        outer = tmp_path / "outer.xml"
        outer.write_text('<ForceField><Include file="evil.xml"/></ForceField>')
        for path in (tmp_path / "evil.xml", outer):
            with pytest.raises(InputError, match=r"evil\.xml holds a script"):
                resolve_force_field(f"amber14-all.xml,{path}", alone)
        assert not trace.exists()

    def test_missing_template_names_the_residue(self) -> None:
        molecule = isthmus.from_smiles("CCCO")
        with pytest.raises(InputError, match="no template for residue MOL 1") as raised:
            resolve_force_field("amber14", molecule)
        assert "mmff94" in str(raised.value)
        assert "http" not in str(raised.value)


class TestTopology:
    def test_atoms_bonds_and_box(self, peptide: Molecule) -> None:
        ours = peptide.topology
        theirs = openmm_topology(ours, peptide.box)
        assert theirs.getNumAtoms() == ours.n_atoms
        assert theirs.getNumResidues() == ours.n_residues
        assert [a.name for a in theirs.atoms()] == ours.atom_names.tolist()
        bonds = [(a.index, b.index) for a, b in theirs.bonds()]
        assert bonds == [tuple(bond) for bond in ours.bonds.tolist()]
        vectors: Any = theirs.getPeriodicBoxVectors()
        box = np.array(vectors._value)
        assert np.array_equal(box, np.asarray(peptide.box))

    def test_insertion_codes_and_bond_orders(self) -> None:
        topology = isthmus.Topology.create(
            [6, 8, 1, 1],
            [[0, 1], [0, 2], [0, 3]],
            bond_orders=[2, 1, 1],
            residue_idx=[0, 0, 0, 0],
            residue_names=["FOR"],
            residue_ids=["52A"],
            chain_ids=["B"],
        )
        result = openmm_topology(topology)
        (residue,) = result.residues()
        assert (residue.id, residue.insertionCode, residue.chain.id) == ("52", "A", "B")
        assert [bond.type for bond in result.bonds()] == [app.Double, app.Single, app.Single]
        assert result.getPeriodicBoxVectors() is None


def system_of(found: ResolvedForceField) -> list[openmm.Force]:
    """Forces of the System that a force field came from."""
    assert found.system is not None
    return list(found.system.getForces())
