"""OpenMM force fields, with templates of our own for molecules that they do not know.

A molecule that is to be ours still needs an entry in OpenMM's force field, for its charge, its
radii while water is placed, and its particles. These numbers are placeholders: `combine` puts
those of the model in their place.
"""

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

import numpy as np
from jaxtyping import Int

from isthmus.chemistry.topology import Topology
from isthmus.deploy.md.solvation import WATER_FILES, Solvent
from isthmus.deploy.openmm.topology import openmm_topology
from isthmus.deploy.spec import OPENMM_SETS
from isthmus.errors import InputError
from isthmus.types import Box

if TYPE_CHECKING:
    import openmm.app

__all__ = ["add_templates", "file_names", "names_files", "no_template", "read_force_field"]

_SIGMA: Final = {1: 0.25}
_DEFAULT_SIGMA: Final = 0.34
_EPSILON: Final = 0.3


def read_force_field(files: Sequence[str], *, called: str) -> "openmm.app.ForceField":
    """A force field of OpenMM's files.

    Raises:
        InputError: OpenMM cannot read one of them.
    """
    from openmm import OpenMMException, app

    try:
        return app.ForceField(*files)
    except (ValueError, OSError, OpenMMException, ElementTree.ParseError) as error:
        raise InputError(
            f"OpenMM cannot read the force field '{called}': {_one_line(error)}; give names of "
            "files that OpenMM has, such as amber14-all.xml, or paths of your own"
        ) from None


def names_files(model: str) -> bool:
    """Whether the text of a model stands for OpenMM's own force fields, or files of such."""
    if model.lower() in OPENMM_SETS:
        return True
    if not model.endswith(".xml"):
        return False
    files = [Path(name.strip()) for name in model.split(",")]
    return len(files) > 1 or not files[0].is_file() or b"<ForceField" in _start(files[0])


def _start(path: Path) -> bytes:
    with path.open("rb") as opened:
        return opened.read(4096)


def file_names(
    environment: str | Sequence[str] | None, solvent: Solvent | None
) -> tuple[str, ...] | None:
    """Names of OpenMM's files, with those of the water that is asked for."""
    if environment is None:
        return None
    given = environment.split(",") if isinstance(environment, str) else environment
    names = tuple(name.strip() for name in given if name.strip())
    called = names[0].lower() if len(names) == 1 else ""
    if called in OPENMM_SETS:
        first, water = OPENMM_SETS[called]
        # The waters of `WATER_FILES` are those that Amber's files are used with
        other = solvent is not None and called == "amber14"
        return (first, WATER_FILES[solvent.water] if solvent is not None and other else water)
    if solvent is not None and not any(_has_water(name) for name in names):
        return (*names, WATER_FILES[solvent.water])
    return names


def _has_water(name: str) -> bool:
    return any(part in name.lower() for part in ("tip", "spc", "opc", "water"))


def add_templates(
    force_field: "openmm.app.ForceField",
    topology: Topology,
    atoms: Int[np.ndarray, " atoms"],
) -> None:
    """Placeholders for the residues among `atoms` that the force field has no template for."""
    mine = set(atoms.tolist())
    unmatched = {r.index for r in force_field.getUnmatchedResidues(openmm_topology(topology))}
    residues = [r for r in sorted(unmatched) if mine & set(_atoms_of(topology, r).tolist())]
    if residues:
        force_field.loadFile(io.StringIO(_file(force_field, topology, residues)))


def _atoms_of(topology: Topology, residue: int) -> Int[np.ndarray, " atoms"]:
    return np.flatnonzero(topology.residue_idx == residue)


def _file(force_field: Any, topology: Topology, residues: Sequence[int]) -> str:
    """A force-field file in OpenMM's format, one atom type an atom."""
    root = ElementTree.Element("ForceField")
    types = ElementTree.SubElement(root, "AtomTypes")
    entries = ElementTree.SubElement(root, "Residues")
    scales = _scales(force_field)
    pairs = ElementTree.SubElement(root, "NonbondedForce", scales)
    ElementTree.SubElement(pairs, "UseAttributeFromResidue", name="charge")
    written: set[tuple] = set()
    for residue in residues:
        atoms = _atoms_of(topology, residue)
        record = _signature(topology, atoms)
        if record in written:  # the same molecule again
            continue
        written.add(record)
        label = f"isthmus-{len(written)}"
        entry = ElementTree.SubElement(entries, "Residue", name=label)
        local = {int(atom): n for n, atom in enumerate(atoms)}
        for atom, n in local.items():
            number = int(topology.atomic_numbers[atom])
            kind, charge = f"{label}-{n}", str(int(topology.formal_charges[atom]))
            facts = {"name": kind, "class": kind, **_element(topology, atom)}
            ElementTree.SubElement(types, "Type", facts)
            ElementTree.SubElement(entry, "Atom", name=f"A{n}", type=kind, charge=charge)
            sigma = str(_SIGMA.get(number, _DEFAULT_SIGMA))
            ElementTree.SubElement(pairs, "Atom", type=kind, sigma=sigma, epsilon=str(_EPSILON))
        for i, j in topology.bonds.tolist():
            ends = [f"A{local[a]}" for a in (i, j) if a in local]
            if len(ends) == 2:
                ElementTree.SubElement(entry, "Bond", atomName1=ends[0], atomName2=ends[1])
            elif ends:
                ElementTree.SubElement(entry, "ExternalBond", atomName=ends[0])
    return ElementTree.tostring(root, encoding="unicode")


def _signature(topology: Topology, atoms: Int[np.ndarray, " atoms"]) -> tuple:
    """What makes two residues equal, atom by atom in their order."""
    first = int(atoms.min())
    touching = topology.bonds[np.isin(topology.bonds, atoms).any(axis=1)]
    inside = np.isin(touching, atoms)
    bonds = np.where(inside, touching - first, -1)
    numbers, charges = topology.atomic_numbers[atoms], topology.formal_charges[atoms]
    return tuple(numbers), tuple(charges), tuple(map(tuple, bonds.tolist()))


def _element(topology: Topology, atom: int) -> dict[str, str]:
    mass = {"mass": repr(float(topology.masses[atom]))}
    return mass if topology.elements[atom] == "*" else {"element": topology.elements[atom], **mass}


def _scales(force_field: Any) -> dict[str, str]:
    """The scaling of 1-4 pairs must be that of the files that are there already."""
    for generator in force_field.getGenerators():
        if type(generator).__name__ == "NonbondedGenerator":
            return {
                "coulomb14scale": repr(generator.coulomb14scale),
                "lj14scale": repr(generator.lj14scale),
            }
    return {"coulomb14scale": "0.8333333333333334", "lj14scale": "0.5"}


def no_template(
    force_field: Any, topology: Topology, box: Box, error: Exception, *, called: str
) -> InputError:
    """What is wrong, by the residues that no template fits."""
    reason = re.sub(r"\s*For more information, see \S+", "", _one_line(error)).rstrip(" .")
    unmatched = (
        []
        if "Multiple" in reason
        else force_field.getUnmatchedResidues(openmm_topology(topology, box))
    )
    if not unmatched:
        return InputError(
            f"OpenMM cannot apply '{called}' to this system: {reason}; make the System in a "
            "script of yours, and give its XML file"
        )
    first = unmatched[0]
    place = f"{first.name} {first.id}" + (f" of chain {first.chain.id}" if first.chain.id else "")
    more = f", and of {len(unmatched) - 1} more residues" if len(unmatched) > 1 else ""
    detail = re.sub(r"^No template found for residue \d+ \(.*?\)\.\s*", "", reason)
    return InputError(
        f"'{called}' has no template for residue {place}{more}. {detail}. Check its hydrogens, "
        "chain ends and names; add an XML file that knows it; or let a model of Isthmus describe "
        "it, such as mmff94"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
