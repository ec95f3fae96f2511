"""`results.json` of a race: read with a check of every entry, written whole or not at all."""

import json
from pathlib import Path
from typing import Final

from isthmus.errors import InputError
from isthmus.files import replacing
from isthmus.race.plain import from_plain
from isthmus.race.record import FORMAT, VERSION, Race

__all__ = ["RESULTS", "read_race", "write_race"]

RESULTS: Final = "results.json"


def read_race(path: Path) -> Race:
    """A race from its `results.json`, or from the folder that holds it.

    Raises:
        InputError: no such file, another format, a newer version, entries that are missing or of
            the wrong kind.
    """
    file = path / RESULTS if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"there is no file '{file}': wanted is the folder of a race") from None
    except (OSError, ValueError) as error:
        raise InputError(f"'{file}' cannot be read as JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"'{file}' is not the result of a race: its format is not '{FORMAT}'")
    if content.get("format_version") != VERSION:
        raise InputError(
            f"'{file}' is of version {content.get('format_version')}, this Isthmus reads version "
            f"{VERSION}: use the Isthmus that wrote it, or race again"
        )
    race = from_plain(Race, content, where=str(file))
    if not race.tests:
        raise InputError(f"'{file}' has no test sets: wanted is at least one")
    return race


def write_race(race: Race, path: Path) -> None:
    """Write `results.json`, whole or not at all; replaces what stands there.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    text = json.dumps(race.as_json(), indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path, overwrite=True) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
