"""Numbers of frames as text: `0-449,460`."""

from collections.abc import Sequence

from isthmus.errors import InputError

__all__ = ["as_ranges", "from_ranges"]


def as_ranges(frames: Sequence[int]) -> str:
    """Ascending frames as ranges, both ends included.

    >>> as_ranges([0, 1, 2, 7])
    '0-2,7'
    """
    runs: list[list[int]] = []
    for frame in sorted(frames):
        if runs and frame == runs[-1][1] + 1:
            runs[-1][1] = frame
        else:
            runs.append([frame, frame])
    return ",".join(f"{a}-{b}" if b > a else str(a) for a, b in runs)


def from_ranges(text: object, *, where: str) -> tuple[int, ...]:
    """Frames from ranges, or from a list of numbers; ascending.

    Args:
        text: such as `0-449,460`, or `[0, 1, 2]`.
        where: named in messages.

    Raises:
        InputError: something else, or a frame that stands there twice.
    """
    try:
        if isinstance(text, str):
            frames: list[int] = []
            for piece in text.split(","):
                first, _, last = piece.strip().partition("-")
                frames.extend(range(int(first), int(last or first) + 1))
        elif isinstance(text, list) and all(type(frame) is int for frame in text):
            frames = list(text)
        else:
            raise ValueError
    except ValueError:
        raise InputError(
            f"{where}: {text!r:.80} are no frames; wanted such as '0-449,460'"
        ) from None
    if not frames or min(frames) < 0 or len(set(frames)) < len(frames):
        raise InputError(
            f"{where}: {text!r:.80} names no frame, or one twice; name each once, counted from 0"
        )
    return tuple(sorted(frames))
