"""The unknowns of a bespoke fit and how they make the values of all parameters.

values = start + matrix · (unknowns, shifts · unknowns). One unknown stands for one class of equal
values, in units of its parameter's `scale`. A shift moves all charges of a connected component by
the same amount, so that its total charge stays what it is: minus the mean of what the unknowns do.
With shifts apart from unknowns the matrix has two numbers for each charge; with both in one, it
would have one for each charge and unknown, and every pair of atoms would depend on all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.errors import InputError
from isthmus.parameters.instantiate import Values, clusters_of
from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.parameter import Parameter
from isthmus.train.bespoke.classes import Classes, atom_classes, cluster_classes
from isthmus.train.bespoke.linearity import linear_parameters

__all__ = ["Unknowns", "find_unknowns"]

_INSIDE = 1e-4
"""Distance of a fit from the bounds of a parameter, in units of its scale"""

Owner = FormulaTerm | Coordinate
Name = tuple[str, str]


@dataclass(frozen=True)
class Unknowns:
    """What is fitted, and the way from there to the values of all parameters.

    Attributes:
        names: (owner, parameter) of each unknown.
        start: all values at unknowns = 0, one parameter after the other.
        matrix: change of the values by the unknowns and the shifts.
        shifts: of the charges of each component, by the unknowns [e].
        lower, upper: bounds of the unknowns.
        linear: unknowns in which the energy is affine, the others being held.
        places: for each (owner, parameter), where its values stand.
    """

    names: tuple[Name, ...]
    start: Float[np.ndarray, " values"]
    matrix: sparse.csr_array
    shifts: sparse.csr_array
    lower: Float[np.ndarray, " unknowns"]
    upper: Float[np.ndarray, " unknowns"]
    linear: Bool[np.ndarray, " unknowns"]
    places: Mapping[Name, slice]

    @property
    def n_unknowns(self) -> int:
        """Number of unknowns."""
        return len(self.names)

    @property
    def at_start(self) -> Float[np.ndarray, " unknowns"]:
        """The unknowns where a fit starts."""
        return np.zeros(self.n_unknowns)

    @property
    def n_columns(self) -> int:
        """Number of unknowns and shifts: columns of the matrix, in this order."""
        return len(self.names) + len(self.shifts.indptr) - 1

    def flat(self, unknowns: Float[np.ndarray, " unknowns"]) -> Float[np.ndarray, " values"]:
        """All values, one parameter after the other."""
        return self.start + self.matrix @ np.concatenate([unknowns, self.shifts @ unknowns])

    def values(self, unknowns: Float[np.ndarray, " unknowns"]) -> dict[str, dict[str, np.ndarray]]:
        """All values for `isthmus.parameters.instantiate`."""
        flat = self.flat(unknowns)
        table: dict[str, dict[str, np.ndarray]] = {}
        for (owner, parameter), place in self.places.items():
            table.setdefault(owner, {})[parameter] = flat[place].copy()
        return table

    def widths(self, given: Mapping[str, float]) -> Float[np.ndarray, " unknowns"]:
        """A number for each unknown: that of `owner.parameter`, else that of `owner`, else 1."""
        return np.array([given.get(f"{o}.{p}", given.get(o, 1.0)) for o, p in self.names])


@dataclass(frozen=True)
class _Part:
    """Parameters that share classes: their values at the start, and how unknowns change them.

    `spread` is how a shift of each component changes them; of parameters other than charges, and
    of charges that are held, there are no shifts.
    """

    names: list[Name]
    start: np.ndarray
    matrix: sparse.csr_array
    spread: sparse.csr_array
    lower: np.ndarray
    upper: np.ndarray


def find_unknowns(design: Design, topology: Topology, start: Values, *, tie: bool) -> Unknowns:
    """One unknown for each class of values (`tie`), or for each value.

    Args:
        design: whose parameters are fitted; those with scale = 0 are held.
        topology: the molecule.
        start: values at unknowns = 0; with `tie`, their means over the classes are taken.
        tie: whether values that symmetry makes equal are one unknown.

    Raises:
        InputError: no parameter of the design can be fitted to this molecule.
        DesignError: parameters that trade places under a symmetry are declared differently.
    """
    parts: list[_Part] = []
    places: dict[Name, slice] = {}
    end = 0
    for owner, parameters, classes in _parameters(design, topology, tie):
        values = [np.asarray(start[owner.name][p.name]) for p in parameters]
        for parameter, value in zip(parameters, values, strict=True):
            places[owner.name, parameter.name] = slice(end, end + len(value))
            end += len(value)
        parts.append(_part(owner, parameters, values, classes, topology))
    linear = linear_parameters(design)
    names = tuple(name for part in parts for name in part.names)
    if not names:
        raise InputError(
            f"nothing to fit: no parameter of the design '{design.name}' has both a scale above 0 "
            "and a place in this molecule; give those that should be fitted a `scale`, or take "
            "another design"
        )
    spread = sparse.block_diag([part.spread for part in parts])
    return Unknowns(
        names=names,
        start=np.concatenate([part.start for part in parts]),
        matrix=sparse.csr_array(
            sparse.hstack([sparse.block_diag([part.matrix for part in parts]), spread])
        ),
        shifts=sparse.csr_array(sparse.block_diag([_shifts(part) for part in parts])),
        lower=np.concatenate([part.lower for part in parts]),
        upper=np.concatenate([part.upper for part in parts]),
        linear=np.array([name in linear for name in names], dtype=bool),
        places=places,
    )


def _parameters(
    design: Design, topology: Topology, tie: bool
) -> Iterator[tuple[Owner, list[Parameter], list[Classes]]]:
    """Parameters that may share unknowns: all of the clusters of a term; each one of atoms."""
    atoms = atom_classes(topology) if tie else np.arange(topology.n_atoms)
    for owner in design.owners.values():
        own = [p for p in owner.parameters if p.reference is None]
        for parameter in own:
            if parameter.per == "atom":
                yield owner, [parameter], [Classes(atoms, np.ones(topology.n_atoms))]
        shared = [p for p in own if p.per == "cluster"]
        if not shared:
            continue
        clusters = clusters_of(owner, topology)
        if tie:
            found = cluster_classes(topology, owner.kind, shared, clusters, where=owner.where)
            yield owner, shared, list(found)
            continue
        n = len(clusters)
        signs = np.ones(n)
        yield owner, shared, [Classes(np.arange(n) + n * k, signs) for k in range(len(shared))]


def _part(
    owner: Owner,
    parameters: Sequence[Parameter],
    values: Sequence[np.ndarray],
    classes: Sequence[Classes],
    topology: Topology,
) -> _Part:
    start, sign = np.concatenate(values), np.concatenate([c.sign for c in classes])
    member = np.repeat(np.arange(len(parameters)), [len(value) for value in values])
    labels = np.concatenate([c.of for c in classes])
    _, first, of = np.unique(labels, return_index=True, return_inverse=True)
    sums = np.bincount(of, weights=sign * start, minlength=len(first))
    means = sums / np.maximum(np.bincount(of, weights=sign**2, minlength=len(first)), 1)
    lower, upper = np.array([_bounds(parameters[m]) for m in member.tolist()]).T.reshape(2, -1)
    scale = np.array([parameters[m].scale for m in member[first].tolist()])
    free = (scale > 0) & (sign[first] != 0)
    low, high = lower[first], upper[first]
    mirrored = sign[first] < 0
    low, high = np.where(mirrored, -high, low), np.where(mirrored, -low, high)
    held = np.where(sign == 0, 0.0, start)
    matrix = sparse.csr_array(
        (sign * scale[of], (np.arange(len(start)), of)), shape=(len(start), len(first))
    )[:, free]
    charges = len(parameters) == 1 and _is_charge(parameters[0]) and bool(free.any())
    spread = _spread(topology) if charges else sparse.csr_array((len(start), 0))
    safe = np.where(free, scale, 1.0)
    return _Part(
        names=[(owner.name, parameters[m].name) for m in member[first][free].tolist()],
        start=np.where(free[of], sign * means[of], held),
        matrix=matrix,
        spread=spread,
        lower=((low - means) / safe)[free],
        upper=((high - means) / safe)[free],
    )


def _bounds(p: Parameter) -> tuple[float, float]:
    """A little within those declared: on the bound itself a formula may have no derivative, as
    the root of a product of well depths has none at 0."""
    inside = _INSIDE * p.scale
    return (
        -np.inf if p.minimum is None else p.minimum + inside,
        np.inf if p.maximum is None else p.maximum - inside,
    )


def _is_charge(parameter: Parameter) -> bool:
    return parameter.per == "atom" and parameter.unit == "e" and parameter.default == "charge"


def _spread(topology: Topology) -> sparse.csr_array:
    """1 where an atom belongs to a component, (atoms, components)."""
    _, of = np.unique(topology.components, return_inverse=True)
    n_atoms = topology.n_atoms
    return sparse.csr_array((np.ones(n_atoms), (np.arange(n_atoms), of)))


def _shifts(part: _Part) -> sparse.csr_array:
    """Minus the mean over each component of what the unknowns of a part do, (shifts, unknowns)."""
    sizes = part.spread.sum(axis=0)
    return sparse.csr_array(-(part.spread / sizes).T @ part.matrix)
