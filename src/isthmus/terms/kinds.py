"""Cluster kinds: what a term may act on, and the variables that its formula may use.

Atoms of a cluster are numbered from 1. A variable is named after its atoms, `r12`, `theta123`;
where a kind has only one, the short name (`r`, `theta`, `phi`) stands for it. A kind also lists
its symmetries, permutations of its atoms that describe the same cluster; a formula must not
change under them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from isthmus.errors import FormulaError

__all__ = ["KINDS", "ClusterKind", "Variable", "kind_named"]


@dataclass(frozen=True)
class Variable:
    """One internal coordinate of a cluster.

    `primitive` is the function of geometry, `atoms` the atoms of the cluster that it takes
    (numbered from 1), `unit` its unit. `mean` variables average over several primitives.
    """

    primitive: str
    atoms: tuple[int, ...]
    unit: str


@dataclass(frozen=True)
class ClusterKind:
    """A kind of cluster.

    `symmetries` maps the name of a symmetry to the permutation of atoms: entry a of the tuple is
    the atom that takes the place of atom a + 1. `subclusters` maps (smaller kind, label) to
    local atoms, so that coordinates and parameters of a smaller cluster can be referred to.
    """

    name: str
    n_atoms: int
    variables: Mapping[str, Variable]
    symmetries: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    subclusters: Mapping[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    description: str = ""

    def image(self, variable: str, symmetry: str) -> tuple[str, int]:
        """Name and sign of the variable that `variable` becomes under a symmetry."""
        permutation = self.symmetries[symmetry]
        source = self.variables[variable]
        moved = tuple(permutation[a - 1] for a in source.atoms)
        for name, other in self.variables.items():
            if other.primitive == source.primitive:
                sign = _same_coordinate(source.primitive, moved, other.atoms)
                if sign:
                    return name, sign
        raise AssertionError(f"kind {self.name} is not closed: {variable} under {symmetry}")


def _same_coordinate(primitive: str, a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """+1 or -1 when the atom tuples a and b define the same coordinate, or else 0."""
    if a == b:
        return 1
    if primitive in ("distance", "angle", "dihedral"):
        return 1 if a == b[::-1] else 0
    if primitive == "wilson" and a[:2] == b[:2] and a[2:] == b[:1:-1]:
        return -1
    if primitive in ("height", "meanwilson") and a[0] == b[0] and sorted(a) == sorted(b):
        return _parity(a[1:], b[1:])
    return 0


def _parity(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Sign of the permutation that takes a to b."""
    order = [b.index(entry) for entry in a]
    inversions = sum(x > y for i, x in enumerate(order) for y in order[i + 1 :])
    return -1 if inversions % 2 else 1


def _distance(*atoms: int) -> Variable:
    return Variable("distance", atoms, "nm")


def _angle(*atoms: int) -> Variable:
    return Variable("angle", atoms, "rad")


def _dihedral(*atoms: int) -> Variable:
    return Variable("dihedral", atoms, "rad")


_BOND = ClusterKind(
    "bond",
    2,
    {"r": _distance(1, 2)},
    {"reverse": (2, 1)},
    {("bond", ""): (1, 2)},
    "two bonded atoms",
)

_ANGLE = ClusterKind(
    "angle",
    3,
    {
        "r12": _distance(1, 2),
        "r23": _distance(2, 3),
        "r13": _distance(1, 3),
        "theta": _angle(1, 2, 3),
    },
    {"reverse": (3, 2, 1)},
    {("bond", "12"): (1, 2), ("bond", "23"): (2, 3), ("angle", ""): (1, 2, 3)},
    "a path of three atoms, atom 2 in the middle",
)

_TORSION = ClusterKind(
    "torsion",
    4,
    {
        "r12": _distance(1, 2),
        "r23": _distance(2, 3),
        "r34": _distance(3, 4),
        "r13": _distance(1, 3),
        "r24": _distance(2, 4),
        "r14": _distance(1, 4),
        "theta123": _angle(1, 2, 3),
        "theta234": _angle(2, 3, 4),
        "phi": _dihedral(1, 2, 3, 4),
    },
    {"reverse": (4, 3, 2, 1)},
    {
        ("bond", "12"): (1, 2),
        ("bond", "23"): (2, 3),
        ("bond", "34"): (3, 4),
        ("angle", "123"): (1, 2, 3),
        ("angle", "234"): (2, 3, 4),
        ("torsion", ""): (1, 2, 3, 4),
    },
    "a path of four atoms",
)

_BRANCH = ClusterKind(
    "branch",
    4,
    {
        "r12": _distance(1, 2),
        "r13": _distance(1, 3),
        "r14": _distance(1, 4),
        "theta213": _angle(2, 1, 3),
        "theta214": _angle(2, 1, 4),
        "theta314": _angle(3, 1, 4),
        "h": Variable("height", (1, 2, 3, 4), "nm"),
        "chi2": Variable("wilson", (1, 2, 3, 4), "rad"),
        "chi3": Variable("wilson", (1, 3, 4, 2), "rad"),
        "chi4": Variable("wilson", (1, 4, 2, 3), "rad"),
        "chi": Variable("meanwilson", (1, 2, 3, 4), "rad"),
    },
    {"swap23": (1, 3, 2, 4), "swap34": (1, 2, 4, 3)},
    {
        ("bond", "12"): (1, 2),
        ("bond", "13"): (1, 3),
        ("bond", "14"): (1, 4),
        ("angle", "213"): (2, 1, 3),
        ("angle", "214"): (2, 1, 4),
        ("angle", "314"): (3, 1, 4),
        ("branch", ""): (1, 2, 3, 4),
    },
    "a centre, atom 1, and three of its neighbours",
)

_PATH5 = ClusterKind(
    "path5",
    5,
    {
        **{f"r{a}{a + 1}": _distance(a, a + 1) for a in range(1, 5)},
        "r15": _distance(1, 5),
        **{f"theta{a}{a + 1}{a + 2}": _angle(a, a + 1, a + 2) for a in range(1, 4)},
        "phi1234": _dihedral(1, 2, 3, 4),
        "phi2345": _dihedral(2, 3, 4, 5),
    },
    {"reverse": (5, 4, 3, 2, 1)},
    {
        **{("bond", f"{a}{a + 1}"): (a, a + 1) for a in range(1, 5)},
        **{("angle", f"{a}{a + 1}{a + 2}"): (a, a + 1, a + 2) for a in range(1, 4)},
        ("torsion", "1234"): (1, 2, 3, 4),
        ("torsion", "2345"): (2, 3, 4, 5),
        ("path5", ""): (1, 2, 3, 4, 5),
    },
    "a path of five atoms: two torsions and what lies along them",
)

_PAIR14 = ClusterKind(
    "pair14",
    2,
    {"r": _distance(1, 2)},
    {"reverse": (2, 1)},
    {("pair14", ""): (1, 2)},
    "two atoms separated by exactly three bonds",
)

_PAIR = ClusterKind(
    "pair",
    2,
    {"r": _distance(1, 2)},
    {"reverse": (2, 1)},
    {("pair", ""): (1, 2)},
    "two atoms separated by more than three bonds, or not connected",
)

_ATOM = ClusterKind(
    "atom",
    1,
    {
        "x": Variable("x", (1,), "nm"),
        "y": Variable("y", (1,), "nm"),
        "z": Variable("z", (1,), "nm"),
    },
    {},
    {("atom", ""): (1,)},
    "one atom and its position",
)

KINDS: Final[Mapping[str, ClusterKind]] = {
    kind.name: kind for kind in (_BOND, _ANGLE, _TORSION, _BRANCH, _PATH5, _PAIR14, _PAIR, _ATOM)
}
"""Every cluster kind by its name."""


def kind_named(name: str) -> ClusterKind:
    """The cluster kind of that name.

    Raises:
        FormulaError: there is no such kind; the message lists those that exist.
    """
    if name not in KINDS:
        raise FormulaError(f"unknown cluster kind '{name}': choose one of {', '.join(KINDS)}")
    return KINDS[name]
