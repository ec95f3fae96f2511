"""What a check or a reader has to say about data: a name, how bad it is, and a sentence."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from isthmus.errors import InputError

__all__ = ["Finding", "Severity", "raise_errors"]

_SHOWN = 3


class Severity(Enum):
    """How bad a finding is: an error makes the data unfit for training."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or looks wrong.

    Attributes:
        name: of the check, for example `energies-zero`.
        severity: error or warning.
        text: what came, what was wanted, what to do.
        molecule: the name of the molecule it is about; None for the whole dataset.
        frames: the frames of that molecule it is about, counted from 0; empty for all.
    """

    name: str
    severity: Severity
    text: str
    molecule: str | None = None
    frames: tuple[int, ...] = ()

    def __str__(self) -> str:
        where = "" if self.molecule is None else f"molecule '{self.molecule}': "
        return f"{self.name}: {where}{self.text}"


def raise_errors(findings: Iterable[Finding], *, source: str) -> None:
    """Nothing, if no finding is an error.

    Args:
        findings: of any severity.
        source: of the data, for the message.

    Raises:
        InputError: names the first errors and says how many there are.
    """
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if not errors:
        return
    shown = "; ".join(str(error) for error in errors[:_SHOWN])
    rest = len(errors) - _SHOWN
    more = f"; and {rest} more (`isthmus data info` lists them)" if rest > 0 else ""
    raise InputError(f"{source}: {shown}{more}")
