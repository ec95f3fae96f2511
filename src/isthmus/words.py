"""Words for people: a number of things."""

__all__ = ["counted"]


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun: `1 molecule`, `2 molecules`.

    Args:
        number: of the things.
        one: the noun in the singular.
        many: in the plural, where that is not `one` with an s.
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
