"""Store symmetry functions of torchani, for its ANI-1x and ANI-2x forms.

Needs an interpreter with `torch`, `torchani` and `numpy`, all from PyPI, and no weights:

    python torchani_symmetry_functions.py FRAMES.xyz OUTPUT.json

FRAMES is extended XYZ. Of its first frame, the atoms nearest to the oxygen are taken, so that the
angular part is full.
"""

import importlib
import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
from compact_json import dumps, significant
from schnetpack_painn import NUMBERS, read

SPECIES = {"H": 0, "C": 1, "N": 2, "O": 3}
FORMS = {"ani1x": "like_1x", "ani2x": "like_2x"}
N_ATOMS = 16


def near_oxygen(elements: list[str], positions: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Elements and positions [Å] of the atoms nearest to the first oxygen, in their order."""
    distances = np.linalg.norm(positions - positions[elements.index("O")], axis=1)
    chosen = np.sort(np.argsort(distances)[:N_ATOMS])
    return [elements[n] for n in chosen], positions[chosen]


def features(form: str, elements: list[str], positions: np.ndarray) -> list[list[float]]:
    """Symmetry functions of one published form, from float64."""
    torch = importlib.import_module("torch")
    computer = getattr(importlib.import_module("torchani.aev").AEVComputer, FORMS[form])
    species = torch.tensor([[SPECIES[element] for element in elements]])
    found = computer(num_species=4).double()(species, torch.tensor(positions)[None])[0]
    return significant(found.tolist(), 7)


def main(frames: Path, output: Path) -> None:
    """Run it and write the file."""
    elements, positions = near_oxygen(*read(frames))
    document = {
        "provenance": {
            "engine": f"torchani {importlib.metadata.version('torchani')}, torch "
            f"{importlib.metadata.version('torch')}, AEVComputer, float64 with float32 constants",
            "script": "tests/reference/generate/torchani_symmetry_functions.py",
            "units": "Å",
            "order": "elements H, C, N, O",
        },
        "numbers": [NUMBERS[element] for element in elements],
        "positions": positions.tolist(),
        "features": {form: features(form, elements, positions) for form in FORMS},
    }
    output.write_text(dumps(document) + "\n")
    print(json.dumps({"file": str(output), "kB": output.stat().st_size // 1000}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
