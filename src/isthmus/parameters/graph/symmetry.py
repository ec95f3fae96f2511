"""Symmetry of the parameters of a cluster, and what it asks of a function that predicts them.

Under a symmetry s of the cluster, the parameters of a term trade places and signs as declared:
V(s·c) = P_s V(c). For any function f, the mean of P_g⁻¹ f(g·c) over the group that all symmetries
generate (the Reynolds operator) obeys this exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isthmus.errors import DesignError
from isthmus.terms.kinds import ClusterKind
from isthmus.terms.parameter import Parameter

__all__ = ["Image", "member_bonds", "symmetry_images"]


@dataclass(frozen=True)
class Image:
    """One way to write a cluster down.

    Attributes:
        atoms: column of the cluster's table that stands at each place, counted from 0.
        bonds: the same for the cluster's bonds (`member_bonds`).
        representation: P, one row and column a parameter; entries 0, 1 and -1.
    """

    atoms: tuple[int, ...]
    bonds: tuple[int, ...]
    representation: Float[np.ndarray, "parameters parameters"]


def member_bonds(kind: ClusterKind) -> tuple[tuple[int, int], ...]:
    """Bonds between the atoms of a cluster, as columns counted from 0."""
    found = [at for (base, _), at in kind.subclusters.items() if base == "bond"]
    return tuple((at[0] - 1, at[1] - 1) for at in found)


def symmetry_images(
    kind: ClusterKind, groups: Mapping[str, Sequence[Parameter]]
) -> tuple[Image, ...]:
    """All images of a cluster and its parameters; the first is the identity.

    Args:
        kind: of the cluster.
        groups: parameters of several terms, by what error messages call the term; the rows of a
            representation are those of all groups, one after the other.

    Raises:
        DesignError: parameters that trade places have different defaults, bounds or scales.
    """
    generators = [
        (
            tuple(a - 1 for a in permutation),
            _blocks([_representation(name, of, where) for where, of in groups.items()]),
        )
        for name, permutation in kind.symmetries.items()
    ]
    identity = np.eye(sum(map(len, groups.values())))
    found = {_key(tuple(range(kind.n_atoms)), identity): (tuple(range(kind.n_atoms)), identity)}
    queue = list(found.values())
    while queue:
        atoms, matrix = queue.pop()
        for permutation, representation in generators:
            image = tuple(atoms[p] for p in permutation), representation @ matrix
            if _key(*image) not in found:
                found[_key(*image)] = image
                queue.append(image)
    bonds = [frozenset(bond) for bond in member_bonds(kind)]
    return tuple(
        Image(atoms, tuple(bonds.index(frozenset((atoms[a], atoms[b]))) for a, b in bonds), matrix)
        for atoms, matrix in found.values()
    )


def _blocks(matrices: Sequence[Float[np.ndarray, "_ _"]]) -> Float[np.ndarray, "n n"]:
    """The matrices along the diagonal of a larger one."""
    size = sum(map(len, matrices))
    result, start = np.zeros((size, size)), 0
    for matrix in matrices:
        stop = start + len(matrix)
        result[start:stop, start:stop] = matrix
        start = stop
    return result


def _key(atoms: tuple[int, ...], matrix: Float[np.ndarray, "n n"]) -> tuple:
    return atoms, matrix.astype(np.int8).tobytes()


def _representation(
    symmetry: str, parameters: Sequence[Parameter], where: str
) -> Float[np.ndarray, "parameters parameters"]:
    names = [parameter.name for parameter in parameters]
    matrix = np.zeros((len(names), len(names)))
    for row, parameter in enumerate(parameters):
        target = dict(parameter.images).get(symmetry, parameter.name)
        sign = -1.0 if target.startswith("-") else 1.0
        target = target.removeprefix("-")
        if target not in names:
            raise DesignError(
                f"{where}, parameter '{parameter.name}': {symmetry} = '{target}' names no "
                "parameter with numbers of its own"
            )
        other = parameters[names.index(target)]
        if not _alike(parameter, other, sign):
            raise DesignError(
                f"{where}: '{parameter.name}' and '{target}' trade places ({symmetry}), but their "
                "default, bounds or scale differ: make them equal"
                + (" and symmetric about 0" if sign < 0 else "")
            )
        matrix[row, names.index(target)] = sign
    if not np.array_equal(matrix @ matrix.T, np.eye(len(names))):
        raise DesignError(
            f"{where}: under {symmetry}, two parameters take the place of the same one; every "
            "parameter must have an image of its own"
        )
    return matrix


def _alike(one: Parameter, other: Parameter, sign: float) -> bool:
    if one.scale != other.scale:
        return False
    if sign > 0:
        return (one.default, one.minimum, one.maximum) == (
            other.default,
            other.minimum,
            other.maximum,
        )
    mirrored = (_negative(other.maximum), _negative(other.minimum))
    return (one.minimum, one.maximum) == mirrored and one.default == _negative(other.default)


def _negative(value: float | str | None) -> float | str | None:
    return -value if isinstance(value, (int, float)) else value
