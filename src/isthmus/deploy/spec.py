"""Force fields by a short text, as people give them on the command line.

| text | force field |
|---|---|
| `mmff94`, `mmff94s` | RDKit's parameters |
| `amber14`, `charmm36` | the files of OpenMM that `OPENMM_SETS` lists, with their water |
| `NAME.xml,NAME.xml,...` | files of OpenMM, its own or yours |
| `system.xml` | a serialised OpenMM System |
| `model.safetensors` | a force field that Isthmus saved |
| `class1`, `class2plus`, `own.toml`, ... | a design at its priors: untrained |
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from xml.etree import ElementTree

from isthmus.chemistry.environments import Domain
from isthmus.chemistry.molecule import Molecule
from isthmus.deploy.openmm.topology import openmm_topology
from isthmus.designs.schema import design_names, find_design
from isthmus.errors import InputError
from isthmus.forcefield.file import SavedForceField, read_saved
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import Potential
from isthmus.parameters.graph.source import GraphSource
from isthmus.parameters.source import FreeSource
from isthmus.terms.nonbonded_method import NonbondedMethod

if TYPE_CHECKING:
    import openmm

__all__ = ["CUTOFF", "OPENMM_SETS", "ResolvedForceField", "resolve_force_field"]

CUTOFF: Final = 0.9
"""Cutoff of particle-mesh Ewald where a system has a box [nm]"""

OPENMM_SETS: Final = {
    "amber14": ("amber14-all.xml", "amber14/tip3pfb.xml"),
    "charmm36": ("charmm36.xml", "charmm36/water.xml"),
}
"""Short names for files of OpenMM that belong together"""

_MMFF: Final = {"mmff94": "MMFF94", "mmff94s": "MMFF94s"}


@dataclass(frozen=True)
class ResolvedForceField:
    """A force field, and what its text does not say.

    Attributes:
        force_field: ready to be bound to the molecule.
        nonbonded: PME where the molecule has a box and the force field leaves the choice.
        system: the OpenMM System that it was imported from, if it was.
        note: what the reader of its energies must know; None if nothing.
    """

    force_field: ForceField
    nonbonded: NonbondedMethod
    system: "openmm.System | None" = None
    note: str | None = None

    def bind(self, molecule: Molecule, *, precision: str = "float64") -> Potential:
        """The potential of the molecule in its box.

        Raises:
            InputError: as `ForceField.bind`.
        """
        return self.force_field.bind(
            molecule.topology, precision=precision, nonbonded=self.nonbonded, box=molecule.box
        )


def resolve_force_field(spec: str, molecule: Molecule) -> ResolvedForceField:
    """The force field that a text names, for one molecule or system.

    Args:
        spec: see the table of this module.
        molecule: needed to choose templates, tables and cutoffs; its box, if any, is used.

    Raises:
        InputError: an unknown name; a file that cannot be read; a residue without template.
        DesignError, FormulaError: the design is wrong.
        UnsupportedForceError: a System holds a force that cannot be imported.
    """
    known = spec.lower()
    if known in _MMFF:
        note = f"{_MMFF[known]} knows no periodic images: the box is not used"
        return ResolvedForceField(
            ForceField.mmff(_MMFF[known]),
            NonbondedMethod(),
            note=None if molecule.box is None else note,
        )
    if known in OPENMM_SETS:
        return _from_openmm_files(OPENMM_SETS[known], molecule, called=known)
    if spec.endswith(".safetensors"):
        saved = read_saved(spec)
        method = _method(saved.force_field, molecule)
        return ResolvedForceField(saved.force_field, method, note=_trained_on(saved, molecule))
    if spec.endswith(".xml"):
        files = tuple(part.strip() for part in spec.split(","))
        if len(files) == 1 and _is_system(files[0]):
            return _from_system(files[0])
        return _from_openmm_files(files, molecule, called=spec)
    if known == "mmff":
        raise InputError(
            "the design 'mmff' takes its numbers from RDKit: ask for 'mmff94' or 'mmff94s'"
        )
    if spec.endswith(".toml") or spec in design_names():
        return _at_priors(spec, molecule)
    raise _unknown(spec)


def _unknown(spec: str) -> InputError:
    names = (*_MMFF, *OPENMM_SETS, *(name for name in design_names() if name != "mmff"))
    close = difflib.get_close_matches(spec.lower(), names, n=1)
    guess = f" (did you mean '{close[0]}'?)" if close else ""
    return InputError(
        f"unknown force field '{spec}'{guess}: give {', '.join(names)}; files of OpenMM, such as "
        "amber14-all.xml,amber14/tip3pfb.xml; or a file of a saved force field (.safetensors), of "
        "an OpenMM System (.xml), of a design (.toml)"
    )


def _trained_on(saved: SavedForceField, molecule: Molecule) -> str | None:
    """What a trained model reproduces, and whether it has seen the like of a molecule."""
    level, domain = (saved.provenance.get(name) for name in ("level_of_theory", "domain"))
    said = [f"fitted to {level}"] if isinstance(level, str) else []
    if domain is not None:
        verdict = Domain.from_json(domain).verdict(molecule.topology)
        if not verdict.inside:
            said.append(f"this molecule lies outside of what it was trained on: {verdict.text}")
    return "; ".join(said) or None


def _at_priors(spec: str, molecule: Molecule) -> ResolvedForceField:
    design = find_design(spec)
    force_field = ForceField.free(design, molecule.topology)
    note = (
        f"'{design.name}' is a functional form without trained parameters: its energies are those "
        "of rough priors, and say nothing about the real molecule"
    )
    return ResolvedForceField(force_field, _method(force_field, molecule), note=note)


def _method(force_field: ForceField, molecule: Molecule) -> NonbondedMethod:
    """Fits and networks leave the choice of cutoff; tables have made theirs, MMFF knows none."""
    if isinstance(force_field.source, FreeSource | GraphSource) and molecule.box is not None:
        return NonbondedMethod("pme", cutoff=CUTOFF)
    return NonbondedMethod()


def _is_system(path: str) -> bool:
    """Whether a file exists and is more than a force field of OpenMM."""
    file = Path(path)
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return b"<ForceField" not in opened.read(4096)


def _from_system(path: str) -> ResolvedForceField:
    from isthmus.deploy.openmm.importing import from_openmm, read_system_xml

    system = read_system_xml(path)
    return ResolvedForceField(from_openmm(system), NonbondedMethod(), system=system)


def _from_openmm_files(
    files: Sequence[str], molecule: Molecule, *, called: str
) -> ResolvedForceField:
    from isthmus.deploy.openmm.importing import from_openmm

    system = _create_system(files, molecule, called=called)
    return ResolvedForceField(from_openmm(system), NonbondedMethod(), system=system)


def _create_system(files: Sequence[str], molecule: Molecule, *, called: str) -> "openmm.System":
    from openmm import OpenMMException, app

    _refuse_scripts(files)
    try:
        force_field = app.ForceField(*files)
    except (ValueError, OSError, OpenMMException) as error:
        raise InputError(
            f"OpenMM cannot read the force field '{called}': {_one_line(error)}; give names of "
            "files that OpenMM has, such as amber14-all.xml, or paths of your own"
        ) from None
    topology = openmm_topology(molecule.topology, molecule.box)
    method: Any = app.NoCutoff if molecule.box is None else app.PME
    try:
        return force_field.createSystem(
            topology,
            nonbondedMethod=method,
            nonbondedCutoff=CUTOFF,
            constraints=None,
            rigidWater=False,
        )
    except Exception as error:  # noqa: BLE001 - OpenMM raises bare Exception for templates
        raise _no_template(force_field, topology, error, called) from None


def _refuse_scripts(files: Sequence[str]) -> None:
    """OpenMM runs the scripts of a force-field file: only its own files may have some."""
    from openmm import app

    own = (Path(app.__file__).parent / "data").resolve()
    waiting = [Path(file) for file in files]
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        # A name that is no file here is one of OpenMM's own.
        if not path.is_file() or path in seen or path.resolve().is_relative_to(own):
            continue
        seen.add(path)
        try:
            root = ElementTree.parse(path).getroot()
        except (ElementTree.ParseError, OSError) as error:
            raise InputError(f"{path} is no XML file that can be read: {error}") from None
        if any(root.find(tag) is not None for tag in ("Script", "InitializationScript")):
            raise InputError(
                f"{path} holds a script, which OpenMM would run: make the System in a script of "
                "yours if you trust the file, and give the System's XML"
            )
        names = [node.get("file", "") for node in root.findall("Include")]
        waiting += [place / name for name in names for place in (path.parent, Path())]


def _no_template(
    force_field: Any,
    topology: Any,
    error: Exception,
    called: str,
) -> InputError:
    """What is wrong, by the residues that no template fits."""
    reason = re.sub(r"\s*For more information, see \S+", "", _one_line(error)).rstrip(" .")
    unmatched = [] if "Multiple" in reason else force_field.getUnmatchedResidues(topology)
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
        "chain ends and names; add an XML file that knows it; or use a force field for any "
        "molecule, such as mmff94"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
