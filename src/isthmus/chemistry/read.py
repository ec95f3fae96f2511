"""Read molecules from a file of any known format."""

from collections.abc import Callable, Mapping
from pathlib import Path

from isthmus.chemistry.molecule import Molecule, check_total_charge
from isthmus.chemistry.pdb import read_pdb
from isthmus.chemistry.sdf import read_sdf
from isthmus.chemistry.smiles import read_smi
from isthmus.chemistry.xyz import read_xyz
from isthmus.errors import InputError

__all__ = ["FORMATS", "read"]

_Ligands = Mapping[str, str | Molecule] | None


def read(
    path: str | Path,
    *,
    format: str | None = None,
    total_charge: int | None = None,
    ligands: _Ligands = None,
) -> list[Molecule]:
    """Molecules of a file: each is a topology with its conformers.

    Args:
        path: the file; its suffix says the format.
        format: one of `FORMATS`, whatever the suffix.
        total_charge: of every molecule [e]; needed where bonds are perceived and it is not 0,
            checked elsewhere.
        ligands: SMILES or molecule of each residue of a PDB file that is not standard.

    Raises:
        InputError: no such file, an unknown format, or what the format's reader refuses.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"'{path}' is a folder; give one file")
    if not path.suffix and not path.exists():
        raise InputError(f"there is no file '{path}'; check the path")
    name = (format or path.suffix.lstrip(".")).lower()
    if name not in FORMATS:
        raise InputError(
            f"cannot read '{path}': unknown format '{name}'; known are {', '.join(FORMATS)} (in "
            "Python, `format` says which)"
        )
    if not path.is_file():
        raise InputError(f"there is no file '{path}'; check the path")
    try:
        return FORMATS[name](path, total_charge, ligands)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is no text file ({error.reason}); wanted the format {name}"
        ) from error


def _pdb(path: Path, total_charge: int | None, ligands: _Ligands) -> list[Molecule]:
    return [read_pdb(path, total_charge=total_charge, ligands=ligands)]


def _sdf(path: Path, total_charge: int | None, _: _Ligands) -> list[Molecule]:
    return read_sdf(path, total_charge=total_charge)


def _smi(path: Path, total_charge: int | None, _: _Ligands) -> list[Molecule]:
    molecules = read_smi(path)
    for molecule in molecules:
        check_total_charge(molecule.topology, total_charge, source=f"{path}, {molecule.smiles}")
    return molecules


def _xyz(path: Path, total_charge: int | None, _: _Ligands) -> list[Molecule]:
    return read_xyz(path, total_charge=total_charge)


FORMATS: Mapping[str, Callable[[Path, int | None, _Ligands], list[Molecule]]] = {
    "pdb": _pdb,
    "ent": _pdb,
    "sdf": _sdf,
    "mol": _sdf,
    "smi": _smi,
    "smiles": _smi,
    "xyz": _xyz,
    "extxyz": _xyz,
}
"""What reads each format, by suffix."""
