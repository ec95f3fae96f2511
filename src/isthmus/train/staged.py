"""Hybrids in stages: formulas first, then networks for what the formulas leave over.

Formulas with numbers of their own (`isthmus.train.bespoke`) are fitted alone, by least squares,
which takes a minute; networks then learn the difference between the labels and the formulas, as if
it were all there is to learn.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from isthmus.data.entry import Entry
from isthmus.designs.design import Design
from isthmus.forcefield.forcefield import ForceField
from isthmus.networks.trained import TrainedNetwork
from isthmus.parameters.source import NoParameters
from isthmus.train.loop import train
from isthmus.train.result import Progress, TrainResult
from isthmus.train.run_files import RunFiles
from isthmus.train.settings import TrainSettings

__all__ = ["elements_of", "left_over", "train_networks"]


def train_networks(
    design: Design,
    formulas: ForceField,
    training: Iterable[Entry],
    *,
    validation: Iterable[Entry] = (),
    settings: TrainSettings,
    files: RunFiles | None = None,
    resume: bool = False,
    run: Mapping[str, Any] | None = None,
    watch: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> TrainResult:
    """The networks of a hybrid, on top of formulas that stay as they are.

    Args:
        design: the whole.
        formulas: `design.formulas` with its numbers.
        training, validation, settings, files, resume, run, watch, stop: as `train`.

    Returns:
        What `train` gives, with the whole force field.

    Raises:
        InputError: as `train`.
        DesignError: the design is wrong.
    """
    entries, deciding = tuple(training), tuple(validation)
    elements = elements_of((*entries, *deciding))
    networks = tuple(
        TrainedNetwork.create(term, elements, seed=settings.seed) for term in design.networks
    )
    result = train(
        ForceField(design.only_networks, NoParameters(), networks),
        left_over(formulas, entries),
        validation=left_over(formulas, deciding),
        settings=settings,
        files=files,
        resume=resume,
        run={**(run or {}), "formulas": _digest(formulas)},
        watch=watch,
        stop=stop,
    )
    whole = ForceField(design, formulas.source, result.force_field.networks)
    return replace(result, force_field=whole)


def _digest(force_field: ForceField) -> str:
    """Of all its numbers: networks that learned what these formulas leave fit no others."""
    sha = hashlib.sha256()
    for leaf in jax.tree.leaves(force_field.source):
        sha.update(np.asarray(leaf).tobytes())
    return sha.hexdigest()


def elements_of(entries: Iterable[Entry]) -> tuple[int, ...]:
    """Atomic numbers of all atoms, ascending."""
    return tuple(sorted({int(z) for entry in entries for z in entry.topology.atomic_numbers}))


def left_over(force_field: ForceField, entries: Iterable[Entry]) -> list[Entry]:
    """The same frames with what a force field leaves of their energies and forces as labels.

    Charges and dipoles, which networks do not give, are left out.

    Raises:
        InputError: the force field has no numbers for a molecule.
    """
    found = []
    for entry in entries:
        potential = force_field.bind(entry.topology, precision="float64")
        own = potential.energy_and_forces(entry.positions)
        forces = None if entry.forces is None else entry.forces - np.asarray(own.forces)
        energies = entry.energies - np.asarray(own.energy)
        found.append(replace(entry, energies=energies, forces=forces, charges=None, dipoles=None))
    return found
