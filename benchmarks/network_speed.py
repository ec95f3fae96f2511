"""Energy and forces of one molecule by networks: ours and those of other packages, by turns.

    python benchmarks/network_speed.py FRAMES.xyz [--rival NAME=PYTHON ...]

FRAMES is extended XYZ; its first molecule is taken, such as the 27 atoms of 3BPA. NAME is ani2x
(torchani), painn (SchNetPack) or mace (mace-torch), PYTHON an interpreter that has the package;
see rival_networks.py for their sizes. Ours are timed inside a jitted loop in which positions depend
on the forces, those of others call by call, as an engine would. All have random weights, float32
and one thread; what is given is processor time [µs], so that a busy machine counts less.
"""

import os

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from measure import Contender, parser, write
from rival_networks import read

from isthmus.networks.bound import BoundNetwork
from isthmus.networks.declaration import NetworkTerm
from isthmus.networks.trained import TrainedNetwork, atoms_of
from isthmus.units import ANGSTROM

PAINN = (("channels", 128), ("layers", 3), ("radial", 20))
PAINN += (("basis", "gaussian"), ("envelope", "cosine"))
MACE = (("channels", 96), ("l_max", 3), ("hidden", (64, 64, 64)))
OURS = {
    "moments": NetworkTerm("moments", "moments", 0.5),
    "moments, 2 layers": NetworkTerm("moments", "moments", 0.5, (("layers", 2),)),
    "ani": NetworkTerm("ani", "ani", 0.5),
    "ani, form of ANI-2x": NetworkTerm("ani", "ani", 0.51, (("form", "ani2x"),)),
    "painn 2 x 64": NetworkTerm("painn", "painn", 0.5),
    "painn 3 x 128": NetworkTerm("painn", "painn", 0.5, PAINN),
    "schnet": NetworkTerm("schnet", "schnet", 0.5),
    "sake": NetworkTerm("sake", "sake", 0.5),
    "mace 32": NetworkTerm("mace", "mace", 0.45),
    "mace 96, l_max 3": NetworkTerm("mace", "mace", 0.45, MACE),
}
LIKE = {"ani2x": "ani, form of ANI-2x", "painn": "painn 3 x 128", "mace": "mace 96, l_max 3"}
STEPS = 50


class Rival:
    """A process that times calls of another package."""

    def __init__(self, name: str, python: str, frames: Path):
        script = Path(__file__).with_name("rival_networks.py")
        self.process = subprocess.Popen(
            [python, str(script), name, str(frames)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        )
        self.version = self._answer()

    def seconds(self, calls: int) -> float:
        """Processor time of some calls."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{calls}\n")
        self.process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            raise SystemExit("a rival has died: see its error above")
        return line


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("frames", type=Path)
    arguments.add_argument("--rival", nargs="*", default=[], metavar="NAME=PYTHON")
    options = arguments.parse_args()
    numbers, positions = read(str(options.frames))
    timed: dict[str, Callable[[int], float]] = {}
    facts: dict[str, dict[str, Any]] = {}
    for name, term in OURS.items():
        timed[name], facts[name] = ours(term, numbers, positions * ANGSTROM)
    for given in options.rival:
        name, _, python = given.partition("=")
        rival = Rival(name, python, options.frames)
        timed[f"{name} of another package"] = rival.seconds
        facts[f"{name} of another package"] = {"package": rival.version, "like": LIKE[name]}
    contenders = {name: Contender(name, lambda: None, STEPS) for name in timed}
    for turn in range(options.turns):
        for name, run in timed.items():
            contenders[name].seconds.append(run(STEPS))
        print(f"turn {turn + 1} of {options.turns}", file=sys.stderr)
    rows = [
        one.row(unit="us of processor time", n_atoms=len(numbers), **facts[name])
        for name, one in contenders.items()
    ]
    medians = {row["case"]: row["median"] for row in rows}
    for row in rows:
        if "like" in row:
            row["ratio_to_ours"] = row["median"] / medians[row["like"]]
    write("network_speed", rows, output=options.output, turns=options.turns, precision="float32")


def ours(
    term: NetworkTerm, numbers: np.ndarray, positions: np.ndarray
) -> tuple[Callable[[int], float], dict[str, Any]]:
    """What times so many steps of one of our networks, and what is known of it."""
    trained = TrainedNetwork.create(term, tuple(numbers.tolist()))
    bound = BoundNetwork(trained, atoms_of(trained.elements, numbers, np.zeros(len(numbers))))

    @jax.jit
    def loop(x: jax.Array, n_steps: int) -> jax.Array:
        slope = jax.grad(lambda x: bound.energy(x, None, None))
        return jax.lax.fori_loop(0, n_steps, lambda _, x: x - 1e-9 * slope(x), x)

    x = jnp.asarray(positions.T, jnp.float32)
    begin = time.process_time()
    loop(x, 1).block_until_ready()
    compiling = time.process_time() - begin

    def run(n_steps: int) -> float:
        begin = time.process_time()
        loop(x, n_steps).block_until_ready()
        return time.process_time() - begin

    weights = sum(int(np.size(leaf)) for leaf in jax.tree.leaves(trained.network))
    return run, {"compile_s": round(compiling, 1), "weights": weights}


if __name__ == "__main__":
    main()
