"""Who races, by the texts of the command line.

| text | kind |
|---|---|
| `class1`, `class2plus`, ..., `own.toml` | design: trained in the race |
| `model.safetensors` | model: as it is |
| see `isthmus.race.rivals.named` | rival |

`NAME=TEXT` gives any of them a name.
"""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from isthmus.designs.schema import design_names, find_design
from isthmus.errors import InputError
from isthmus.race.rivals.named import NAMES, is_factory

__all__ = ["DESIGNS", "Competitor", "competitors"]

DESIGNS: Final = ("class1", "class2", "class2plus")
"""Who races where nobody is named"""


@dataclass(frozen=True)
class Competitor:
    """One that was asked for.

    Attributes:
        name: unique in its race.
        kind: design, model or rival.
        target: the design, the file, or what a rival is.
        python: the interpreter of a rival with one of its own.
    """

    name: str
    kind: str
    target: str
    python: str | None = None

    @property
    def identity(self) -> str:
        """What must be the same for a race that is resumed: the text, and the content behind it."""
        if self.kind == "design":
            content = find_design(self.target).text.encode()
            return f"{self.target} sha256 {hashlib.sha256(content).hexdigest()}"
        place = self.target.partition(":")[2] if self.target.startswith("openmm:") else self.target
        if self.kind == "rival" and is_factory(self.target):
            place = self.target.rpartition(":")[0]
        path = Path(place)
        text = self.target if self.python is None else f"{self.target} ({self.python})"
        if not path.is_file():
            return text
        return f"{text} sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"


def competitors(
    texts: Sequence[str], rivals: Sequence[str] = (), *, pythons: Sequence[str] = ()
) -> tuple[Competitor, ...]:
    """All that were asked for, with names of their own.

    Args:
        texts: designs and files of models; without any, and without rivals, `DESIGNS`.
        rivals: see `isthmus.race.rivals.named`.
        pythons: interpreters of the rivals that are `module:factory`: one for all, or one each.

    Raises:
        InputError: an unknown name, a file that is not there, another number of interpreters.
        DesignError, FormulaError: a design is wrong.
    """
    found = [_entered(text) for text in texts]
    named = [_rival(text) for text in rivals]
    own = [one for one in named if is_factory(one.target)]
    if pythons and len(pythons) not in (1, len(own)):
        raise InputError(
            f"{len(pythons)} interpreters for {len(own)} rivals of the form module:factory came: "
            "give --rival-python once for all of them, or once for each, in their order"
        )
    given = dict(zip(own, list(pythons) * len(own), strict=False)) if pythons else {}
    found += [replace(one, python=given.get(one)) for one in named]
    if not found:
        found = [_entered(text) for text in DESIGNS]
    return tuple(_distinctly_named(found))


def _entered(text: str) -> Competitor:
    name, target = _divided(text)
    if target.endswith(".safetensors"):
        if not Path(target).is_file():
            raise InputError(f"there is no file '{target}'; check the path")
        return Competitor(name or Path(target).stem, "model", target)
    if target.lower() in NAMES or target == "mmff":
        shown = "mmff94" if target == "mmff" else target.lower()
        raise InputError(f"'{target}' is not trained here: add it with --rival {shown}")
    if not target.endswith(".toml") and target not in design_names():
        close = difflib.get_close_matches(target, design_names(), n=1)
        guess = f" (did you mean '{close[0]}'?)" if close else ""
        raise InputError(
            f"'{target}' is no design{guess}: give one of "
            f"{', '.join(n for n in design_names() if n != 'mmff')}, own.toml, or a saved model "
            "(.safetensors); other levels of theory race with --rival"
        )
    design = find_design(target)
    return Competitor(name or Path(design.name).name, "design", target)


def _rival(text: str) -> Competitor:
    name, target = _divided(text)
    return Competitor(name or target.strip(), "rival", target.strip())


def _divided(text: str) -> tuple[str, str]:
    """The name and the rest of NAME=TEXT; no name where there is none."""
    name, equals, rest = text.partition("=")
    return (name.strip(), rest.strip()) if equals else ("", text.strip())


def _distinctly_named(found: Sequence[Competitor]) -> list[Competitor]:
    taken: dict[str, int] = {}
    named = []
    for one in found:
        number = taken[one.name] = taken.get(one.name, 0) + 1
        named.append(one if number == 1 else replace(one, name=f"{one.name} ({number})"))
    return named
