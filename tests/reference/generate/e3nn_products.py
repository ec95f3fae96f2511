"""Store spherical harmonics, couplings and a tensor product of e3nn.

Needs an interpreter with `torch`, `e3nn` and `numpy`, all from PyPI:

    python e3nn_products.py OUTPUT.json
"""

import importlib
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

from compact_json import dumps

__all__ = ["run"]

L_MAX = 3
CHANNELS = 2
SEED = 5


def run() -> dict[str, Any]:
    """Harmonics at random directions, all couplings of even order, and messages of one edge each.

    The product couples features 0e + 1o with the harmonics by every path of `instructions`, with
    a weight for each path and channel, and nothing normalised.
    """
    torch = importlib.import_module("torch")
    o3 = importlib.import_module("e3nn.o3")
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(SEED)
    directions = torch.nn.functional.normalize(torch.randn(6, 3), dim=-1)
    irreps = o3.Irreps.spherical_harmonics(L_MAX)
    harmonics = o3.spherical_harmonics(irreps, directions, True, normalization="component")

    couplings = []
    for l1 in range(L_MAX + 1):
        for l2 in range(L_MAX + 1):
            for l in range(abs(l1 - l2), min(L_MAX, l1 + l2) + 1):
                if (l1 + l2 + l) % 2 == 0:
                    values = o3.wigner_3j(l1, l2, l).tolist()
                    couplings.append({"orders": [l1, l2, l], "values": values})

    features = o3.Irreps(f"{CHANNELS}x0e + {CHANNELS}x1o")
    known = [each["orders"] for each in couplings if each["orders"][0] <= 1]
    known.sort(key=lambda orders: (orders[2], orders[0], orders[1]))
    made = o3.Irreps([(CHANNELS, (l, (-1) ** l)) for _, _, l in known])
    product = o3.TensorProduct(
        features,
        irreps,
        made,
        [(l1, l2, n, "uvu", True) for n, (l1, l2, _) in enumerate(known)],
        irrep_normalization="none",
        path_normalization="none",
        internal_weights=False,
        shared_weights=False,
    )
    given = torch.randn(len(directions), features.dim)
    weights = torch.randn(len(directions), product.weight_numel)
    result = product(given, harmonics, weights)
    return {
        "directions": directions.tolist(),
        "harmonics": harmonics.tolist(),
        "couplings": couplings,
        "product": {
            "paths": known,
            "features": given.tolist(),
            "weights": weights.reshape(len(directions), len(known), CHANNELS).tolist(),
            "result": [
                result[:, part].reshape(len(directions), CHANNELS, -1).tolist()
                for part in made.slices()
            ],
        },
    }


def main(output: Path) -> None:
    """Run it and write the file."""
    document = {
        "provenance": {
            "engine": f"e3nn {importlib.metadata.version('e3nn')}, torch "
            f"{importlib.metadata.version('torch')}, float64",
            "script": "tests/reference/generate/e3nn_products.py",
            "inputs": f"random, torch seed {SEED}",
            "product": "o3.TensorProduct, 'uvu', no normalisation; features are channels by "
            "component for each order, as e3nn lays them out",
        },
        **run(),
    }
    output.write_text(dumps(document) + "\n")
    print(json.dumps({"file": str(output), "kB": output.stat().st_size // 1000}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
