"""MMFF94 and MMFF94s parameters of a molecule, cluster by cluster, as RDKit assigns them.

RDKit types the atoms, applies the step-down rules and the empirical rules, and says the
parameters in MMFF's units (md/Å, Å, degrees, kcal/mol); here they become plain arrays in ours.
With these numbers the energy [kJ/mol] is the sum of

| term | over | energy |
|---|---|---|
| bonds | bond | k/2 d² (1 + CUBIC_BOND d + 7/12 CUBIC_BOND² d²), d = r − r0 |
| angles | angle, bent | k/2 d² (1 + CUBIC_ANGLE d), d = θ − θ0 |
| | angle, linear | k (1 + cos θ) |
| stretch_bends | angle | (k12 (r12 − r12_0) + k23 (r23 − r23_0)) (θ − θ0) |
| out_of_planes | branch | k/2 (χ2² + χ3² + χ4²), Wilson angles, atom 1 the centre |
| torsions | torsion | ½ (v1 (1 + cos φ) + v2 (1 − cos 2φ) + v3 (1 + cos 3φ)) |
| pairs14, pairs_further | pair | ε (1.07 R / (r + 0.07 R))⁷ (1.12 R⁷ / (r⁷ + 0.12 R⁷) − 2) |
| | pair | s COULOMB_MMFF q1 q2 / (r + BUFFER), s = 3/4 for pairs14, else 1 |

Source: Halgren, J. Comput. Chem. 17, 490, 520, 553, 587, 616 (1996); 20, 720 (1999) for MMFF94s;
Tosco, Stiefl and Landrum, J. Cheminform. 6, 37 (2014) for RDKit's implementation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Int

from isthmus.errors import InputError
from isthmus.units import ANGSTROM, DEGREE, KILOCALORIE

__all__ = [
    "BUFFER",
    "COULOMB_MMFF",
    "CUBIC_ANGLE",
    "CUBIC_BOND",
    "SCALE_14",
    "VARIANTS",
    "ClusterParameters",
    "MMFFParameters",
    "mmff_parameters",
]

VARIANTS: Final = ("MMFF94", "MMFF94s")

CUBIC_BOND: Final = -2.0 / ANGSTROM
"""cs, the cubic constant of bonds [1/nm]"""

CUBIC_ANGLE: Final = -0.006981317 / DEGREE
"""cb, the cubic constant of angles [1/rad]; the published digits of −0.4"""

COULOMB_MMFF: Final = 332.0716 * KILOCALORIE * ANGSTROM
"""MMFF's Coulomb constant [kJ/mol nm/e²]"""

BUFFER: Final = 0.05 * ANGSTROM
"""What is added to r in the buffered Coulomb energy [nm]"""

SCALE_14: Final = 0.75
"""Scale of the Coulomb energy of 1-4 pairs; their van der Waals energy is not scaled"""

_MILLIDYNE_ANGSTROM: Final = 143.9325 * KILOCALORIE
"""1 md Å per molecule [kJ/mol], with MMFF's digits"""

_LINEAR_TYPES: Final = frozenset({4, 53, 61})
"""MMFF atom types with the property `linh`: C in C≡X and =C=, N in =N= and ≡N-"""

_ELEMENTS: Final = frozenset(
    {1, 3, *range(6, 10), 11, 12, *range(14, 18), 19, 20, 26, 29, 30, 35, 53}
)
"""Atomic numbers that have an MMFF94 atom type"""

Cluster = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ClusterParameters:
    """The parameters of one term by name [kJ/mol, nm, rad], one value per cluster; read-only."""

    atoms: Int[np.ndarray, "clusters size"]
    values: Mapping[str, Float[np.ndarray, "clusters"]]


@dataclass(frozen=True, kw_only=True)
class MMFFParameters:
    """Everything MMFF says about one molecule; the formulas stand in the module's docstring.

    Attributes:
        variant: `MMFF94` or `MMFF94s`.
        charges: partial charges [e].
        bonds: `k` [kJ/mol/nm²], `r0` [nm]; atoms i < j.
        angles: `k` [kJ/mol/rad²] ([kJ/mol] where linear), `theta0` [rad], `is_linear` (0 or 1);
            atoms i, centre, k with i < k.
        stretch_bends: `k12`, `k23` [kJ/mol/nm/rad], 0 at linear centres, and the equilibrium
            values `r12_0`, `r23_0` [nm], `theta0` [rad]; the same rows as `angles`.
        out_of_planes: `k` [kJ/mol/rad²]; every atom with three neighbours, centre first.
        torsions: `v1`, `v2`, `v3` [kJ/mol]; paths that avoid linear atoms, middle atoms j < k.
        pairs14: `r_min` (R*) [nm], `epsilon` [kJ/mol]; pairs at graph distance 3.
        pairs_further: the same for pairs further apart, or in different components.
    """

    variant: str
    charges: Float[np.ndarray, "atoms"]
    bonds: ClusterParameters
    angles: ClusterParameters
    stretch_bends: ClusterParameters
    out_of_planes: ClusterParameters
    torsions: ClusterParameters
    pairs14: ClusterParameters
    pairs_further: ClusterParameters


@dataclass(frozen=True)
class _Typed:
    """A molecule with RDKit's MMFF properties and the neighbours of each atom."""

    molecule: Any
    properties: Any
    neighbours: tuple[tuple[int, ...], ...]

    def ask(self, getter: str, cluster: Cluster) -> Any:
        """What one of RDKit's parameter getters says about a cluster, None for nothing."""
        return getattr(self.properties, getter)(self.molecule, *cluster)

    def is_linear(self, atom: int) -> bool:
        """Whether MMFF treats the atom as the centre of a linear angle."""
        return self.properties.GetMMFFAtomType(atom) in _LINEAR_TYPES

    def require(self, getter: str, cluster: Cluster) -> tuple[float, ...]:
        """The same without the leading type, for clusters that must have parameters."""
        row = self.ask(getter, cluster)
        if row is None:
            symbols = (self.molecule.GetAtomWithIdx(atom).GetSymbol() for atom in cluster)
            name = "-".join(f"{symbol}{n}" for symbol, n in zip(symbols, cluster, strict=True))
            raise InputError(f"MMFF cannot say {name}: use a force field with parameters for it")
        return row[1:]


def mmff_parameters(molecule: Any, variant: str = "MMFF94") -> MMFFParameters:
    """Parameters of an RDKit molecule (`rdkit.Chem.Mol`), variant `MMFF94` or `MMFF94s`.

    The molecule is not changed. It needs no coordinates; several components are fine.

    Raises:
        InputError: hydrogens are implicit, the variant is unknown, MMFF has no type for an atom
            or no parameters for a bond or an angle.
    """
    if variant not in VARIANTS:
        raise InputError(f"unknown MMFF variant '{variant}': choose {' or '.join(VARIANTS)}")
    typed = _typed(molecule, variant)
    bonds = _bonds(typed)
    angles = _angles(typed)
    pairs14, pairs_further = _pairs(typed.neighbours)
    charges = [typed.properties.GetMMFFPartialCharge(n) for n in range(len(typed.neighbours))]
    return MMFFParameters(
        variant=variant,
        charges=_frozen(charges, float),
        bonds=bonds,
        angles=angles,
        stretch_bends=_stretch_bends(typed, bonds, angles),
        out_of_planes=_out_of_planes(typed),
        torsions=_torsions(typed),
        pairs14=_van_der_waals(typed, pairs14),
        pairs_further=_van_der_waals(typed, pairs_further),
    )


def _typed(molecule: Any, variant: str) -> _Typed:
    """Type the atoms of a copy, because RDKit kekulises and marks the molecule that it types."""
    from rdkit import Chem
    from rdkit.Chem import rdForceFieldHelpers

    copy = Chem.Mol(molecule)
    bare = [atom for atom in copy.GetAtoms() if atom.GetTotalNumHs() > 0]
    if bare:
        raise InputError(
            f"{len(bare)} atoms have implicit hydrogens, the first is {bare[0].GetSymbol()}"
            f"{bare[0].GetIdx()}: MMFF needs every hydrogen as an atom; add them (Chem.AddHs)"
        )
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(copy, mmffVariant=variant)
    if properties is None:
        strange = {a.GetSymbol() for a in copy.GetAtoms() if a.GetAtomicNum() not in _ELEMENTS}
        what = f"element {', '.join(sorted(strange))}" if strange else "an atom's bonding"
        raise InputError(
            f"{variant} has no atom type for {Chem.MolToSmiles(Chem.RemoveHs(copy))} ({what}): "
            "use a force field that covers it"
        )
    neighbours = tuple(
        tuple(sorted(other.GetIdx() for other in atom.GetNeighbors())) for atom in copy.GetAtoms()
    )
    return _Typed(copy, properties, neighbours)


def _frozen(values: Any, kind: type) -> Any:
    array = np.array(values, dtype=kind)
    array.flags.writeable = False
    return array


def _record(
    clusters: list[Cluster],
    rows: Iterable[tuple[float, ...]],
    *,
    size: int,
    units: dict[str, float],
) -> ClusterParameters:
    """Arrays from one row of numbers per cluster, times the unit of each column."""
    columns = np.array(list(rows), dtype=float).reshape(len(clusters), len(units))
    return ClusterParameters(
        atoms=_frozen(np.array(clusters, dtype=int).reshape(-1, size), int),
        values=MappingProxyType(
            {
                name: _frozen(columns[:, column] * unit, float)
                for column, (name, unit) in enumerate(units.items())
            }
        ),
    )


def _bonds(typed: _Typed) -> ClusterParameters:
    bonds = [(i, j) for i, near in enumerate(typed.neighbours) for j in near if i < j]
    rows = [typed.require("GetMMFFBondStretchParams", bond) for bond in bonds]
    units = {"k": _MILLIDYNE_ANGSTROM / ANGSTROM**2, "r0": ANGSTROM}
    return _record(bonds, rows, size=2, units=units)


def _angles(typed: _Typed) -> ClusterParameters:
    angles = [
        (i, j, k) for j, near in enumerate(typed.neighbours) for i, k in combinations(near, 2)
    ]
    rows = [
        (*typed.require("GetMMFFAngleBendParams", angle), float(typed.is_linear(angle[1])))
        for angle in angles
    ]
    # MMFF's per-degree constants are 143.9325 (π/180)² and so on: per radian they are plain
    units = {"k": _MILLIDYNE_ANGSTROM, "theta0": DEGREE, "is_linear": 1.0}
    return _record(angles, rows, size=3, units=units)


def _stretch_bends(
    typed: _Typed, bonds: ClusterParameters, angles: ClusterParameters
) -> ClusterParameters:
    lengths = {
        frozenset(bond): r0
        for bond, r0 in zip(bonds.atoms.tolist(), bonds.values["r0"].tolist(), strict=True)
    }
    clusters: list[Cluster] = [tuple(atoms) for atoms in angles.atoms.tolist()]
    rows = []
    for (i, j, k), theta0 in zip(clusters, angles.values["theta0"].tolist(), strict=True):
        # none at linear centres, where the angle has no derivative
        _, k12, k23 = typed.ask("GetMMFFStretchBendParams", (i, j, k)) or (0, 0.0, 0.0)
        rows.append((k12, k23, lengths[frozenset((i, j))], lengths[frozenset((j, k))], theta0))
    unit = _MILLIDYNE_ANGSTROM / ANGSTROM
    units = {"k12": unit, "k23": unit, "r12_0": 1.0, "r23_0": 1.0, "theta0": 1.0}
    return _record(clusters, rows, size=3, units=units)


def _out_of_planes(typed: _Typed) -> ClusterParameters:
    branches = [(centre, *near) for centre, near in enumerate(typed.neighbours) if len(near) == 3]
    rows = [
        (typed.ask("GetMMFFOopBendParams", (a, centre, b, c)) or 0.0,)
        for centre, a, b, c in branches
    ]
    return _record(branches, rows, size=4, units={"k": _MILLIDYNE_ANGSTROM})


def _torsions(typed: _Typed) -> ClusterParameters:
    torsions = [
        (i, j, k, l)
        for j, near in enumerate(typed.neighbours)
        for k in near
        if j < k and not typed.is_linear(j) and not typed.is_linear(k)
        for i in near
        for l in typed.neighbours[k]
        if i != k and l not in (i, j)
    ]
    rows = [
        (typed.ask("GetMMFFTorsionParams", cluster) or (0, 0.0, 0.0, 0.0))[1:]
        for cluster in torsions
    ]
    return _record(torsions, rows, size=4, units=dict.fromkeys(("v1", "v2", "v3"), KILOCALORIE))


def _pairs(neighbours: tuple[tuple[int, ...], ...]) -> tuple[list[Cluster], list[Cluster]]:
    """Pairs i < j at graph distance 3, and further apart."""
    pairs14, further = [], []
    for i in range(len(neighbours)):
        shells = [{i}]
        for _ in range(3):
            beyond = {far for near in shells[-1] for far in neighbours[near]}
            shells.append(beyond.difference(*shells))
        close = set().union(*shells)
        pairs14 += [(i, j) for j in sorted(shells[3]) if j > i]
        further += [(i, j) for j in range(i + 1, len(neighbours)) if j not in close]
    return pairs14, further


def _van_der_waals(typed: _Typed, pairs: list[Cluster]) -> ClusterParameters:
    """R* and ε of explicit pairs, after the scaling of donor-acceptor pairs."""
    rows = [typed.properties.GetMMFFVdWParams(i, j)[2:] for i, j in pairs]
    return _record(pairs, rows, size=2, units={"r_min": ANGSTROM, "epsilon": KILOCALORIE})
