"""What `isthmus check` draws from a structure costs memory linear in its atoms."""

import tracemalloc
from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

import isthmus
from isthmus.chemistry.graph import connected_components
from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.topology import concatenate
from isthmus.evaluate.physics import clashes, cutting
from isthmus.evaluate.physics.cutting import moved_side, open_bonds
from isthmus.evaluate.physics.equivalent import equivalent_orders
from isthmus.evaluate.physics.scans import scans_of

pytestmark = pytest.mark.physics


def waters(edge: int) -> Molecule:
    """A cube of water molecules, 0.31 nm apart, each turned another way."""
    one = isthmus.from_smiles("O", conformers=1, seed=1)
    inside = one.positions - one.positions[0]
    rng = np.random.default_rng(0)
    parts = []
    for place in product(range(edge), repeat=3):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        parts.append(0.31 * np.array(place) + inside @ turn)
    return Molecule.create(concatenate([one.topology] * edge**3), np.concatenate(parts))


def exchanges(molecule: Molecule) -> None:
    assert equivalent_orders(molecule.topology, most=40).shape == (40, molecule.n_atoms)


def scans(molecule: Molecule) -> None:
    found = scans_of(molecule.topology, molecule.positions, most=40, seed=0)
    assert {kind: len(some) for kind, some in found.items()} == {
        "bond": 40, "angle": 40, "torsion": 0
    }  # fmt: skip


def approaches(molecule: Molecule) -> None:
    exposed = clashes._exposed(molecule.topology, molecule.positions)
    clashes._approach(molecule.positions, exposed[1], exposed[8])


@pytest.mark.parametrize("draw", [exchanges, scans, approaches])
def test_memory_is_linear_in_water(draw: Callable[[Molecule], None]) -> None:
    """8 times the atoms take 8 times the memory, where their square takes 64 times."""
    peaks = []
    for edge in (5, 10):
        molecule = waters(edge)
        assert molecule.topology.clusters is not None
        tracemalloc.start()
        draw(molecule)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 12 * peaks[0]
    assert peaks[1] < 3000 * 10_000


def test_the_graph_is_searched_for_what_is_driven_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 bonds and 40 angles of 1000, each with one search of all atoms: linear in time."""
    searches = []

    def counted(bonds: np.ndarray, *, n_atoms: int) -> np.ndarray:
        searches.append(n_atoms)
        return connected_components(bonds, n_atoms=n_atoms)

    monkeypatch.setattr(cutting, "connected_components", counted)
    scans(waters(8))
    assert len(searches) == 80


@pytest.mark.parametrize(
    "smiles", ["C1CC1CC(C)O", "c1ccc2ccccc2c1-c1ccccc1", "C1CCCCCCCCCCC1.O", "C12C3C4C1C5C2C3C45"]
)
def test_bonds_in_no_ring_are_those_whose_cut_leaves_two_parts(smiles: str) -> None:
    topology = isthmus.from_smiles(smiles).topology
    parts = [
        connected_components(np.delete(topology.bonds, k, axis=0), n_atoms=topology.n_atoms).max()
        for k in range(topology.n_bonds)
    ]
    wanted = np.array(parts) > topology.components.max()
    np.testing.assert_array_equal(open_bonds(topology), wanted)
    assert 0 < wanted.sum() < topology.n_bonds
    for (i, j), is_open in zip(topology.bonds.tolist(), wanted, strict=True):
        side = moved_side(topology, i, j)
        assert (side is not None) == is_open
        if side is not None:
            assert side[j]
            assert not side[i]


def test_the_closest_approach_is_that_of_all_pairs() -> None:
    """Against distances between all atoms of both copies, distance by distance."""
    molecule = isthmus.from_smiles("CC(O)C(=O)N", conformers=1, seed=1)
    x = molecule.positions
    exposed = clashes._exposed(molecule.topology, x)
    grid = np.linspace(clashes.CLOSEST, 0.5, 46)
    seen = set()
    for one, other in product(sorted(exposed), repeat=2):
        scan, closest = clashes._approach(x, exposed[one], exposed[other])
        (a, b), n = scan.atoms, len(x)
        met = [clashes.CLOSEST]
        for value, frame in zip(grid, scan.place(grid)[0], strict=True):
            apart = np.linalg.norm(frame[:n, None] - frame[n:], axis=-1)
            assert apart[a, b] == pytest.approx(value)
            apart[a, b] = np.inf
            if apart.min() < min(value, 0.2):
                met.append(float(value))
        assert closest == pytest.approx(max(met))
        seen.add(round(closest, 3))
    assert len(seen) > 3
