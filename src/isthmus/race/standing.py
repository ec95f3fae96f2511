"""A race as far as it is, on disk after every change; and how one that was left is resumed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from isthmus.errors import InputError
from isthmus.race.plain import to_plain
from isthmus.race.record import Entrant, Race, TrainingData
from isthmus.race.results_file import RESULTS, read_race, write_race

__all__ = ["Scoreboard", "resumed"]


class Scoreboard:
    """Holds the race, and writes it whenever it changes."""

    def __init__(self, race: Race, folder: Path) -> None:
        """Write what is known before anybody starts."""
        self.race, self.folder = race, folder
        self._write()

    def change(self, name: str, **values: Any) -> Entrant:
        """Replace what is known of an entrant, and write the race."""
        entrants = tuple(
            replace(one, **values) if one.name == name else one for one in self.race.entrants
        )
        self.race = replace(self.race, entrants=entrants)
        self._write()
        return self.race.entrant(name)

    def over(self, name: str, stage: str, **values: Any) -> Entrant:
        """As `change`, and a stage is over."""
        done = self.race.entrant(name).done
        kept = done if stage in done else (*done, stage)
        return self.change(name, done=kept, **values)

    def noted(self, name: str, note: str) -> None:
        """Add a sentence for the reader, once."""
        notes = self.race.entrant(name).notes
        if note not in notes:
            self.change(name, notes=(*notes, note))

    def _write(self) -> None:
        write_race(self.race, self.folder / RESULTS)


def resumed(fresh: Race, folder: Path) -> Race:
    """A race that was begun in a folder, with whom it lacks of those that race now.

    Entrants that failed start again. Those of the race that was begun stay, asked for or not.

    Args:
        fresh: as it would begin now.
        folder: of the race; without results there, `fresh` is what comes out.

    Raises:
        InputError: other data, settings or entrants of the same name; says which.
    """
    path = folder / RESULTS
    if not path.is_file():
        return fresh
    found = read_race(path)
    for what, now, then in (
        ("the data to train on", _digest(fresh.training), _digest(found.training)),
        ("the validation data", _digest(fresh.validation), _digest(found.validation)),
        ("the test sets", [_named(t) for t in fresh.tests], [_named(t) for t in found.tests]),
    ):
        if now != then:
            raise _other(path, what, now, then)
    for name in sorted(fresh.settings.keys() | found.settings.keys()):
        now, then = fresh.settings.get(name), found.settings.get(name)
        if now != then:
            raise _other(path, f"the setting {name}", now, then)
    known = {one.name: one for one in found.entrants}
    for one in fresh.entrants:
        held = known.get(one.name)
        if held is not None and (held.kind, held.identity) != (one.kind, one.identity):
            raise _other(path, f"the entrant '{one.name}'", one.identity, held.identity)
        if held is None or held.state == "failed":
            known[one.name] = one
    notes = tuple(dict.fromkeys((*found.notes, *_elsewhere(fresh, found))))
    return replace(fresh, date=found.date, entrants=tuple(known.values()), notes=notes)


def _elsewhere(fresh: Race, found: Race) -> Iterator[str]:
    """What is said of results that come from another machine or other versions."""
    now, then = (to_plain(race.machine) | {"isthmus": race.isthmus} for race in (fresh, found))
    now, then = ({**told, **told.pop("versions")} for told in (now, then))
    differs = [name for name in now | then if now.get(name) != then.get(name)]
    kept = [one.name for one in found.entrants if one.done and one.state != "failed"]
    if differs and kept:
        told = "; ".join(f"{name}: {then.get(name)} then, {now.get(name)} now" for name in differs)
        yield (
            f"resumed on another machine or with other versions ({told}): of {', '.join(kept)}, "
            f"what was measured up to {fresh.date} is from there"
        )


def _digest(data: TrainingData | None) -> str | None:
    return None if data is None else data.sha256[:12]


def _named(test: TrainingData) -> str:
    return f"{test.name} {test.sha256[:12]}"


def _other(path: Path, what: str, now: object, then: object) -> InputError:
    return InputError(
        f"the race in {path} cannot be resumed, for {what} differs: {now} now, {then} then; give "
        "what it was begun with, another folder with --out, or start anew with --overwrite"
    )
