"""The rules of the house: who imports whom, what a module says of itself, how long it is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "isthmus"
MODULES = sorted(SOURCE.rglob("*.py"))

# Each line imports only from itself and from the lines above it.
LAYERS = (
    ("units", "types", "errors", "files", "words"),
    ("geometry",),
    ("chemistry",),
    ("data",),
    ("terms",),
    ("networks",),
    ("designs",),
    ("parameters",),
    ("forcefield",),
    ("train",),
    ("simulate",),
    ("evaluate",),
    ("deploy",),
    ("label",),
    ("race",),
    ("cli",),
    ("__main__",),
)
HEIGHT = {name: height for height, names in enumerate(LAYERS) for name in names}
LONGEST_FILE = 400


def label(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def layer_of(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imported_layers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and layer of every import of this package, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            # `from isthmus import units` names its layer after the import
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "isthmus" and rest != "__version__":
                yield node.lineno, rest.partition(".")[0]


def test_the_package_was_found() -> None:
    assert len(MODULES) > 5


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_belongs_to_a_layer(path: Path) -> None:
    assert layer_of(path) in (*HEIGHT, "__init__"), (
        f"{label(path)} stands in no layer: put it into one, or add the layer to LAYERS here "
        "and to ARCHITECTURE.md"
    )


@pytest.mark.parametrize(
    "path", [path for path in MODULES if layer_of(path) != "__init__"], ids=label
)
def test_imports_only_from_above(path: Path) -> None:
    tree = ast.parse(path.read_text())
    own = HEIGHT[layer_of(path)]
    wrong = [
        f"{label(path)}:{line} imports isthmus.{layer}"
        for line, layer in imported_layers(tree)
        if HEIGHT.get(layer, len(LAYERS)) > own
    ]
    assert not wrong, f"a folder imports only from those above it: {wrong}"


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_relative_imports_are_not_used(path: Path) -> None:
    nodes = ast.walk(ast.parse(path.read_text()))
    lines = [node.lineno for node in nodes if isinstance(node, ast.ImportFrom) and node.level > 0]
    assert not lines, f"{label(path)} has relative imports in lines {lines}: write isthmus.…"


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_states_its_surface(path: Path) -> None:
    nodes = ast.parse(path.read_text()).body
    targets = [node.targets for node in nodes if isinstance(node, ast.Assign)]
    targets += [[node.target] for node in nodes if isinstance(node, ast.AnnAssign)]
    names = {target.id for group in targets for target in group if isinstance(target, ast.Name)}
    only_a_docstring = len(nodes) <= 1
    assert only_a_docstring or "__all__" in names, f"{label(path)} has no __all__"


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_is_short_enough_to_read(path: Path) -> None:
    length = len(path.read_text().splitlines())
    assert length < LONGEST_FILE, f"{label(path)} has {length} lines: split it by concept"


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in MODULES}
    missing = [label(folder) for folder in folders if not (folder / "__init__.py").is_file()]
    assert not missing, f"no __init__.py in {sorted(missing)}"
