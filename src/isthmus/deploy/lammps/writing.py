"""A potential of class2 terms as LAMMPS' data file and an input script that runs as it is.

Every term of the preset `class2` is one of LAMMPS' class2 styles; what a design leaves out has
force constants of 0. The 1-4 pairs are part of LAMMPS' pair style: they count wholly where the
design has the 1-4 terms, and not at all where it has none.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.molecule import Molecule
from isthmus.deploy.lammps.data_file import data_file
from isthmus.deploy.lammps.styles import recognised
from isthmus.errors import InputError, UnsupportedForceError
from isthmus.files import replacing
from isthmus.forcefield.potential import Potential
from isthmus.parameters.parameterization import Parameterization
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.units import ANGSTROM

__all__ = ["LammpsFiles", "to_lammps", "write_lammps"]

_ALL_PAIRS: Final = 60.0
"""Least cutoff that stands for none [Å]"""

_TIMESTEP: Final = 0.5
"""Of the simulation that the script runs [fs]"""


@dataclass(frozen=True)
class LammpsFiles:
    """What LAMMPS reads.

    Attributes:
        data: text of the data file.
        script: text of the input script, in which `{data}` stands for the data file's name.
    """

    data: str
    script: str


def to_lammps(potential: Potential, molecule: Molecule) -> LammpsFiles:
    """Data file and input script of one system.

    Args:
        potential: of the system; its numbers are written whatever its precision.
        molecule: its topology and first positions.

    Raises:
        UnsupportedForceError: a term or cutoff method that LAMMPS' class2 styles do not have.
        InputError: another number of atoms.
    """
    item = potential.parameterization
    if molecule.n_atoms != item.n_atoms:
        raise InputError(
            f"the potential is of {item.n_atoms} atoms, the molecule has {molecule.n_atoms}: give "
            "the one it was bound to"
        )
    names = recognised(item)
    style = _pair_style(item, molecule.positions)
    box = item.box if style.periodic else None
    data = data_file(item, names, molecule, box, pair_style=style.name)
    return LammpsFiles(data, _script(names, item, style))


@dataclass(frozen=True)
class _PairStyle:
    name: str
    cutoff: float
    periodic: bool
    kspace: str


def _pair_style(item: Parameterization, positions: Float[np.ndarray, "atoms 3"]) -> _PairStyle:
    groups = item.pair_groups
    if len(groups) > 1:
        raise UnsupportedForceError(
            "pair terms with different exclusions or cutoffs are not written for LAMMPS"
        )
    method = groups[0].method if groups else NonbondedMethod()
    if method.method == "none":
        extent = (
            float(np.linalg.norm(np.ptp(positions, axis=0))) / ANGSTROM if len(positions) else 0
        )
        return _PairStyle("lj/class2/coul/cut", max(_ALL_PAIRS, 3 * extent), False, "")
    if method.method not in ("ewald", "pme") or method.switch is not None:
        switch = " with a switch" if method.switch else ""
        raise UnsupportedForceError(
            f"the cutoff method '{method.method}'{switch} is not written for LAMMPS: bind without "
            "one, or with 'pme' and no switching distance"
        )
    assert method.cutoff is not None
    kspace = f"kspace_style    {'ewald' if method.method == 'ewald' else 'pppm'} 1.0e-5"
    return _PairStyle("lj/class2/coul/long", method.cutoff / ANGSTROM, True, kspace)


def _special(names: dict[str, str], item: Parameterization) -> str:
    """Weights of the pairs 1-2, 1-3 and 1-4."""
    weights = {}
    for label, pair in (("lj", "lennard-jones"), ("coul", "coulomb")):
        has = f"{pair}-14" in names
        if has and pair not in names:
            raise UnsupportedForceError(
                f"'{names[f'{pair}-14']}' without a term over further pairs is not written for "
                "LAMMPS: add that, or export to OpenMM"
            )
        if has:
            _check_shared(item, names[pair], names[f"{pair}-14"])
        weights[label] = 1.0 if has else 0.0
    return " ".join(f"{label} 0.0 0.0 {weight}" for label, weight in weights.items())


def _check_shared(item: Parameterization, pair: str, near: str) -> None:
    """LAMMPS has one set of numbers for both."""
    far = {t.term.name: t.values for group in item.pair_groups for t in group.terms}
    far |= {t.term.name: t.values for t in item.terms}
    for name, values in far[near].items():
        if not np.array_equal(np.asarray(values), np.asarray(far[pair][name])):
            raise UnsupportedForceError(
                f"'{near}' has another '{name}' than '{pair}': LAMMPS' class2 styles have one for "
                "both; export to OpenMM"
            )


def _script(names: dict[str, str], item: Parameterization, style: _PairStyle) -> str:
    kinds = {t.term.over for t in item.terms if t.n_clusters}
    words = {"bond": "bond", "angle": "angle", "torsion": "dihedral", "branch": "improper"}
    lines = [
        "# Written by Isthmus. Run it by: lmp -in FILE [-var steps 100000] [-var temperature 300]",
        "variable        steps index 10000",
        "variable        temperature index 300",
        "variable        seed index 20250722",
        "",
        "units           real",
        "atom_style      full",
        f"boundary        {'p p p' if style.periodic else 'm m m'}",
        f"special_bonds   {_special(names, item)}",
        f"pair_style      {style.name} {style.cutoff:.6g}",
        "pair_modify     mix sixthpower shift no tail no",
    ]
    lines += [f"{word + '_style':<16}class2" for kind, word in words.items() if kind in kinds]
    if style.kspace:
        lines.append(style.kspace)
    size = max(2000, item.n_atoms + 1)
    lines += [
        "read_data       {data}",
        "",
        "neighbor        2.0 bin",
        f"neigh_modify    every 1 delay 0 check yes one {size} page {max(100000, 20 * size)}",
        f"timestep        {_TIMESTEP}",
        "thermo_style    custom step time temp pe ke etotal press",
        "thermo          100",
        "run             0",
        "velocity        all create ${temperature} ${seed} mom yes rot yes dist gaussian",
        "fix             integrate all nve",
        "fix             thermostat all langevin ${temperature} ${temperature} 1000.0 ${seed}",
        "run             ${steps}",
    ]
    return "\n".join(lines) + "\n"


def write_lammps(files: LammpsFiles, script: Path, *, overwrite: bool = False) -> Path:
    """Write the input script, and the data file beside it with the suffix `.data`.

    Returns:
        The path of the data file.

    Raises:
        InputError: one of them exists, or there is no such folder.
        OSError: the disk is full, or the folder cannot be written.
    """
    data = script.with_suffix(".data")
    if script.exists() and not overwrite:
        raise InputError(f"'{script}' exists: choose another name, or overwrite it")
    with replacing(data, overwrite=overwrite) as temporary:
        temporary.write_text(files.data)
    with replacing(script, overwrite=overwrite) as temporary:
        temporary.write_text(files.script.replace("{data}", data.name))
    return data
