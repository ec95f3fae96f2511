"""Run SchNetPack's PaiNN with small random weights on a molecule, and store weights and results.

Needs an interpreter with `torch`, `schnetpack` and `numpy`, all from PyPI:

    python schnetpack_painn.py FRAMES.xyz OUTPUT.json

FRAMES is extended XYZ of which the first frame is taken. Weights are stored as SchNetPack names
them. Energies and features come from float64.
"""

import importlib
import importlib.metadata
import json
import sys
import typing
from pathlib import Path
from typing import Any

import numpy as np
from compact_json import dumps, significant

__all__ = ["run"]

NUMBERS = {"H": 1, "C": 6, "N": 7, "O": 8}
CUTOFF = 5.0
SIZES = {"channels": 8, "layers": 3, "radial": 20}
SEED = 5


def packages() -> tuple[Any, Any]:
    """torch and SchNetPack; SchNetPack 2.0.4 imports a name for types that newer torch lacks."""
    torch = importlib.import_module("torch")
    loader = importlib.import_module("torch.utils.data.dataloader")
    if not hasattr(loader, "T_co"):
        setattr(loader, "T_co", typing.Any)  # noqa: B010
    return torch, importlib.import_module("schnetpack")


def read(path: Path) -> tuple[list[str], np.ndarray]:
    """Elements and positions [Å] of the first frame."""
    lines = path.read_text().splitlines()
    rows = [line.split() for line in lines[2 : 2 + int(lines[0])]]
    return [row[0] for row in rows], np.array([[float(x) for x in row[1:4]] for row in rows])


def model(torch: Any, schnetpack: Any) -> tuple[Any, Any]:
    """The network and its readout, with rounded weights, in float64."""
    torch.manual_seed(SEED)
    nn = schnetpack.nn
    network = schnetpack.representation.PaiNN(
        n_atom_basis=SIZES["channels"],
        n_interactions=SIZES["layers"],
        radial_basis=nn.GaussianRBF(SIZES["radial"], CUTOFF),
        cutoff_fn=nn.CosineCutoff(CUTOFF),
        max_z=10,
    ).double()
    readout = schnetpack.atomistic.Atomwise(n_in=SIZES["channels"], output_key="energy").double()
    with torch.no_grad():
        for part in (network, readout):
            for weight in part.parameters():
                if weight.ndim == 1:
                    weight.normal_(std=0.1)
                weight.copy_(torch.tensor(significant(weight.tolist(), 5), dtype=weight.dtype))
    return network, readout


def run(elements: list[str], positions: np.ndarray) -> dict[str, Any]:
    """Weights, features, energies and forces."""
    torch, schnetpack = packages()
    network, readout = model(torch, schnetpack)
    x = torch.tensor(positions, dtype=torch.float64, requires_grad=True)
    far = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    first, second = np.nonzero((far < CUTOFF) & ~np.eye(len(positions), dtype=bool))
    first, second = torch.tensor(first), torch.tensor(second)
    inputs = {
        "_atomic_numbers": torch.tensor([NUMBERS[element] for element in elements]),
        "_idx_i": first,
        "_idx_j": second,
        "_idx_m": torch.zeros(len(elements), dtype=torch.long),
        "_Rij": x[second] - x[first],
    }
    result = readout(network(inputs))
    (gradient,) = torch.autograd.grad(result["energy"].sum(), x)
    weights = {**network.state_dict(), **readout.state_dict()}
    floats = {
        name: significant(weight.tolist(), 5)
        for name, weight in weights.items()
        if not name.startswith(("radial_basis", "cutoff", "cutoff_fn"))
    }
    return {
        "weights": floats,
        "elements": elements,
        "positions": positions.tolist(),
        "energy": result["energy"].sum().item(),
        "forces": (-gradient).tolist(),
        "scalars": result["scalar_representation"].tolist(),
        "vectors": result["vector_representation"].tolist(),
    }


def main(frames: Path, output: Path) -> None:
    """Run it and write the file."""
    found = run(*read(frames))
    for name in ("forces", "scalars", "vectors"):
        found[name] = significant(found[name], 10)
    document = {
        "provenance": {
            "engine": f"SchNetPack {importlib.metadata.version('schnetpack')}, torch "
            f"{importlib.metadata.version('torch')}, PaiNN and Atomwise, float64",
            "script": "tests/reference/generate/schnetpack_painn.py",
            "weights": f"random, torch seed {SEED}, rounded to 5 digits before the run",
            "units": "Å; energies without unit",
            "radial": "Gaussian basis from 0 to the cutoff, cosine cutoff",
            "order": "components of a vector come before channels",
        },
        "sizes": {**SIZES, "cutoff": CUTOFF},
        **found,
    }
    output.write_text(dumps(document) + "\n")
    print(json.dumps({"file": str(output), "kB": output.stat().st_size // 1000}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
