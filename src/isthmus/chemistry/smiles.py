"""Molecules from SMILES."""

import re
from pathlib import Path

from rdkit import Chem, rdBase

from isthmus.chemistry.molecule import Molecule
from isthmus.errors import InputError

__all__ = ["from_smiles", "is_fully_mapped", "rdkit_from_smiles", "read_smi"]

_TOKEN = re.compile(
    r"(?P<bracket>\[[^\[\]]*\])|(?P<atom>Br|Cl|[BCNOPSFIbcnops*])|(?P<ring>%\d\d|%\(\d+\)|\d)"
    r"|(?P<open>\()|(?P<close>\))|(?P<bond>[-=#$:~/\\]|<-|->)|(?P<dot>\.)"
)
_BRACKET = re.compile(
    r"\[\d*(?P<symbol>[A-Z][a-z]?|[a-z][a-z]?|\*)(@{0,2}|@[A-Z]{2}\d+)(H\d?)?"
    r"([+-]\d*|\++|-+)?(:\d+)?\]"
)


def from_smiles(text: str, *, conformers: int = 0, seed: int = 0, name: str = "") -> Molecule:
    """A molecule from SMILES; hydrogens are added.

    Atoms come in the order of the text, added hydrogens last. If every atom, hydrogens
    included, has a map number, the map numbers give the order instead.

    Args:
        text: SMILES, of one component or several.
        conformers: how many to generate; see `Molecule.with_conformers`.
        seed: of the conformers.
        name: of the molecule.

    Raises:
        InputError: unparsable SMILES (the message shows where), map numbers given twice, or
            conformers that cannot be generated.
    """
    molecule = Molecule.from_rdkit(rdkit_from_smiles(text), name=name)
    return molecule.with_conformers(conformers, seed) if conformers else molecule


def rdkit_from_smiles(text: str) -> Chem.Mol:
    """An RDKit molecule with all hydrogens, in the order that `from_smiles` describes.

    Raises:
        InputError: as `from_smiles`.
    """
    text = text.strip()
    if not text:
        raise InputError("the SMILES is empty; give one such as 'CCO' for ethanol")
    settings = Chem.SmilesParserParams()
    settings.removeHs = False  # keeps written hydrogens in their place, with their map numbers
    settings.sanitize = False
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text, settings)
        if mol is None:
            raise _syntax_error(text)
        problems = Chem.DetectChemistryProblems(mol)
        if problems:
            raise _chemistry_error(text, problems[0])
        Chem.SanitizeMol(mol)
        Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
        mol = Chem.AddHs(mol)
    return _in_map_order(mol, text)


def is_fully_mapped(text: str) -> bool:
    """Whether every atom of a SMILES is written with a map number, hydrogens included."""
    settings = Chem.SmilesParserParams()
    settings.removeHs = False
    with rdBase.BlockLogs():
        mol = Chem.MolFromSmiles(text, settings)
    return mol is not None and all(
        atom.GetAtomMapNum() and not atom.GetTotalNumHs() for atom in mol.GetAtoms()
    )


def read_smi(path: str | Path) -> list[Molecule]:
    """Molecules of a SMILES file: a line is a SMILES and, after white space, a name.

    Empty lines and lines that start with `#` are passed over.

    Raises:
        InputError: an empty file, or a line that cannot be read (named).
    """
    molecules = []
    for number, line in enumerate(Path(path).read_text().splitlines(), start=1):
        text, _, name = line.strip().partition(" ") if "\t" not in line else line.partition("\t")
        if not text or text.startswith("#"):
            continue
        try:
            molecules.append(from_smiles(text, name=name.strip()))
        except InputError as error:
            raise InputError(f"{path}, line {number}: {error}") from error
    if not molecules:
        raise InputError(f"{path} is empty; wanted lines of SMILES and, optionally, a name")
    return molecules


def _in_map_order(mol: Chem.Mol, text: str) -> Chem.Mol:
    """Atoms sorted by map number if all have one; the numbers themselves are removed."""
    numbers = [atom.GetAtomMapNum() for atom in mol.GetAtoms()]
    if all(numbers):
        if len(set(numbers)) < len(numbers):
            twice = next(n for n in numbers if numbers.count(n) > 1)
            raise InputError(
                f"SMILES '{text}': map number {twice} is given twice; number each atom once"
            )
        mol = Chem.RenumberAtoms(mol, sorted(range(len(numbers)), key=numbers.__getitem__))
    for atom in mol.GetAtoms():
        atom.SetAtomMapNum(0)
    return mol


def _error_at(text: str, position: int, what: str) -> InputError:
    return InputError(
        f"cannot read SMILES: {what}, at position {position + 1}; correct it\n"
        f"  {text}\n  {' ' * position}^"
    )


def _chemistry_error(text: str, problem: object) -> InputError:
    """An error of valence or aromaticity, shown at the atom that RDKit blames."""
    atoms = _atom_positions(text)
    message = problem.Message().strip()  # pyright: ignore[reportAttributeAccessIssue]
    if hasattr(problem, "GetAtomIdx"):
        index = problem.GetAtomIdx()  # pyright: ignore[reportAttributeAccessIssue]
    elif hasattr(problem, "GetAtomIndices"):
        index = min(problem.GetAtomIndices())  # pyright: ignore[reportAttributeAccessIssue]
    else:
        index = 0
    return _error_at(text, atoms[index] if index < len(atoms) else 0, message)


def _atom_positions(text: str) -> list[int]:
    return [m.start() for m in _TOKEN.finditer(text) if m.lastgroup in ("bracket", "atom")]


def _syntax_error(text: str) -> InputError:
    """Find the place that RDKit's parser refused: the first thing no rule of SMILES allows."""
    position, open_branches, open_rings, previous = 0, [], {}, "dot"
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            return _error_at(text, position, _unknown_token(text, position))
        kind, value = token.lastgroup, token.group()
        if kind == "bracket" and (what := _bracket_fault(value)):
            return _error_at(text, position, what)
        if kind == "open":
            open_branches.append(position)
        elif kind == "close":
            if not open_branches:
                return _error_at(text, position, "')' closes no branch")
            open_branches.pop()
        elif kind == "ring":
            number = value.strip("%()")
            if open_rings.pop(number, None) is None:
                open_rings[number] = position
        misplaced = kind in ("open", "close", "ring", "bond") and previous in ("dot", "open")
        if misplaced and not (kind == "bond" and previous == "open"):
            return _error_at(text, position, f"'{value}' has no atom before it")
        if kind in ("bond", "close") and previous == "bond":
            return _error_at(text, position, f"an atom was expected instead of '{value}'")
        previous, position = kind, token.end()
    if open_branches:
        return _error_at(text, open_branches[-1], "this '(' is never closed")
    if open_rings:
        number, start = next(iter(open_rings.items()))
        return _error_at(text, start, f"ring bond {number} is never closed")
    if previous == "bond":
        return _error_at(text, len(text) - 1, "a bond leads to no atom")
    return _error_at(text, 0, "RDKit cannot parse it")


def _unknown_token(text: str, position: int) -> str:
    if text[position] == "[":
        return "this '[' is never closed"
    if text[position] == "]":
        return "']' closes no bracket"
    return f"'{text[position]}' is no atom or bond of SMILES (other elements go into brackets)"


def _bracket_fault(value: str) -> str:
    """What is wrong inside a bracket atom; empty if nothing is seen."""
    from isthmus.chemistry.elements import atomic_number

    match = _BRACKET.fullmatch(value)
    if match is None:
        return f"'{value}' is no bracket atom such as [NH4+]"
    try:
        if match["symbol"] != "*":
            atomic_number(match["symbol"])
    except InputError:
        return f"unknown element in '{value}'"
    return ""
