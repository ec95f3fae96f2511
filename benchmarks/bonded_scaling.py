"""Bonded terms of class2plus on proteins of growing size: the cost per atom must not grow.

Copies of chignolin (PDB 5AWL, 166 atoms), side by side; 15 copies make 2,490 atoms. Energy and
gradient in float32, priors as parameters, pairs left out.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from measure import Contender, parser, take_turns, write

from isthmus.chemistry.pdb import read_pdb
from isthmus.chemistry.topology import concatenate
from isthmus.forcefield.binding import bind_parameterization
from isthmus.forcefield.forcefield import ForceField

CHIGNOLIN = Path(__file__).parents[1] / "tests" / "data" / "chignolin.pdb"
COPIES = (1, 4, 15, 60)


def contender(n_copies: int) -> Contender:
    """Energy and gradient of that many copies."""
    protein = read_pdb(CHIGNOLIN)
    topology = concatenate([protein.topology] * n_copies)
    positions = np.concatenate(
        [protein.positions + np.array([5.0 * n, 0.0, 0.0]) for n in range(n_copies)]
    )
    numbers = ForceField.free("class2plus", topology).parameterise(topology)
    bonded = tuple(t for t in numbers.terms if t.term.over != "pair14")
    potential = bind_parameterization(dataclasses.replace(numbers, terms=bonded, pair_groups=()))
    function = jax.jit(jax.value_and_grad(potential.energy))
    x = jnp.asarray(positions, jnp.float32)
    n_calls = max(1, 600 // n_copies)

    def run() -> None:
        for _ in range(n_calls):
            jax.block_until_ready(function(x))

    return Contender(f"{topology.n_atoms} atoms", run, n_calls)


def main() -> None:
    arguments = parser(__doc__).parse_args()
    contenders = [contender(n) for n in COPIES]
    take_turns(contenders, arguments.turns)
    rows = []
    for made in contenders:
        n_atoms = int(made.name.split()[0])
        row = made.row(n_atoms=n_atoms, unit="us/call")
        rows.append(row | {"median_per_atom": row["median"] / n_atoms})
    write(
        "bonded_scaling",
        rows,
        output=arguments.output,
        turns=arguments.turns,
        precision="float32",
        per_atom_15_copies_over_4=round(rows[2]["median_per_atom"] / rows[1]["median_per_atom"], 3),
        per_atom_60_copies_over_15=round(
            rows[3]["median_per_atom"] / rows[2]["median_per_atom"], 3
        ),
    )


if __name__ == "__main__":
    main()
