"""The examples in docstrings say what really happens."""

import doctest
import importlib
from pathlib import Path

import pytest

import isthmus

SOURCE = Path(isthmus.__file__).parent
WITH_EXAMPLES = sorted(path for path in SOURCE.rglob("*.py") if ">>> " in path.read_text())


@pytest.mark.parametrize(
    "path", WITH_EXAMPLES, ids=lambda path: path.relative_to(SOURCE).as_posix()
)
def test_docstring_examples(path: Path) -> None:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    module = importlib.import_module(".".join(("isthmus", *parts)).removesuffix(".__init__"))
    assert doctest.testmod(module).failed == 0
