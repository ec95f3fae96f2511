"""What `isthmus md` says of its model: name, level of theory, whether it was trained at all."""

from isthmus.chemistry.smiles import from_smiles
from isthmus.errors import InputError
from isthmus.forcefield.file import read_saved

__all__ = ["level_of_theory", "model_fact", "refuse_unknown_model"]


def level_of_theory(model: str) -> str | None:
    """What a saved model says it was fitted to; None where nothing is said.

    Raises:
        InputError: the file cannot be read.
    """
    if not model.endswith(".safetensors"):
        return None
    level = read_saved(model).provenance.get("level_of_theory")
    if level is not None and not isinstance(level, str):
        raise InputError(f"'{model}' states no level of theory as text: save the model anew")
    return level


def refuse_unknown_model(model: str) -> None:
    """Refuse a model before anything is read that it is to be applied to.

    Args:
        model: as of the command line.

    Raises:
        InputError: an unknown name, or a file that is missing or cannot be read.
        DesignError, FormulaError: the design is wrong.
    """
    from isthmus.deploy.md.templates import names_files
    from isthmus.deploy.spec import resolve_force_field
    from isthmus.designs.schema import design_names, find_design

    if model.endswith(".safetensors"):
        read_saved(model)
    elif model.endswith(".toml") or (model in design_names() and model != "mmff"):
        find_design(model)
    elif not (names_files(model) or model.endswith(".xml")):
        # Names need no molecule to be known; any serves
        resolve_force_field(model, from_smiles("C"))


def model_fact(model: str) -> str:
    """The model in a few words."""
    if not model.endswith(".safetensors"):
        return model
    return (
        f"{model}, fitted to {level_of_theory(model) or 'a level of theory that it does not state'}"
    )
