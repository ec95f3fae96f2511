"""Whether every motion has its share of kinetic energy: kT/2 for each degree of freedom.

| check | what is compared with the temperature of the bath |
|---|---|
| elements | m v²/3 of the atoms of each element |
| bonds | μ u² of each kind of bond: u the relative velocity along it, μ the reduced mass |
| solute and solvent | M V²/3 of whole molecules, and m v²/3 of their atoms |

Constraints take degrees of freedom from atoms and bonds, but none from the motion of whole
molecules: with them the last check is made of that alone. The solvent is the kind of molecule of
which there are most.
"""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from isthmus.chemistry.elements import element_symbols
from isthmus.chemistry.topology import Topology
from isthmus.evaluate.physics.check import Check, judged, not_applicable
from isthmus.evaluate.physics.motion import Motion
from isthmus.units import BOLTZMANN

__all__ = [
    "BONDS_NAME",
    "ELEMENTS_NAME",
    "SOLVENT_NAME",
    "check_equipartition",
    "judge_equipartition",
    "molecules_by_role",
]

GROUP: Final = "ensembles"
ELEMENTS_NAME: Final = "equipartition between elements"
BONDS_NAME: Final = "equipartition between bonds"
SOLVENT_NAME: Final = "equipartition of solute and solvent"
_SOURCE: Final = "physical_validation"
_FEW: Final = 10
"""Molecules of one kind that are a solvent, at least"""

_ENOUGH: Final = 30
"""Samples from which their scatter is a better error than that of independent motions"""

Shares = dict[str, tuple[float, float]]
"""Kinetic temperature over that of the bath, with its standard error"""


def check_equipartition(
    topology: Topology, motion: Motion, temperatures: Float[np.ndarray, " replicas"]
) -> list[Check]:
    """Elements, bonds, solute and solvent.

    Args:
        topology: of the system.
        motion: independent records in the canonical ensemble.
        temperatures: of the bath of each replica [K].
    """
    held = motion.mechanics.constraints is not None
    masses = np.asarray(motion.mechanics.masses)
    thermal = BOLTZMANN * temperatures[:, None]
    atoms = (masses[:, None] * motion.velocities**2).mean(axis=3) / thermal
    checks = []
    if held:
        why = "constraints are shared by atoms of several elements"
        checks.append(not_applicable(GROUP, ELEMENTS_NAME, why))
        checks.append(not_applicable(GROUP, BONDS_NAME, "constraints hold bonds and their angles"))
    else:
        checks.append(judge_equipartition(atoms, _elements(topology, masses)))
        checks.append(_bonds(topology, motion, thermal))
    roles = molecules_by_role(topology)
    if not roles:
        checks.append(not_applicable(GROUP, SOLVENT_NAME, "there is no solvent with a solute"))
        return checks
    whole = _whole_molecules(topology, motion, masses) / thermal
    heavy = np.bincount(topology.components, weights=masses) > 0
    found = {
        f"{name} molecules": share
        for name, share in _shares(whole, {n: m & heavy for n, m in roles.items()}, 3).items()
    }
    if not held:
        inside = {n: m[topology.components] & (masses > 0) for n, m in roles.items()}
        of_atoms = _shares(atoms, inside, 3)
        found |= {f"{name} atoms": share for name, share in of_atoms.items()}
    checks.append(_judged(SOLVENT_NAME, found))
    return checks


def judge_equipartition(
    reduced: Float[np.ndarray, "records replicas items"],
    groups: dict[str, Bool[np.ndarray, " items"]],
    *,
    name: str = ELEMENTS_NAME,
    freedom: int = 3,
) -> Check:
    """Kinetic temperatures of groups over that of the bath.

    Args:
        reduced: of each atom, molecule or bond, in independent records: m v² / (f k T) with f
            degrees of freedom.
        groups: which belong to each.
        name: of the check.
        freedom: f.
    """
    shares = _shares(reduced, groups, freedom)
    return _judged(name, shares)


def _shares(
    reduced: Float[np.ndarray, "records replicas items"],
    groups: dict[str, Bool[np.ndarray, " items"]],
    freedom: int,
) -> Shares:
    n_samples = reduced.shape[0] * reduced.shape[1]
    found = {}
    for name, items in groups.items():
        if not items.any():
            continue
        each = reduced[:, :, items].mean(axis=2)
        # One item has the variance 2/f; those that share an atom do not move independently
        error = np.sqrt(2 / freedom / (n_samples * items.sum()))
        if n_samples >= _ENOUGH and each.mean() > 0:
            # Relative: a group that is too hot must not hide behind its own scatter
            error = max(error, each.std(ddof=1) / (each.mean() * np.sqrt(n_samples)))
        found[name] = (float(each.mean()), float(error))
    return found


def _judged(name: str, shares: Shares) -> Check:
    if not shares:
        return not_applicable(GROUP, name, "there is nothing to compare")
    deviations = {group: (mean - 1) / error for group, (mean, error) in shares.items()}
    worst = max(deviations, key=lambda group: abs(deviations[group]))
    return judged(
        GROUP,
        name,
        abs(deviations[worst]),
        threshold=4.0,
        goal=2.0,
        unit="σ",
        source=_SOURCE,
        note="T/T₀ of "
        + ", ".join(f"{group} {mean:.4f} ± {error:.4f}" for group, (mean, error) in shares.items()),
    )


def _elements(
    topology: Topology, masses: Float[np.ndarray, " atoms"]
) -> dict[str, Bool[np.ndarray, " atoms"]]:
    solid = masses > 0
    return {
        _symbols(topology, np.array([number]))[0]: solid & (topology.atomic_numbers == number)
        for number in np.unique(topology.atomic_numbers[solid])
    }


def _symbols(topology: Topology, numbers: np.ndarray) -> list[str]:
    return list(element_symbols(numbers.astype(topology.atomic_numbers.dtype)))


def _bonds(topology: Topology, motion: Motion, thermal: Float[np.ndarray, "replicas 1"]) -> Check:
    """Relative motion along bonds, by the elements that they join."""
    masses = np.asarray(motion.mechanics.masses)
    bonds = topology.bonds[(masses[topology.bonds] > 0).all(axis=1)]
    if not len(bonds):
        return not_applicable(GROUP, BONDS_NAME, "there is no bond")
    i, j = bonds.T
    apart = motion.positions[:, :, j] - motion.positions[:, :, i]
    if motion.box is not None:
        apart = apart - np.rint(apart @ np.linalg.inv(motion.box)) @ motion.box
    along = ((motion.velocities[:, :, j] - motion.velocities[:, :, i]) * apart).sum(axis=3)
    speed = along / np.linalg.norm(apart, axis=3)
    mass = masses[i] * masses[j] / (masses[i] + masses[j])
    kinds = np.sort(topology.atomic_numbers[bonds], axis=1)[:, ::-1]
    groups = {
        "-".join(_symbols(topology, kind)): (kinds == kind).all(axis=1)
        for kind in np.unique(kinds, axis=0)
    }
    return judge_equipartition(mass * speed**2 / thermal, groups, name=BONDS_NAME, freedom=1)


def molecules_by_role(topology: Topology) -> dict[str, Bool[np.ndarray, " molecules"]]:
    """Which molecules are solvent and which solute; nothing where there is only one kind."""
    n_molecules = topology.n_components
    numbers, element = np.unique(topology.atomic_numbers, return_inverse=True)
    counts = np.zeros((n_molecules, len(numbers)), dtype=np.int64)
    np.add.at(counts, (topology.components, element), 1)
    _, kind = np.unique(counts, axis=0, return_inverse=True)
    sizes = np.bincount(kind.reshape(-1))
    solvent = kind.reshape(-1) == int(np.argmax(sizes))
    # Sites without mass that are bonded to nothing
    real = counts[:, numbers > 0].sum(axis=1) > 0
    solute = real & ~solvent
    if (solvent & real).sum() < _FEW or not solute.any():
        return {}
    return {"solute": solute, "solvent": solvent}


def _whole_molecules(
    topology: Topology, motion: Motion, masses: Float[np.ndarray, " atoms"]
) -> Float[np.ndarray, "records replicas molecules"]:
    """M V²/3 of each molecule [kJ/mol]."""
    from scipy.sparse import coo_array

    n_atoms, n_molecules = topology.n_atoms, topology.n_components
    where = (topology.components, np.arange(n_atoms))
    weights = coo_array((masses, where), shape=(n_molecules, n_atoms)).tocsr()
    shape = motion.velocities.shape
    flat = motion.velocities.transpose(2, 0, 1, 3).reshape(n_atoms, -1)
    momenta = (weights @ flat).reshape(n_molecules, shape[0], shape[1], 3)
    total = np.bincount(topology.components, weights=masses)
    inverse = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return ((momenta**2).mean(axis=3) * inverse[:, None, None]).transpose(1, 2, 0)
