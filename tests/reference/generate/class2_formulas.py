"""The class2 (CFF) energy formulas in plain numpy, written from their definition.

A second pair of eyes on the reference data: the generator refuses to write numbers that these
formulas do not reproduce. Nothing of the package is imported here, on purpose.

Clusters and variables (lengths in nm, angles in rad):

    bond    1-2        r
    angle   1-2-3      r12, r23, theta at atom 2
    torsion 1-2-3-4    r12, r23, r34, theta123, theta234, phi (IUPAC: cis 0, trans pi)
    branch  1; 2, 3, 4 atom 1 is the centre: theta213, theta214, theta314, and the Wilson angle
                       chi_n of bond 1-n against the plane of atom 1 and the two other neighbours,
                       positive when (1->2, 1->3, 1->4) is right-handed

Formulas: Sun, J. Phys. Chem. B 102, 7338 (1998); Maple et al., J. Comput. Chem. 15, 162 (1994);
LAMMPS manual, `bond_style class2` and its angle, dihedral, improper and pair companions.
"""

from typing import Any

import numpy as np

__all__ = ["COULOMB", "OVER", "PARAMETERS", "energies"]

COULOMB = 332.06371 * 4.184 * 0.1
"""The Coulomb constant of LAMMPS' unit system `real` [kJ/mol nm/e^2]."""

K, KR, KRR = "kJ/mol", "kJ/mol/nm", "kJ/mol/nm^2"

PARAMETERS = {
    "bond": {"r0": "nm", "k2": KRR, "k3": "kJ/mol/nm^3", "k4": "kJ/mol/nm^4"},
    "angle": {"theta0": "rad", "k2": "kJ/mol/rad^2", "k3": "kJ/mol/rad^3", "k4": "kJ/mol/rad^4"},
    "bb": {"k": KRR, "r12_0": "nm", "r23_0": "nm"},
    "ba": {
        "k12": "kJ/mol/nm/rad",
        "k23": "kJ/mol/nm/rad",
        "r12_0": "nm",
        "r23_0": "nm",
        "theta0": "rad",
    },
    "torsion": {"k1": K, "phi1": "rad", "k2": K, "phi2": "rad", "k3": K, "phi3": "rad"},
    "mbt": {"k1": KR, "k2": KR, "k3": KR, "r23_0": "nm"},
    "ebt": {
        **{f"k12_{n}": KR for n in (1, 2, 3)},
        **{f"k34_{n}": KR for n in (1, 2, 3)},
        "r12_0": "nm",
        "r34_0": "nm",
    },
    "at": {
        **{f"k123_{n}": "kJ/mol/rad" for n in (1, 2, 3)},
        **{f"k234_{n}": "kJ/mol/rad" for n in (1, 2, 3)},
        "theta123_0": "rad",
        "theta234_0": "rad",
    },
    "aat": {"k": "kJ/mol/rad^2", "theta123_0": "rad", "theta234_0": "rad"},
    "bb13": {"k": KRR, "r12_0": "nm", "r34_0": "nm"},
    "improper": {"k": "kJ/mol/rad^2", "chi0": "rad"},
    "aa": {
        **{f"k1{n}": "kJ/mol/rad^2" for n in (2, 3, 4)},
        "theta213_0": "rad",
        "theta214_0": "rad",
        "theta314_0": "rad",
    },
    "lj": {"sigma": "nm", "epsilon": K},
    "coulomb": {"charge": "e"},
}
"""Per term, its parameters and their units; one value per cluster (per atom: lj, coulomb)."""

OVER = {
    **dict.fromkeys(("bond",), "bonds"),
    **dict.fromkeys(("angle", "bb", "ba"), "angles"),
    **dict.fromkeys(("torsion", "mbt", "ebt", "at", "aat", "bb13"), "torsions"),
    **dict.fromkeys(("improper", "aa"), "branches"),
    **dict.fromkeys(("lj", "coulomb"), "atoms"),
}
"""Over which clusters a term runs."""

Values = dict[str, np.ndarray]


def _norm(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


def _angle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.arctan2(_norm(np.cross(u, v)), np.sum(u * v, axis=-1))


def _dihedral(b1: np.ndarray, b2: np.ndarray, b3: np.ndarray) -> np.ndarray:
    n1, n2 = np.cross(b1, b2), np.cross(b2, b3)
    return np.arctan2(_norm(b2) * np.sum(b1 * n2, axis=-1), np.sum(n1 * n2, axis=-1))


def _bonds(x: np.ndarray, atoms: np.ndarray, p: dict[str, Values]) -> dict[str, float]:
    i, j = atoms.T
    q = p["bond"]
    d = _norm(x[i] - x[j]) - q["r0"]
    return {"bond": float(np.sum(q["k2"] * d**2 + q["k3"] * d**3 + q["k4"] * d**4))}


def _angles(x: np.ndarray, atoms: np.ndarray, p: dict[str, Values]) -> dict[str, float]:
    i, j, k = atoms.T
    r12, r23, theta = _norm(x[i] - x[j]), _norm(x[k] - x[j]), _angle(x[i] - x[j], x[k] - x[j])
    a, bb, ba = p["angle"], p["bb"], p["ba"]
    d = theta - a["theta0"]
    coupling = ba["k12"] * (r12 - ba["r12_0"]) + ba["k23"] * (r23 - ba["r23_0"])
    return {
        "angle": float(np.sum(a["k2"] * d**2 + a["k3"] * d**3 + a["k4"] * d**4)),
        "bb": float(np.sum(bb["k"] * (r12 - bb["r12_0"]) * (r23 - bb["r23_0"]))),
        "ba": float(np.sum(coupling * (theta - ba["theta0"]))),
    }


def _series(q: Values, stem: str, phi: np.ndarray) -> np.ndarray:
    return np.sum([q[f"{stem}{n}"] * np.cos(n * phi) for n in (1, 2, 3)], axis=0)


def _torsions(x: np.ndarray, atoms: np.ndarray, p: dict[str, Values]) -> dict[str, float]:
    i, j, k, m = atoms.T
    b1, b2, b3 = x[j] - x[i], x[k] - x[j], x[m] - x[k]
    r12, r23, r34 = _norm(b1), _norm(b2), _norm(b3)
    theta123, theta234, phi = _angle(-b1, b2), _angle(-b2, b3), _dihedral(b1, b2, b3)
    main, mbt, ebt, at, aat, bb13 = (
        p[term] for term in ("torsion", "mbt", "ebt", "at", "aat", "bb13")
    )
    wave = sum(main[f"k{n}"] * (1 - np.cos(n * phi - main[f"phi{n}"])) for n in (1, 2, 3))
    end = (r12 - ebt["r12_0"]) * _series(ebt, "k12_", phi)
    end += (r34 - ebt["r34_0"]) * _series(ebt, "k34_", phi)
    bend = (theta123 - at["theta123_0"]) * _series(at, "k123_", phi)
    bend += (theta234 - at["theta234_0"]) * _series(at, "k234_", phi)
    both = (theta123 - aat["theta123_0"]) * (theta234 - aat["theta234_0"])
    return {
        "torsion": float(np.sum(wave)),
        "mbt": float(np.sum((r23 - mbt["r23_0"]) * _series(mbt, "k", phi))),
        "ebt": float(np.sum(end)),
        "at": float(np.sum(bend)),
        "aat": float(np.sum(aat["k"] * both * np.cos(phi))),
        "bb13": float(np.sum(bb13["k"] * (r12 - bb13["r12_0"]) * (r34 - bb13["r34_0"]))),
    }


def _branches(x: np.ndarray, atoms: np.ndarray, p: dict[str, Values]) -> dict[str, float]:
    centre, a, b, c = atoms.T
    u, v, w = ((x[n] - x[centre]) / _norm(x[n] - x[centre])[:, None] for n in (a, b, c))
    theta213, theta214, theta314 = _angle(u, v), _angle(u, w), _angle(v, w)
    volume = np.sum(u * np.cross(v, w), axis=-1)
    # chi2, chi3, chi4: the sine of the angle between the two *other* bonds divides
    chi = sum(np.arcsin(volume / np.sin(t)) for t in (theta314, theta214, theta213)) / 3
    main, aa = p["improper"], p["aa"]
    d213, d214, d314 = (
        theta213 - aa["theta213_0"],
        theta214 - aa["theta214_0"],
        theta314 - aa["theta314_0"],
    )
    # k1n belongs to the two angles that share bond 1-n
    pairs = aa["k12"] * d213 * d214 + aa["k13"] * d213 * d314 + aa["k14"] * d214 * d314
    return {
        "improper": float(np.sum(main["k"] * (chi - main["chi0"]) ** 2)),
        "aa": float(np.sum(pairs)),
    }


def _pairs(x: np.ndarray, pairs: np.ndarray, p: dict[str, Values]) -> dict[str, float]:
    i, j = pairs.T
    sigma, epsilon, charge = p["lj"]["sigma"], p["lj"]["epsilon"], p["coulomb"]["charge"]
    r = _norm(x[i] - x[j])
    sixth = (sigma[i] ** 6 + sigma[j] ** 6) / 2
    depth = np.sqrt(epsilon[i] * epsilon[j]) * (sigma[i] * sigma[j]) ** 3 / sixth
    s = sixth ** (1 / 6) / r
    return {
        "lj": float(np.sum(depth * (2 * s**9 - 3 * s**6))),
        "coulomb": float(np.sum(COULOMB * charge[i] * charge[j] / r)),
    }


def energies(molecule: dict[str, Any], positions: np.ndarray) -> dict[str, float]:
    """Energy of every term [kJ/mol].

    `lj` and `coulomb` run over pairs at graph distance 3 and more; `lj_14` and `coulomb_14` are
    the part of them at graph distance exactly 3.
    """
    p = {
        term: {name: np.asarray(values) for name, values in of.items()}
        for term, of in molecule["parameters"].items()
    }
    result: dict[str, float] = {}
    for kind, function in (
        ("bonds", _bonds),
        ("angles", _angles),
        ("torsions", _torsions),
        ("branches", _branches),
    ):
        result |= function(positions, np.asarray(molecule[kind]), p)
    near, far = (
        _pairs(positions, np.asarray(molecule[kind]).reshape(-1, 2), p)
        for kind in ("pairs14", "pairs_further")
    )
    result |= {term: near[term] + far[term] for term in near}
    return result | {f"{term}_14": value for term, value in near.items()}
