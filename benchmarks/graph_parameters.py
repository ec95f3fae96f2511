"""Time and memory to parameterise a system by a network on its graph, with class2plus.

    python benchmarks/graph_parameters.py FILE.pdb [FILE.pdb ...]

Each file is a fresh process. "first" holds the compilation; the others, each of a topology that
knows none of its clusters yet, do not. "peak memory" is that of the whole process, in GB.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from measure import Contender, parser, write

CHILD = """
import json, resource, sys, time
from dataclasses import replace
from isthmus.chemistry.read import read
from isthmus.forcefield.forcefield import ForceField
(molecule,) = read(sys.argv[1])
force_field = ForceField.graph("class2plus")
seconds = []
for _ in range(1 + int(sys.argv[2])):
    topology = replace(molecule.topology)
    start = time.perf_counter()
    force_field.parameterise(topology)
    seconds.append(time.perf_counter() - start)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(json.dumps({"seconds": seconds, "peak": peak, "n_atoms": topology.n_atoms}))
"""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("files", nargs="+", type=Path)
    options = arguments.parse_args()
    rows: list[dict[str, Any]] = []
    for file in options.files:
        command = [sys.executable, "-c", CHILD, str(file), str(options.turns)]
        answer = json.loads(
            subprocess.run(command, check=True, capture_output=True, text=True).stdout
        )
        first, *later = answer["seconds"]
        extra = {"unit": "s", "n_atoms": answer["n_atoms"], "peak_memory_GB": answer["peak"]}
        for name, seconds in (("first", [first]), ("later", later)):
            contender = Contender(f"{file.stem}, {name}", lambda: None, 1, seconds)
            rows.append(contender.row(scale=1.0, **extra))
    write("graph_parameters", rows, output=options.output, turns=options.turns, precision="float32")


if __name__ == "__main__":
    main()
