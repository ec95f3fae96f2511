"""MMFF parameters as we extract them, in formulas written out in numpy, against RDKit's energies.

The formulas are those of the docstring of isthmus.parameters.mmff; no other part of the package
takes part, so a failure here is a failure of the extraction.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rdkit import Chem

from isthmus.errors import InputError
from isthmus.parameters.mmff import (
    BUFFER,
    COULOMB_MMFF,
    CUBIC_ANGLE,
    CUBIC_BOND,
    SCALE_14,
    ClusterParameters,
    MMFFParameters,
    mmff_parameters,
)

DATA = json.loads((Path(__file__).parents[1] / "data" / "rdkit_mmff.json").read_text())


def norm(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


def angle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.arctan2(norm(np.cross(u, v)), np.sum(u * v, axis=-1))


def bond_energy(x: np.ndarray, bonds: ClusterParameters) -> float:
    i, j = bonds.atoms.T
    d = norm(x[i] - x[j]) - bonds.values["r0"]
    shape = 1 + CUBIC_BOND * d + 7 / 12 * CUBIC_BOND**2 * d**2
    return float(np.sum(bonds.values["k"] / 2 * d**2 * shape))


def angle_energies(x: np.ndarray, mmff: MMFFParameters) -> tuple[float, float]:
    i, j, k = mmff.angles.atoms.T
    u, v = x[i] - x[j], x[k] - x[j]
    theta, r12, r23 = angle(u, v), norm(u), norm(v)
    bend, stretch = mmff.angles.values, mmff.stretch_bends.values
    d = theta - bend["theta0"]
    bent = bend["k"] / 2 * d**2 * (1 + CUBIC_ANGLE * d)
    linear = bend["k"] * (1 + np.cos(theta))
    coupling = stretch["k12"] * (r12 - stretch["r12_0"]) + stretch["k23"] * (r23 - stretch["r23_0"])
    bends = np.where(bend["is_linear"] == 1, linear, bent)
    return float(bends.sum()), float(np.sum(coupling * (theta - stretch["theta0"])))


def out_of_plane_energy(x: np.ndarray, branches: ClusterParameters) -> float:
    centre, *others = branches.atoms.T
    u, v, w = (x[n] - x[centre] for n in others)
    total = np.zeros(len(centre))
    for bond, first, second in ((u, v, w), (v, w, u), (w, u, v)):
        normal = np.cross(first, second)
        total += np.arcsin(np.sum(bond * normal, axis=-1) / norm(bond) / norm(normal)) ** 2
    return float(np.sum(branches.values["k"] / 2 * total))


def torsion_energy(x: np.ndarray, torsions: ClusterParameters) -> float:
    i, j, k, l = torsions.atoms.T
    n1, n2 = np.cross(x[j] - x[i], x[k] - x[j]), np.cross(x[k] - x[j], x[l] - x[k])
    phi = angle(n1, n2)
    v1, v2, v3 = (torsions.values[name] for name in ("v1", "v2", "v3"))
    wave = v1 * (1 + np.cos(phi)) + v2 * (1 - np.cos(2 * phi)) + v3 * (1 + np.cos(3 * phi))
    return float(np.sum(wave / 2))


def pair_energies(
    x: np.ndarray, pairs: ClusterParameters, charges: np.ndarray, scale: float
) -> tuple[float, float]:
    i, j = pairs.atoms.T
    r = norm(x[i] - x[j])
    least = pairs.values["r_min"]
    well = (1.07 * least / (r + 0.07 * least)) ** 7
    well *= 1.12 * least**7 / (r**7 + 0.12 * least**7) - 2
    coulomb = scale * COULOMB_MMFF * charges[i] * charges[j] / (r + BUFFER)
    return float(np.sum(pairs.values["epsilon"] * well)), float(coulomb.sum())


def energies(mmff: MMFFParameters, x: np.ndarray) -> dict[str, float]:
    """Energy of every term [kJ/mol]."""
    bend, stretch_bend = angle_energies(x, mmff)
    near = pair_energies(x, mmff.pairs14, mmff.charges, SCALE_14)
    far = pair_energies(x, mmff.pairs_further, mmff.charges, 1.0)
    return {
        "bonds": bond_energy(x, mmff.bonds),
        "angles": bend,
        "stretch_bends": stretch_bend,
        "out_of_planes": out_of_plane_energy(x, mmff.out_of_planes),
        "torsions": torsion_energy(x, mmff.torsions),
        "van_der_waals": near[0] + far[0],
        "coulomb": near[1] + far[1],
    }


def with_hydrogens(smiles: str) -> Chem.Mol:
    return Chem.AddHs(Chem.MolFromSmiles(smiles))


@pytest.mark.parametrize(
    "record", DATA["molecules"], ids=lambda record: f"{record['name']} {record['variant']}"
)
def test_terms_agree_with_rdkit(record: dict[str, Any]) -> None:
    mmff = mmff_parameters(with_hydrogens(record["smiles"]), record["variant"])
    for conformation in record["conformations"]:
        ours = energies(mmff, np.asarray(conformation["positions"]))
        for term, theirs in conformation["energies"].items():
            assert ours[term] == pytest.approx(theirs, rel=1e-10, abs=1e-10), term


def test_arrays_are_read_only_and_molecule_is_untouched() -> None:
    molecule = with_hydrogens("Cn1cnc2c1c(=O)n(C)c(=O)n2C")
    before = molecule.ToBinary(Chem.PropertyPickleOptions.AllProps)
    mmff = mmff_parameters(molecule)
    assert molecule.ToBinary(Chem.PropertyPickleOptions.AllProps) == before
    with pytest.raises(ValueError, match="read-only"):
        mmff.bonds.values["k"][0] = 0.0


def test_variants_differ_at_delocalised_nitrogen() -> None:
    amide = with_hydrogens("CC(=O)NC")
    plain, static = mmff_parameters(amide), mmff_parameters(amide, "MMFF94s")
    assert not np.allclose(plain.out_of_planes.values["k"], static.out_of_planes.values["k"])


def test_no_parameters_for_an_element() -> None:
    with pytest.raises(InputError, match=r"no atom type for C\[Se\]C \(element Se\)"):
        mmff_parameters(with_hydrogens("C[Se]C"))


def test_no_parameters_for_a_bonding_situation() -> None:
    with pytest.raises(InputError, match=r"no atom type for F.*\(an atom's bonding\)"):
        mmff_parameters(with_hydrogens("F[P-](F)(F)(F)(F)F"))


def test_implicit_hydrogens() -> None:
    with pytest.raises(InputError, match=r"2 atoms have implicit hydrogens, the first is C0"):
        mmff_parameters(Chem.MolFromSmiles("CO"))


def test_unknown_variant() -> None:
    with pytest.raises(InputError, match="unknown MMFF variant 'MMFF95': choose MMFF94 or MMFF94s"):
        mmff_parameters(with_hydrogens("O"), "MMFF95")


def test_molecule_without_torsions_or_further_pairs() -> None:
    mmff = mmff_parameters(with_hydrogens("O"))
    assert mmff.torsions.atoms.shape == (0, 4)
    assert mmff.pairs14.atoms.shape == mmff.pairs_further.atoms.shape == (0, 2)
    assert mmff.out_of_planes.values["k"].shape == (0,)
