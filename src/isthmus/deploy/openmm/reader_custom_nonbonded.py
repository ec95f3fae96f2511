"""Reader of CustomNonbondedForce: pair formulas, also with tables over pairs of atom types."""

import re
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from isthmus.deploy.openmm.reader_expression import custom_term, identifiers
from isthmus.deploy.openmm.reader_nonbonded import method_of
from isthmus.deploy.openmm.reader_registry import ForceToRead, Reading, numbers, reads
from isthmus.terms.dispersion import DispersionCorrection, count_types, pair_tail
from isthmus.terms.nonbonded import PairGroup, PairTerm, excluded_table
from isthmus.terms.nonbonded_method import NonbondedMethod

__all__ = ["read_custom_nonbonded"]


@dataclass(frozen=True)
class _Tables:
    """Tabulated functions of two types: the expression without calls, tables, types of atoms."""

    text: str
    values: dict[str, Float[np.ndarray, "types types"]]
    types: Int[np.ndarray, " atoms"] | None


@reads("CustomNonbondedForce")
def read_custom_nonbonded(item: ForceToRead) -> Reading:
    """A pair term with per-atom parameters; tabulated functions of two types become tables."""
    force = item.force
    _check_extras(item)
    count = force.getNumPerParticleParameters()
    names = [force.getPerParticleParameterName(n) for n in range(count)]
    rows = numbers([force.getParticleParameters(n) for n in range(item.n_atoms)], count)
    tables = _take_tables(item, names, rows)
    formula = custom_term(item, "pair", tables.text, names=names, per="atom", tables=tables.values)
    values = {name: rows[:, column] for name, column in formula.columns.items()}
    pair_term = PairTerm(formula.term, values | tables.values, tables.types)
    method, periodic = method_of(item)
    pairs = [force.getExclusionParticles(n) for n in range(force.getNumExclusions())]
    exclusions = np.sort(np.array(pairs, dtype=np.int32).reshape(-1, 2), axis=1)
    group = PairGroup(
        (pair_term,), exclusions, excluded_table(exclusions, item.n_atoms), method, periodic
    )
    specials = ()
    if force.getUseLongRangeCorrection() and periodic:
        specials = (_correction(item, pair_term, method),)
    return Reading(pair_groups=(group,), specials=specials, notes=formula.notes)


def _check_extras(item: ForceToRead) -> None:
    """Errors for what a pair term of ours cannot have."""
    force = item.force
    if force.getNumInteractionGroups():
        raise item.unsupported(
            "it has interaction groups",
            "let it act on all pairs and give zero parameters to atoms that shall not interact",
        )
    if force.getNumComputedValues():
        raise item.unsupported(
            "it has computed values", "give them as per-particle parameters instead"
        )


def _take_tables(
    item: ForceToRead, names: list[str], rows: Float[np.ndarray, "atoms parameters"]
) -> _Tables:
    """Replace every call f(type1, type2) by a name for the table of f over the atoms' types."""
    text = item.force.getEnergyFunction()
    calls: dict[str, tuple[np.ndarray, int]] = {}
    for n in range(item.force.getNumTabulatedFunctions()):
        function = item.force.getTabulatedFunctionName(n)
        if function not in identifiers(text):
            continue
        grid = _grid(item, function, item.force.getTabulatedFunction(n))
        pattern = re.compile(rf"\b{re.escape(function)}\s*\(\s*(\w+)[12]\s*,\s*\1[12]\s*\)")
        for parameter in sorted(set(pattern.findall(text)) & set(names)):
            table = f"{function}_of_{parameter}"
            call = (
                rf"\b{function}\s*\(\s*{parameter}(1\s*,\s*{parameter}2|2\s*,\s*{parameter}1)\s*\)"
            )
            text = re.sub(call, table, text)
            calls[table] = (grid, names.index(parameter))
        if function in identifiers(text):
            raise item.unsupported(
                f"the tabulated function '{function}' takes something else than one per-particle "
                "parameter of both atoms, as in f(type1, type2)",
                "write the expression so, or replace the table by a formula",
            )
    if not calls:
        return _Tables(text, {}, None)
    columns = sorted({column for _, column in calls.values()})
    kinds, types = np.unique(rows[:, columns], axis=0, return_inverse=True)
    values = {
        name: _entries(item, name, grid, kinds[:, columns.index(column)])
        for name, (grid, column) in calls.items()
    }
    return _Tables(text, values, types.reshape(-1).astype(np.int32))


def _grid(item: ForceToRead, name: str, function: object) -> Float[np.ndarray, "x y"]:
    """Values of a Discrete2DFunction, first argument along the first axis."""
    from openmm import Discrete2DFunction

    if not isinstance(function, Discrete2DFunction):
        raise item.unsupported(
            f"'{name}' is a {type(function).__name__}",
            "tables over two atom types (Discrete2DFunction) can be imported; replace others by "
            "formulas",
        )
    x_size, y_size, values = function.getFunctionParameters()
    return np.array(values, dtype=np.float64).reshape(y_size, x_size).T


def _entries(
    item: ForceToRead, name: str, grid: Float[np.ndarray, "x y"], kinds: Float[np.ndarray, " types"]
) -> Float[np.ndarray, "types types"]:
    """The table over the types that occur."""
    index = np.rint(kinds).astype(int)
    if np.any(index != kinds) or np.any(index < 0) or np.any(index >= min(grid.shape)):
        raise item.unsupported(
            f"an atom type is no index of the table {name}, which is {grid.shape[0]} x "
            f"{grid.shape[1]}",
            "number the types from 0",
        )
    table = grid[np.ix_(index, index)]
    if not np.allclose(table, table.T, rtol=1e-9, atol=0.0):
        raise item.unsupported(
            f"the table {name} is not symmetric, so the energy depends on the order of two atoms",
            "make it symmetric",
        )
    return table


def _correction(
    item: ForceToRead, pair_term: PairTerm, method: NonbondedMethod
) -> DispersionCorrection:
    """The long-range correction, by quadrature."""
    assert method.cutoff is not None
    per_atom = [pair_term.values[p.name] for p in pair_term.term.parameters if p.per == "atom"]
    if pair_term.types is not None:
        per_atom.append(pair_term.types.astype(np.float64))
    columns = np.stack(per_atom, axis=1) if per_atom else np.zeros((item.n_atoms, 1))
    atoms, counts = count_types(columns)

    def pair_energy(r: Array, first: Array, second: Array) -> Array:
        ends = (jnp.broadcast_to(jnp.asarray(atoms)[end], r.shape) for end in (first, second))
        return pair_term.energies(r, *ends)

    with jax.enable_x64(True):
        coefficient = pair_tail(
            pair_energy, counts, cutoff=method.cutoff, switch_distance=method.switch
        )
        name = item.part("long-range correction")
        return DispersionCorrection(name, item.label, np.asarray(coefficient))
