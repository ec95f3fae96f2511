"""Atoms that are pressed together must repel, however close they come.

Bonded atoms: each bond that is in no ring, from its length down to 0.05 nm. Atoms of two
molecules: for each pair of elements the most exposed atoms of two copies approach each other on
a line, from the sum of their van der Waals radii down to 0.05 nm, or to where other atoms come
closer than these two. Value: changes of sign of the
force along the approach; at the end it must repel.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.topology import Topology, concatenate
from isthmus.errors import InputError
from isthmus.evaluate.physics.check import Check, Line, Panel, judged, not_applicable
from isthmus.evaluate.physics.scans import Scan, scans_of
from isthmus.evaluate.physics.settings import Settings
from isthmus.evaluate.physics.smoothness import Profile
from isthmus.evaluate.physics.subject import Subject, evaluate_frames
from isthmus.units import ANGSTROM
from isthmus.words import counted

if TYPE_CHECKING:
    from scipy.spatial import KDTree

__all__ = ["GROUP", "check_clashes"]

GROUP: Final = "clashes"
CLOSEST: Final = 0.05
"""[nm]"""

_SOURCE: Final = "ml-peg: diatomics down to 0.5 Å"
_POINTS: Final = 61
_SHOWN: Final = 8
_ROOM: Final = 0.2
"""Other atoms that come closer than this must not come closer than the two [nm]"""


def check_clashes(subject: Subject, settings: Settings) -> list[Check]:
    """Bonded atoms, and atoms of two molecules."""
    names = ("bonded atoms pressed together", "atoms of two molecules pressed together")
    if subject.is_periodic:
        why = "in a full box, atoms cannot be moved alone"
        return [not_applicable(GROUP, name, why) for name in names]
    return [
        _judged(names[0], _bonded(subject, settings), "all bonds are in rings"),
        _between_molecules(subject, settings, names[1]),
    ]


def _bonded(subject: Subject, settings: Settings) -> list[Profile]:
    scans = scans_of(
        subject.molecule.topology,
        subject.positions,
        most=12 if settings.quick else 40,
        seed=settings.seed,
    )["bond"]
    return [_pressed(subject, scan, scan.start, CLOSEST) for scan in scans]


def _pressed(subject: Subject, scan: Scan, far: float, near: float) -> Profile:
    values = np.linspace(far, near, _POINTS)
    frames, slopes = scan.place(values)
    energies, forces = evaluate_frames(subject.double, frames, subject.box)
    return Profile(scan, values, energies, (forces * slopes).sum(axis=(1, 2)))


def _between_molecules(subject: Subject, settings: Settings, name: str) -> Check:
    topology = subject.molecule.topology
    pair = Molecule.create(
        concatenate([topology, topology]),
        np.concatenate([subject.positions, subject.positions + 10.0]),
    )
    second = Subject(pair, subject.binder)
    try:
        surface = second.double
    except InputError as error:
        return not_applicable(GROUP, name, f"no numbers for two molecules: {error}")
    assert surface.n_atoms == 2 * subject.n_atoms
    exposed = _exposed(topology, subject.positions)
    pairs = list(combinations_with_replacement(sorted(exposed), 2))
    most = 10 if settings.quick else 36
    profiles = []
    for one, other in pairs[:most]:
        scan, closest = _approach(subject.positions, exposed[one], exposed[other])
        contact = _contact(topology, exposed[one][0], exposed[other][0])
        if closest < contact / 2:
            profiles.append(_pressed(second, scan, contact, closest))
    return _judged(name, profiles, "no atom is exposed enough to be met by another one first")


Place = tuple[int, Float[np.ndarray, " 3"]]
"""An atom, and the direction from which it is met"""


def _exposed(topology: Topology, x: Float[np.ndarray, "atoms 3"]) -> dict[int, Place]:
    """Of each element the atom that can be met most freely, and from where."""
    found: dict[int, tuple[float, Place]] = {}
    for atom in _outermost(topology, x):
        number = int(topology.atomic_numbers[atom])
        others = np.delete(x, atom, axis=0) - x[atom]
        others /= np.linalg.norm(others, axis=1)[:, None]
        # For each direction the cosine to the atom that is most in the way
        worst = (_DIRECTIONS @ others.T).max(axis=1, initial=-1.0)
        best = int(np.argmin(worst))
        if number not in found or worst[best] < found[number][0]:
            found[number] = (float(worst[best]), (atom, _DIRECTIONS[best]))
    return {number: place for number, (_, place) in found.items()}


def _outermost(topology: Topology, x: Float[np.ndarray, "atoms 3"]) -> list[int]:
    """Of each element the atoms that are farthest from the middle."""
    far = np.argsort(-np.linalg.norm(x - x.mean(axis=0), axis=1), kind="stable")
    numbers = topology.atomic_numbers[far]
    return [
        int(a)
        for number in np.unique(numbers[numbers > 0])
        for a in far[numbers == number][:_CANDIDATES]
    ]


def _sphere(n_points: int) -> Float[np.ndarray, "points 3"]:
    """Directions spread evenly over the sphere, on a spiral."""
    k = np.arange(n_points) + 0.5
    z, turn = 1 - 2 * k / n_points, np.pi * (1 + np.sqrt(5)) * k
    flat = np.sqrt(1 - z**2)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)


_DIRECTIONS: Final = _sphere(400)
_TWISTS: Final = 24
_CANDIDATES: Final = 50
"""Atoms of one element that are looked at for the one that is met most freely"""


def _approach(x: Float[np.ndarray, "atoms 3"], one: Place, other: Place) -> tuple[Scan, float]:
    """The second copy, its atom in front of that of the first, twisted to be least in the way.

    Returns:
        The scan, and the distance down to which no other two atoms are closer [nm].
    """
    (a, out), (b, away) = one, other
    from scipy.spatial import KDTree

    tree = KDTree(x)
    faced = (x - x[b]) @ _turn(away, -out).T
    values = np.linspace(CLOSEST, 0.5, 46)
    best, arm = np.inf, faced
    for angle in np.linspace(0, 2 * np.pi, _TWISTS, endpoint=False):
        twisted = _twist(faced, out, angle)
        closest = _closest(tree, a, b, x[a] + twisted, out, values)
        if closest < best:
            best, arm = closest, twisted
    along = np.concatenate([np.zeros_like(x), np.broadcast_to(out, x.shape)])
    start = np.concatenate([x, x[a] + arm])

    def place(values: Float[np.ndarray, " points"]) -> Any:
        frames = start + values[:, None, None] * along
        return frames, np.broadcast_to(along, frames.shape)

    name = f"approach {a + 1} to {b + 1}'"
    return Scan("approach", name, (a, b), 1.0, CLOSEST, 1.0, place), best


def _closest(
    tree: "KDTree", a: int, b: int, start: np.ndarray, out: np.ndarray, values: np.ndarray
) -> float:
    """The distance down to which no other atoms meet before the two [nm].

    Args:
        tree: of the first copy.
        a, b: the two.
        start: the second copy with the two in the same place [nm].
        out: where it comes from.
        values: distances of the two, ascending and evenly spaced [nm].
    """
    middle, reach = values.mean(), np.ptp(values) / 2
    found, _ = tree.query(start + middle * out, distance_upper_bound=_ROOM + reach)
    near = np.flatnonzero(np.isfinite(found))
    placed = start[near] + values[:, None, None] * out
    apart, other = tree.query(placed, k=2, distance_upper_bound=_ROOM)
    apart[(near == b)[:, None] & (other == a)] = np.inf
    met = apart.min(axis=(1, 2)) < np.minimum(values, _ROOM)
    return float(values[met].max(initial=CLOSEST))


def _twist(
    arm: Float[np.ndarray, "atoms 3"], axis: Float[np.ndarray, " 3"], angle: float
) -> Float[np.ndarray, "atoms 3"]:
    """Rotation about an axis through the origin."""
    along = (arm @ axis)[:, None] * axis
    return along + np.cos(angle) * (arm - along) + np.sin(angle) * np.cross(axis, arm)


def _turn(start: Float[np.ndarray, " 3"], end: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """A rotation that takes one direction to another."""
    middle = start + end
    size = float(middle @ middle)
    if size < 1e-12:
        # Opposite: half a turn about any axis across
        across = np.cross(start, np.eye(3)[int(np.argmin(np.abs(start)))])
        across /= np.linalg.norm(across)
        return 2 * np.outer(across, across) - np.eye(3)
    # Half a turn about the line in the middle
    return 2 * np.outer(middle, middle) / size - np.eye(3)


def _contact(topology: Topology, a: int, b: int) -> float:
    """Sum of the van der Waals radii [nm]."""
    from rdkit.Chem import GetPeriodicTable

    table = GetPeriodicTable()
    numbers = (int(topology.atomic_numbers[a]), int(topology.atomic_numbers[b]))
    return sum(table.GetRvdw(number) for number in numbers) * ANGSTROM


def _judged(name: str, profiles: Sequence[Profile], nothing: str) -> Check:
    if not profiles:
        return not_applicable(GROUP, name, nothing)
    flips = [profile.n_flips for profile in profiles]
    attracts = [p for p in profiles if not p.forces[-1] > 0]
    worst = int(np.argmax(flips))
    note = counted(len(profiles), "pair")
    value = float(flips[worst])
    if attracts:
        note += f"; {attracts[0].scan.name} attracts at {attracts[0].values[-1]:.2f} nm"
        value = float("nan")
    elif value > 1:
        note += f"; worst: {profiles[worst].scan.name}"
    lines = tuple(
        Line(p.values, p.forces, p.scan.name.partition(" ")[2])
        for p in sorted(profiles, key=lambda p: (p.forces[-1] > 0, -p.n_flips))[:_SHOWN]
    )
    panel = Panel(
        name.capitalize(),
        "distance [nm]",
        "force along it [kJ/mol/nm]",
        lines,
        about_zero=1000.0,
        level=0.0,
    )
    return judged(
        GROUP,
        name,
        value,
        threshold=1.0,
        unit="changes of sign",
        source=_SOURCE,
        note=note,
        panels=(panel,),
    )
