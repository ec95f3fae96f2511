"""Run SchNetPack's SchNet with small random weights on a molecule, and store weights and results.

Needs an interpreter with `torch`, `schnetpack` and `numpy`, all from PyPI:

    python schnetpack_schnet.py FRAMES.xyz OUTPUT.json

FRAMES is extended XYZ of which the first frame is taken. Weights are stored as SchNetPack names
them. Energies and features come from float64.
"""

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from compact_json import dumps, significant
from schnetpack_painn import NUMBERS, packages, read

CUTOFF = 5.0
SIZES = {"channels": 8, "layers": 3, "radial": 20}
SEED = 6


def model(torch: Any, schnetpack: Any) -> tuple[Any, Any]:
    """The network and its readout, with rounded weights, in float64."""
    torch.manual_seed(SEED)
    network = schnetpack.representation.SchNet(
        n_atom_basis=SIZES["channels"],
        n_interactions=SIZES["layers"],
        radial_basis=schnetpack.nn.GaussianRBF(SIZES["radial"], CUTOFF),
        cutoff_fn=schnetpack.nn.CosineCutoff(CUTOFF),
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
    return {
        "weights": {
            name: significant(weight.tolist(), 5)
            for name, weight in weights.items()
            if not name.startswith(("radial_basis", "cutoff"))
        },
        "elements": elements,
        "positions": positions.tolist(),
        "energy": result["energy"].sum().item(),
        "forces": significant((-gradient).tolist(), 10),
    }


def main(frames: Path, output: Path) -> None:
    """Run it and write the file."""
    document = {
        "provenance": {
            "engine": f"SchNetPack {importlib.metadata.version('schnetpack')}, torch "
            f"{importlib.metadata.version('torch')}, SchNet and Atomwise, float64",
            "script": "tests/reference/generate/schnetpack_schnet.py",
            "weights": f"random, torch seed {SEED}, rounded to 5 digits before the run",
            "units": "Å; energies without unit",
            "radial": "Gaussian basis from 0 to the cutoff, cosine cutoff",
        },
        "sizes": {**SIZES, "cutoff": CUTOFF},
        **run(*read(frames)),
    }
    output.write_text(dumps(document) + "\n")
    print(json.dumps({"file": str(output), "kB": output.stat().st_size // 1000}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
