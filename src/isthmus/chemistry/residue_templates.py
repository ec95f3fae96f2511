"""Templates of standard residues: skeleton, double bonds, aromatic atoms, possible charges.

The data are in `residues.toml`, with provenance. A template knows heavy atoms only; hydrogens are
counted in the file at hand, and formal charges follow from the valences.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import product

from isthmus.chemistry.elements import atomic_number

__all__ = ["Ion", "ResidueTemplate", "SolvedResidue", "find_ion", "find_template"]

_VALENCE = {6: 4, 7: 3, 8: 2, 15: 5, 16: 2, 34: 2}
_TWO_LETTER_ELEMENTS = {"SE": 34}


@dataclass(frozen=True)
class Ion:
    """A residue of one atom."""

    atomic_number: int
    charge: int


@dataclass(frozen=True)
class SolvedResidue:
    """Chemistry of a residue with a known number of hydrogens on each heavy atom.

    Attributes:
        bonds: pairs of names; order 1.5 between aromatic atoms.
        charges: formal charges of the heavy atoms [e].
        missing: hydrogens that each atom lacks; empty if the residue is complete.
        surplus: atoms with more hydrogens or bonds than any protonation state has.
    """

    bonds: tuple[tuple[str, str, float], ...]
    charges: Mapping[str, int]
    missing: Mapping[str, int]
    surplus: tuple[str, ...]


@dataclass(frozen=True)
class ResidueTemplate:
    """Heavy atoms of a residue and what may be between them.

    Attributes:
        name: of the template, for example HIS for a residue called HIE.
        atoms: names of heavy atoms, with their atomic numbers.
        bonds: pairs of names.
        double: alternatives; each is a set of bonds that are double.
        aromatic: atoms of aromatic rings.
        anions: atoms that may be charged -1.
        stereo: tetrahedral stereocentres.
        optional: atoms that may be absent.
        head: atom that is bonded to the residue before, if any.
        tail: atom that is bonded to the residue after, if any.
        atom_aliases: other names of heavy atoms.
        is_water: whether extra particles are to be expected.
    """

    name: str
    atoms: Mapping[str, int]
    bonds: tuple[tuple[str, str], ...]
    double: tuple[frozenset[frozenset[str]], ...]
    aromatic: frozenset[str]
    anions: frozenset[str]
    stereo: frozenset[str]
    optional: frozenset[str]
    head: str | None
    tail: str | None
    atom_aliases: Mapping[str, str]
    is_water: bool

    def heavy_name(self, name: str) -> str | None:
        """Name in the template of a heavy atom called `name` in a file; None if it has none."""
        name = name.replace("*", "'")
        name = self.atom_aliases.get(name, name)
        return name if name in self.atoms else None

    def solve(
        self, present: Sequence[str], hydrogens: Mapping[str, int], links: Mapping[str, int]
    ) -> SolvedResidue:
        """Double bonds and charges for the hydrogens that are there.

        Takes the first alternative with the fewest impossible charges, then the fewest charges.

        Args:
            present: heavy atoms that the residue has.
            hydrogens: number on each heavy atom.
            links: number of bonds that each heavy atom has to other residues.
        """
        bonds = [bond for bond in self.bonds if bond[0] in present and bond[1] in present]
        known = {frozenset(bond) for bond in bonds}
        best: tuple[tuple[int, int], SolvedResidue] | None = None
        for double in self.double:
            if not double <= known:
                continue
            solved = self._solve_one(present, bonds, double, hydrogens, links)
            wrong = sum(solved.missing.values()) + len(solved.surplus)
            score = wrong, sum(abs(charge) for charge in solved.charges.values())
            if best is None or score < best[0]:
                best = score, solved
        assert best is not None, f"template {self.name} has no alternative for {present}"
        return best[1]

    def _solve_one(
        self,
        present: Sequence[str],
        bonds: list[tuple[str, str]],
        double: frozenset[frozenset[str]],
        hydrogens: Mapping[str, int],
        links: Mapping[str, int],
    ) -> SolvedResidue:
        order_sum = {name: hydrogens.get(name, 0) + links.get(name, 0) for name in present}
        orders = []
        for bond in bonds:
            order = 2 if frozenset(bond) in double else 1
            order_sum[bond[0]] += order
            order_sum[bond[1]] += order
            orders.append(1.5 if self.aromatic.issuperset(bond) else float(order))
        charges, missing, surplus = {}, {}, []
        for name in present:
            number = self.atoms[name]
            charge = order_sum[name] - _VALENCE[number]
            if charge == 0 or (charge == 1 and number == 7) or self._is_anion(name, charge):
                charges[name] = charge
            elif charge < 0:
                missing[name] = -charge
            else:
                surplus.append(name)
        listed = tuple((i, j, order) for (i, j), order in zip(bonds, orders, strict=True))
        return SolvedResidue(listed, charges, missing, tuple(surplus))

    def _is_anion(self, name: str, charge: int) -> bool:
        return charge == -1 and name in self.anions


def find_ion(residue_name: str) -> Ion | None:
    """The monatomic ion that a residue name stands for, or None."""
    symbol, charge = _data()["ions"].get(residue_name, (None, 0))
    return None if symbol is None else Ion(atomic_number(symbol), charge)


@lru_cache(maxsize=256)
def find_template(residue_name: str) -> ResidueTemplate | None:
    """The template for a residue name, protonation variants and other names included, or None.

    Amber's N and C in front of terminal residues are understood, as in NALA and CALA.
    """
    name = residue_name.upper()
    name = _aliases().get(name, name)
    data = _data()["residues"]
    if name not in data:
        inner = name[1:] if len(name) == 4 and name[0] in "NC" else ""
        return find_template(inner) if inner else None
    return _template(name, data[name])


@lru_cache(maxsize=1)
def _data() -> dict:
    return tomllib.loads(files("isthmus.chemistry").joinpath("residues.toml").read_text("utf-8"))


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    table = _data()["residue_aliases"]
    return {alias: name for name, aliases in table.items() for alias in aliases.split()}


def _template(name: str, data: dict) -> ResidueTemplate:
    polymer = _data()["polymers"][data["polymer"]]

    def words(key: str) -> list[str]:
        return f"{polymer.get(key, '')} {data.get(key, '')}".split()

    bonds = tuple((i, j) for i, j in (text.split("-") for text in words("bonds")))
    atoms = dict.fromkeys([*words("atoms"), *(atom for bond in bonds for atom in bond)])
    choices = product(polymer.get("double", [""]), data.get("double", [""]))
    # A polymer's alternative may name an atom that is absent (OP1, OXT): it then does not apply,
    # and one without that double bond is wanted, as at the 5' end of a strand.
    plain = [("", own) for own in data.get("double", [""])]
    double = tuple(
        frozenset(frozenset(bond.split("=")) for bond in f"{shared} {own}".split())
        for shared, own in [*choices, *plain]
    )
    return ResidueTemplate(
        name=name,
        atoms={atom: _TWO_LETTER_ELEMENTS.get(atom) or atomic_number(atom[0]) for atom in atoms},
        bonds=bonds,
        double=double,
        aromatic=frozenset(words("aromatic")),
        anions=frozenset(words("anions")),
        stereo=frozenset(words("stereo")),
        optional=frozenset(words("optional")),
        head=polymer.get("head"),
        tail=polymer.get("tail"),
        atom_aliases=polymer.get("atom_aliases", {}) | data.get("atom_aliases", {}),
        is_water=data["polymer"] == "water",
    )
