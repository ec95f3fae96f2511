"""Training data and settings that say nothing are refused before a run begins."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from data_springs import springs  # pyright: ignore[reportMissingImports]
from data_training import (  # pyright: ignore[reportMissingImports]
    NETWORK,
    SPRING,
    SPRINGS,
    short,
    start,
)

from isthmus.data.entry import Entry
from isthmus.designs.schema import parse_design
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.train import TrainSettings, train

TRAINING = [springs(smiles, 12, seed=k) for k, smiles in enumerate(("CO", "CC", "O", "CCO"))]


def refused(settings: TrainSettings, training: list[Entry] = TRAINING) -> None:
    train(start(), training, settings=settings)


def electric(entry: Entry) -> Entry:
    """With charges and dipoles of 0."""
    n_frames, n_atoms = entry.positions.shape[:2]
    return replace(entry, charges=np.zeros((n_frames, n_atoms)), dipoles=np.zeros((n_frames, 3)))


@pytest.mark.parametrize("name", ["charge", "dipole"])
def test_weights_that_nothing_answers_are_refused(name: str) -> None:
    settings = short(**{f"{name}_weight": 1.0})
    with pytest.raises(InputError, match=rf"--{name}-weight\): no training molecule has {name}s"):
        refused(settings)
    bare = parse_design(SPRINGS.split('[[term]]\nname = "coulomb"')[0])
    labelled = [electric(entry) for entry in TRAINING]
    with pytest.raises(InputError, match="design 'springs' has no charges to be trained"):
        train(ForceField.graph(bare, settings=NETWORK), labelled, settings=settings)


def test_dipoles_of_ions_answer_no_weight() -> None:
    with pytest.raises(InputError, match="no training molecule has dipoles that count"):
        refused(short(dipole_weight=1.0), [electric(springs("C[NH3+]", 4))])


def test_what_cannot_be_trained() -> None:
    entry = TRAINING[0]
    empty = Entry.create(
        "empty", entry.topology, positions=entry.positions, energies=np.full(12, np.nan)
    )
    alone = Entry.create(
        "alone", entry.topology, positions=entry.positions[:1], energies=entry.energies[:1]
    )
    for training, message in (
        ([], "nothing to train on"),
        ([empty], "nothing can be learnt"),
        ([alone], "nothing can be learnt"),
    ):
        with pytest.raises(InputError, match=message):
            refused(short(), training)
    with pytest.raises(InputError, match=r"start from ForceField\.graph"):
        train(ForceField.free(SPRING, entry.topology), TRAINING)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimiser": "sgd"}, "choose one of muon, adam"),
        ({"energy_zero": "mean"}, "choose one of molecule, elements"),
        ({"epochs": 0}, "epochs = 0: 1 or more"),
        ({"seconds": 0.0}, "seconds = 0.0: a positive number"),
        ({"learning_rate": float("nan")}, "learning_rate = nan: a positive number"),
        ({"energy_weight": -1.0}, "energy_weight = -1.0: 0 or more"),
        ({"warmup": 1.0}, "warmup = 1.0: from 0 up to 1"),
        ({"force_weight": 0.0, "energy_weight": 0.0}, "nothing would be fitted"),
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainSettings(**changes)
