"""One list of everything that must keep the contract of a potential.

A new preset, term form, special energy or source of parameters joins the family by having a case
here; `test_completeness.py` fails for one that has none.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import jax
import numpy as np

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.smiles import from_smiles
from isthmus.designs.schema import parse_design, preset
from isthmus.forcefield.forcefield import NO_CUTOFF, ForceField
from isthmus.forcefield.potential import Potential
from isthmus.parameters.graph.source import GraphSettings, GraphSource
from isthmus.parameters.mmff_source import MMFFSource
from isthmus.parameters.parameterization import Parameterization
from isthmus.parameters.source import FreeSource, NoParameters, TableSource
from isthmus.terms.cmap import Cmap
from isthmus.terms.dispersion import DispersionCorrection
from isthmus.terms.gbsa import ImplicitSolvent
from isthmus.terms.nonbonded_method import METHODS, NonbondedMethod
from isthmus.terms.special import Special

MOLECULES = {
    # a flexible amide; a ring with a substituent; linear centres; a charged sulfonamide
    "amide": "CC(=O)N[C@@H](C)C(=O)NC",
    "ring": "Cc1ccc(N)nc1",
    "nitrile": "N#CCC#C",
    "zwitterion": "[NH3+]CCS(=O)(=O)[O-]",
}
BOX = np.diag([2.6, 2.7, 2.8])


@dataclass(frozen=True)
class Case:
    """A potential on any of the molecules.

    Attributes:
        name: for the test report.
        make: the force field for one molecule.
        method: cutoff method to bind with.
        covers: what the case stands for: presets, methods, classes.
        moves: whether a translation leaves the energy alone.
    """

    name: str
    make: Callable[[Molecule], ForceField]
    covers: frozenset[object]
    method: NonbondedMethod = NO_CUTOFF
    moves: bool = True

    def bind(self, name: str, precision: str) -> tuple[Potential, Molecule]:
        """The potential of one of `MOLECULES`; made once, compiled once."""
        return _bound(self, name, precision)

    def bind_anew(self, name: str, precision: str) -> tuple[Potential, Molecule]:
        """The same, made again."""
        mol = molecule(name)
        potential = self.make(mol).bind(
            mol.topology,
            precision=precision,
            nonbonded=self.method,
            box=None if self.method.method == "none" else BOX,
        )
        return potential, mol

    @property
    def on_a_mesh(self) -> bool:
        """Whether a mesh, to its tolerance, marks places in space."""
        return self.method.method in ("pme", "ljpme")

    @property
    def turns(self) -> bool:
        """Whether a rotation leaves the energy alone; a box has directions."""
        return self.method.method == "none"

    def __str__(self) -> str:
        return self.name


@cache
def _bound(case: Case, name: str, precision: str) -> tuple[Potential, Molecule]:
    return case.bind_anew(name, precision)


@cache
def molecule(name: str) -> Molecule:
    return from_smiles(MOLECULES[name], conformers=3, seed=7)


def _preset(design: str, mol: Molecule) -> ForceField:
    return ForceField.free(design, mol.topology, random_seed=5)


def _mmff(_: Molecule) -> ForceField:
    return ForceField.mmff("MMFF94")


def disturbed(source: GraphSource, *, seed: int = 0) -> GraphSource:
    """A network with random weights in its last layers too, so that nothing is at its prior."""
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda w: (w + random.normal(0, 0.1, w.shape)).astype(np.float32), source)


def _graph(_: Molecule) -> ForceField:
    settings = GraphSettings(width=16, depth=2, head_width=16)
    force_field = ForceField.graph("class2plus", seed=0, settings=settings)
    assert isinstance(force_field.source, GraphSource)
    return replace(force_field, source=disturbed(force_field.source))


def _networks(design: str, mol: Molecule) -> ForceField:
    """Weights that are not those of the start, whose energies are near 0."""
    elements = mol.topology.atomic_numbers.tolist()
    settings = GraphSettings(width=16, depth=2, head_width=16)
    force_field = ForceField.graph(design, seed=0, settings=settings, elements=elements)
    random = np.random.default_rng(4)
    networks = jax.tree.map(
        lambda w: (w + random.normal(0, 0.1, np.shape(w))).astype(np.float32), force_field.networks
    )
    return replace(force_field, networks=networks)


FIVE_ATOMS = """
name = "five"
[[term]]
name = "five"
over = "path5"
energy = "k*cos(phi1234)*cos(phi2345)*(theta234-t0)^2+q*(r15-r0)^2"
parameters.k = { unit = "kJ/mol/rad^2", default = 3, scale = 1 }
parameters.t0 = { unit = "rad", default = 1.9, scale = 0.1 }
parameters.q = { unit = "kJ/mol/nm^2", default = 10, scale = 1 }
parameters.r0 = { unit = "nm", default = 0.5, scale = 0.1 }
"""
WELL = """
name = "well"
[[term]]
name = "well"
over = "atom"
energy = "k*(x^2+y^2+z^2)"
parameters.k = { unit = "kJ/mol/nm^2", default = 3, scale = 1 }
"""


def _text(text: str, mol: Molecule) -> ForceField:
    return ForceField.free(parse_design(text), mol.topology, random_seed=1)


def _special(kind: type[Special], mol: Molecule) -> ForceField:
    n_atoms = mol.topology.n_atoms
    random = np.random.default_rng(3)
    if kind is ImplicitSolvent:
        charges = random.normal(0, 0.3, n_atoms)
        radii, scales = random.uniform(0.1, 0.2, n_atoms), random.uniform(0.7, 0.9, n_atoms)
        special: Special = ImplicitSolvent("gbsa", charges, radii, scales)
    elif kind is Cmap:
        torsions = mol.topology.clusters.torsions
        atoms = np.concatenate([torsions[:-1], torsions[1:]], axis=1)
        maps = random.normal(0, 3, (2, 8, 8))
        map_idx = np.arange(len(atoms), dtype=np.int32) % 2
        special = Cmap.from_maps("cmap", atoms_idx=atoms, map_idx=map_idx, maps=maps)
    else:
        special = DispersionCorrection("tail", "lennard-jones", np.array(-3.0))
    table = Parameterization(mol.topology.masses, specials=(special,), box=BOX)
    return ForceField(preset("class1"), TableSource(table))


def _pairs(method: str) -> Case:
    switch = None if method == "ljpme" else 0.8
    settings = NonbondedMethod(method, cutoff=1.0, switch=switch)
    return Case(f"pairs {method}", partial(_preset, "class1"), frozenset({method}), settings)


CASES = (
    *(
        Case(f"preset {design}", partial(_preset, design), frozenset({design, FreeSource}))
        for design in ("class1", "class2", "class2plus", "class2plus5")
    ),
    Case("preset mmff", _mmff, frozenset({"mmff", MMFFSource})),
    Case("graph class2plus", _graph, frozenset({GraphSource})),
    *(
        Case(f"network {design}", partial(_networks, design), frozenset({design, NoParameters}))
        for design in ("moments", "class2plus-moments")
    ),
    Case("paths of five", partial(_text, FIVE_ATOMS), frozenset()),
    Case("external well", partial(_text, WELL), frozenset(), moves=False),
    *(_pairs(method) for method in METHODS if method != "none"),
    *(
        Case(kind.__name__, partial(_special, kind), frozenset({kind, TableSource}))
        for kind in (ImplicitSolvent, Cmap, DispersionCorrection)
    ),
)
