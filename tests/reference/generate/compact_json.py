"""JSON that is small and still readable in a diff: one line per array, nested objects indented."""

import json
from typing import Any

__all__ = ["dumps", "significant"]


def significant(value: Any, digits: int) -> Any:
    """The number, or the nested list of numbers, rounded to so many significant digits."""
    if isinstance(value, list):
        return [significant(each, digits) for each in value]
    return float(f"{value:.{digits - 1}e}")


def dumps(value: Any, indent: int = 0) -> str:
    """Objects and lists of objects over several lines, everything else on one."""
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        lines = [
            f"{pad}{json.dumps(key)}: {dumps(each, indent + 1)}" for key, each in value.items()
        ]
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    if isinstance(value, list) and value and isinstance(value[0], dict):
        lines = [pad + dumps(each, indent + 1) for each in value]
        return "[\n" + ",\n".join(lines) + "\n" + " " * indent + "]"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
