"""What `isthmus md` says of its model: name, level of theory, whether it was trained at all."""

from isthmus.errors import InputError

__all__ = ["level_of_theory", "model_fact"]


def level_of_theory(model: str) -> str | None:
    """What a saved model says it was fitted to; None where nothing is said.

    Raises:
        InputError: the file cannot be read.
    """
    from isthmus.forcefield.file import read_saved

    if not model.endswith(".safetensors"):
        return None
    level = read_saved(model).provenance.get("level_of_theory")
    if level is not None and not isinstance(level, str):
        raise InputError(f"'{model}' states no level of theory as text: save the model anew")
    return level


def model_fact(model: str) -> str:
    """The model in a few words."""
    if not model.endswith(".safetensors"):
        return model
    return (
        f"{model}, fitted to {level_of_theory(model) or 'a level of theory that it does not state'}"
    )
