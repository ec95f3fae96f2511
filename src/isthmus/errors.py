"""The one family of exceptions that Isthmus raises for its users.

Every message says what came, what was wanted, and what to do. The command line turns any of
these into one clear line and a non-zero exit code; `assert` is kept for our own invariants.
"""

__all__ = [
    "DesignError",
    "EngineMissingError",
    "FormulaError",
    "InputError",
    "IsthmusError",
    "UnsupportedForceError",
]


class IsthmusError(Exception):
    """Base of every error that Isthmus raises on purpose."""


class InputError(IsthmusError):
    """A molecule, file, coordinate array or box that cannot be used as it is."""


class FormulaError(IsthmusError):
    """An energy formula that is wrong: unknown variable, wrong unit, broken symmetry."""


class DesignError(IsthmusError):
    """A design file that does not follow the schema."""


class UnsupportedForceError(IsthmusError):
    """A force of another engine that our formula language cannot say."""


class EngineMissingError(IsthmusError):
    """An optional engine or toolkit that is not installed."""
