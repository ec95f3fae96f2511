"""Time to the first energy and forces of a new molecule, without and with the compilation cache.

Each timing is a fresh process that imports, parameterises, binds and compiles class2plus for
imatinib (68 atoms). The first process of a pair finds an empty cache folder, the second the
folder that the first has filled. The command line keeps such a cache; a library user asks for it
with `jax.config.update("jax_compilation_cache_dir", ...)`.
"""

import json
import subprocess
import sys
import tempfile
from typing import Any

from measure import Contender, parser, write

CHILD = """
import json, sys, time
start = time.perf_counter()
import jax
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
from isthmus.chemistry.smiles import from_smiles
from isthmus.forcefield.forcefield import ForceField
imported = time.perf_counter()
mol = from_smiles("Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1", conformers=1)
potential = ForceField.free("class2plus", mol.topology).bind(mol.topology)
bound = time.perf_counter()
potential.energy_and_forces(mol.conformers[0])
done = time.perf_counter()
print(json.dumps({"import": imported - start, "read and bind": bound - imported,
                  "first energy and forces": done - bound}))
"""


def child(folder: str) -> dict[str, float]:
    """Seconds of each stage in a fresh process."""
    command = [sys.executable, "-c", CHILD, folder]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def main() -> None:
    arguments = parser(__doc__).parse_args()
    stages: dict[str, Contender] = {}
    for _ in range(arguments.turns):
        with tempfile.TemporaryDirectory() as folder:
            for which in ("empty cache", "filled cache"):
                for stage, seconds in child(folder).items():
                    name = f"{stage}, {which}"
                    stages.setdefault(name, Contender(name, lambda: None, 1)).seconds.append(
                        seconds
                    )
    rows: list[dict[str, Any]] = [c.row(scale=1.0, unit="s", n_atoms=68) for c in stages.values()]
    write("first_call", rows, output=arguments.output, turns=arguments.turns, precision="float32")


if __name__ == "__main__":
    main()
