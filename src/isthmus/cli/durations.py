"""Times on the command line, such as 90s, 20m or 3h."""

from isthmus.errors import InputError

__all__ = ["seconds_of"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str, *, option: str = "--time") -> float:
    """A time such as 90s, 20m or 3h [s]; a bare number is in seconds.

    Raises:
        InputError: another text, or a time that is not positive.
    """
    number, unit = (text[:-1], text[-1]) if text[-1:] in _UNITS else (text, "s")
    try:
        seconds = float(number) * _UNITS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise InputError(f"{option} {text}: wanted is a time such as 90s, 20m or 3h")
    return seconds
