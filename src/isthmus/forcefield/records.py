"""Records as plain data: the objects that a force field is made of, written as JSON and arrays.

| object | written as |
|---|---|
| number, text, truth value, None | itself |
| tuple | list |
| mapping | `{"map": {...}}` |
| array | `{"tensor": name}`, the numbers apart |
| record | `{"record": class, "fields": {...}}` |

Only the classes of `RECORDS` can be written or read. A name in a file is looked up in that table
and nowhere else, so reading cannot run anything but the constructors of plain records.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

import jax
import numpy as np

from isthmus.designs.design import Design
from isthmus.errors import InputError
from isthmus.parameters.graph.heads import ClusterHead
from isthmus.parameters.graph.layers import MLP, Dense, LayerNorm
from isthmus.parameters.graph.network import GraphNetwork, MessageLayer
from isthmus.parameters.graph.source import GraphSettings, GraphSource
from isthmus.parameters.mmff_source import MMFFSource
from isthmus.parameters.origin import Origin
from isthmus.parameters.parameterization import Constraints, Parameterization
from isthmus.parameters.source import FreeSource, NoParameters, TableSource
from isthmus.terms.bound import BoundCoordinate, BoundTerm
from isthmus.terms.cmap import Cmap
from isthmus.terms.dispersion import DispersionCorrection
from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.gbsa import ImplicitSolvent
from isthmus.terms.nonbonded import PairGroup, PairTerm
from isthmus.terms.nonbonded_method import NonbondedMethod
from isthmus.terms.parameter import Parameter, Reference
from isthmus.terms.virtual_sites import (
    LinearSites,
    LocalFrameSites,
    OutOfPlaneSites,
    VirtualSites,
)

__all__ = ["RECORDS", "decode", "encode"]

RECORDS: Final[Mapping[str, type]] = {
    record.__name__: record
    for record in (
        BoundCoordinate,
        BoundTerm,
        ClusterHead,
        Cmap,
        Constraints,
        Coordinate,
        Dense,
        Design,
        DispersionCorrection,
        FormulaTerm,
        FreeSource,
        GraphNetwork,
        GraphSettings,
        GraphSource,
        ImplicitSolvent,
        LayerNorm,
        LinearSites,
        LocalFrameSites,
        MLP,
        MMFFSource,
        MessageLayer,
        NoParameters,
        NonbondedMethod,
        Origin,
        OutOfPlaneSites,
        PairGroup,
        PairTerm,
        Parameter,
        Parameterization,
        Reference,
        TableSource,
        VirtualSites,
    )
}
"""Every class that a file may hold, by name"""

Tensors = dict[str, np.ndarray]


def encode(value: Any, tensors: Tensors, *, name: str) -> Any:
    """Plain data that stand for a value; its arrays are added to `tensors` under `name`.

    Raises:
        InputError: an object that is in no table.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.ndarray, jax.Array)):
        tensors[name] = np.array(value, order="C")
        return {"tensor": name}
    if isinstance(value, (tuple, list)):
        return [encode(v, tensors, name=f"{name}.{n}") for n, v in enumerate(value)]
    if isinstance(value, Mapping):
        return {"map": {k: encode(v, tensors, name=f"{name}.{k}") for k, v in value.items()}}
    if RECORDS.get(type(value).__name__) is type(value):
        fields = {
            field.name: encode(getattr(value, field.name), tensors, name=f"{name}.{field.name}")
            for field in dataclasses.fields(value)
        }
        return {"record": type(value).__name__, "fields": fields}
    raise InputError(
        f"a {type(value).__name__} cannot be saved; known are {', '.join(RECORDS)}: a new kind of "
        "record is added to the table in isthmus.forcefield.records"
    )


def decode(data: Any, tensors: Mapping[str, np.ndarray]) -> Any:
    """The value that plain data stand for.

    Raises:
        InputError: data that `encode` does not write.
    """
    if data is None or isinstance(data, (bool, int, float, str)):
        return data
    if isinstance(data, list):
        return tuple(decode(entry, tensors) for entry in data)
    if isinstance(data, dict) and data.keys() == {"tensor"} and data["tensor"] in tensors:
        return tensors[data["tensor"]]
    if isinstance(data, dict) and data.keys() == {"map"} and isinstance(data["map"], dict):
        return {key: decode(entry, tensors) for key, entry in data["map"].items()}
    if isinstance(data, dict) and data.keys() == {"record", "fields"}:
        return _record(data["record"], data["fields"], tensors)
    raise InputError(f"unknown entry {str(data)[:60]!r}")


def _record(name: Any, fields: Any, tensors: Mapping[str, np.ndarray]) -> Any:
    record = RECORDS.get(name) if isinstance(name, str) else None
    if record is None:
        raise InputError(f"unknown record {str(name)[:60]!r}; known are {', '.join(RECORDS)}")
    known = dataclasses.fields(record)
    wanted = {field.name for field in known}
    # Fields that came later have defaults, which older files stand for
    needed = {field.name for field in known if field.default is dataclasses.MISSING}
    if not isinstance(fields, dict) or not needed <= fields.keys() <= wanted:
        raise InputError(f"record {name} needs exactly the fields {', '.join(sorted(wanted))}")
    return record(**{key: decode(entry, tensors) for key, entry in fields.items()})
