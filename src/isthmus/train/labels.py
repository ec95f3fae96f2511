"""Whether data have labels that a loss can use."""

from collections.abc import Sequence

from isthmus.designs.design import Design
from isthmus.errors import InputError
from isthmus.parameters.graph.source import is_charge
from isthmus.train.batch import Prepared
from isthmus.train.settings import TrainSettings

__all__ = ["refuse_unlabelled", "refuse_weights_without_labels"]


def refuse_unlabelled(molecules: Sequence[Prepared], settings: TrainSettings) -> None:
    """Refuse data that say nothing to the loss.

    Raises:
        InputError: no molecules, or none with a label that has a weight.
    """
    if not molecules:
        raise InputError("there is nothing to train on: give at least one molecule")
    enough = 2 if settings.energy_zero == "molecule" else 1
    for molecule in molecules:
        own = molecule.frames
        if settings.force_weight and own.has_forces.any():
            return
        if settings.energy_weight and own.has_energy.sum() >= enough:
            return
    raise InputError(
        "no molecule has forces, or energies of two frames, that have a weight: nothing can be "
        "learnt from these data; look at them with `isthmus data info`"
    )


def refuse_weights_without_labels(
    design: Design, molecules: Sequence[Prepared], settings: TrainSettings
) -> None:
    """Refuse weights of charges and dipoles that no label or no parameter answers to.

    Raises:
        InputError: names the weight, and says what is missing.
    """
    trained = any(
        parameter.per == "atom" and parameter.scale and is_charge(parameter)
        for _, parameter in design.own_parameters()
    )
    cases = (
        ("charge", settings.charge_weight, lambda m: m.frames.has_charges.any(), ""),
        (
            "dipole",
            settings.dipole_weight,
            lambda m: m.frames.has_dipole.any(),
            " that count (those of ions, which depend on the origin, do not)",
        ),
    )
    for name, weight, labelled, more in cases:
        if not weight:
            continue
        given = f"{name}_weight = {weight:g} (--{name}-weight)"
        if not trained:
            raise InputError(
                f"{given}: the design '{design.name}' has no charges to be trained; leave the "
                "weight out, or take a design with charges, such as class1"
            )
        if not any(map(labelled, molecules)):
            raise InputError(
                f"{given}: no training molecule has {name}s{more}; leave the weight out, or add "
                "such labels (`isthmus data info` lists what there is)"
            )
