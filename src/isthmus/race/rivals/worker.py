"""A calculator of ASE in a process of its own; needs nothing but Python 3.8, numpy and ASE.

`python worker.py module:factory`, or `python worker.py path/file.py:factory`. It reads requests
from stdin and answers on the old stdout; what a calculator prints goes nowhere. A message is the
length of its header (4 bytes, most significant first), the header (JSON in UTF-8), and the arrays
that the header names under "arrays", one after the other, in little-endian float64. When stdin
ends, the process ends.

| request | arrays | answer |
|---|---|---|
| `evaluate`, numbers, charge | positions (frames, atoms, 3) [Å] | energies [eV], forces [eV/Å] |
| `time`, numbers, charge, calls | positions (frames, atoms, 3) [Å] | seconds, of so many calls |

The charge and the multiplicity stand in `atoms.info` ("charge", "spin"), and the charge, spread
over all atoms, in their initial charges. Each call of `time` has other positions. An answer with
`error` says what went wrong.
"""

import importlib
import importlib.util
import json
import os
import struct
import sys
import time
from typing import Any

import numpy as np

__all__ = ["main", "receive", "send"]


def send(stream, header, arrays=None):
    """Write one message."""
    arrays = {name: np.ascontiguousarray(a, dtype="<f8") for name, a in (arrays or {}).items()}
    header = dict(header, arrays=[[name, list(a.shape)] for name, a in arrays.items()])
    text = json.dumps(header).encode("utf-8")
    stream.write(struct.pack(">I", len(text)) + text)
    for array in arrays.values():
        stream.write(array.tobytes())
    stream.flush()


def receive(read):
    """One message, by a function that gives so many bytes; None at the end."""
    size = read(4)
    if len(size) < 4:
        return None
    header = json.loads(read(struct.unpack(">I", size)[0]).decode("utf-8"))
    arrays = {}
    for name, shape in header.pop("arrays"):
        raw = read(8 * int(np.prod(shape)))
        arrays[name] = np.frombuffer(raw, dtype="<f8").reshape(shape)
    return header, arrays


def main(arguments):
    """Work until stdin ends."""
    answers = _only_channel()
    # The folder of the caller, not that of this file, is where modules are looked for
    sys.path[0] = os.getcwd()
    try:
        calculator = _factory(arguments[0])()
    except Exception as error:
        send(answers, {"error": "it cannot be made: " + _said(error)})
        raise
    send(answers, {"ready": True, "versions": _versions(calculator)})
    work = _Work(calculator)
    while True:
        message = receive(sys.stdin.buffer.read)
        if message is None:
            return
        try:
            send(answers, *work.do(*message))
        except Exception as error:  # noqa: BLE001 - whatever a calculator raises is the answer
            send(answers, {"error": _said(error)})


class _Work:
    def __init__(self, calculator):
        self.calculator = calculator
        self.kind: Any = None
        self.atoms: Any = None

    def do(self, header, arrays):
        """The answer to one request."""
        positions = arrays["positions"]
        atoms = self._of(header["numbers"], header["charge"], positions[0])
        if header["do"] == "time":
            return ({"seconds": _timed(atoms, positions, header["calls"])},)
        energies, forces = [], []
        for frame in positions:
            atoms.set_positions(frame)
            energy, force = _computed(atoms)
            energies.append(float(energy))
            forces.append(np.array(force, dtype=float))
        return {}, {"energies": np.array(energies), "forces": np.array(forces)}

    def _of(self, numbers, charge, positions):
        from ase import Atoms

        if self.kind != (numbers, charge):
            self.kind = (numbers, charge)
            # As few electrons unpaired as their number allows
            spin = 1 + (sum(numbers) - charge) % 2
            self.atoms = Atoms(numbers, positions, info={"charge": charge, "spin": spin})
            # Many calculators read the charge of the molecule from those of its atoms
            self.atoms.set_initial_charges(np.full(len(numbers), charge / len(numbers)))
            self.atoms.calc = self.calculator
        return self.atoms


def _computed(atoms):
    """Energy and forces; one computation, for the energy comes with the forces or is kept."""
    forces = atoms.get_forces()
    return atoms.get_potential_energy(), forces


def _timed(atoms, positions, calls):
    """Seconds of calls of energy and forces, along a walk of steps as short as those of MD."""
    random = np.random.RandomState(0)
    steps = 1e-3 * random.standard_normal((calls, *positions.shape[1:]))
    frames = positions[np.arange(calls) % len(positions)] + steps
    begin = time.perf_counter()
    for frame in frames:
        atoms.set_positions(frame)
        _computed(atoms)
    return time.perf_counter() - begin


def _factory(text):
    place, _, name = text.rpartition(":")
    if place.endswith(".py"):
        spec: Any = importlib.util.spec_from_file_location("rival", place)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    return getattr(module, name)


def _versions(calculator):
    found = {"python": sys.version.split()[0]}
    for name in ("ase", type(calculator).__module__.partition(".")[0]):
        version = getattr(sys.modules.get(name), "__version__", None)
        if version is not None:
            found[name] = str(version)
    return found


def _said(error):
    first = next(iter(str(error).splitlines()), "")
    return (type(error).__name__ + ": " + first)[:500]


def _only_channel():
    """The old stdout; the new one, of C and Fortran too, leads nowhere."""
    sys.stdout.flush()
    channel = os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return channel


if __name__ == "__main__":
    main(sys.argv[1:])
