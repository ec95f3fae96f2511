"""Clusters against a brute-force search over all tuples of atoms, and their scaling."""

import time
import tracemalloc
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.chemistry.clusters import further_pairs
from isthmus.chemistry.pdb import read_pdb
from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import Topology, concatenate

SMILES = [
    "C1CC1C",  # ring of three: the ends of a path may coincide
    "C1CCC1",
    "O=C1CCCN1C",
    "C1CC2CCC1C2",
    "C12C3C4C1C5C2C3C45",  # cubane
    "CC#N",
    "C=C=CC",
    "CN=[N+]=[N-]",
    "COP(=O)(OC)OC",
    "FP(F)(F)(F)F",
    "CS(=O)(=O)NC",
    "FS(F)(F)(F)(F)F",
    "CC#CC#CC",
    "[Na+].[Cl-].O",
    "C1=CC2=CC=CC2=C1",
]


def neighbour_sets(topology: Topology) -> list[set[int]]:
    sets: list[set[int]] = [set() for _ in range(topology.n_atoms)]
    for i, j in topology.bonds.tolist():
        sets[i].add(j)
        sets[j].add(i)
    return sets


def paths(sets: list[set[int]], n_atoms: int) -> set[tuple[int, ...]]:
    """All simple paths of so many atoms, in both directions, by walking."""
    found = {(atom,) for atom in range(len(sets))}
    for _ in range(n_atoms - 1):
        found = {(*path, k) for path in found for k in sets[path[-1]] if k not in path}
    return found


def distances(sets: list[set[int]], start: int) -> dict[int, int]:
    distance, queue = {start: 0}, [start]
    for atom in queue:
        for other in sets[atom] - distance.keys():
            distance[other] = distance[atom] + 1
            queue.append(other)
    return distance


def rows(array: np.ndarray) -> list[tuple[int, ...]]:
    return [tuple(row) for row in array.tolist()]


@pytest.mark.parametrize("smiles", SMILES)
def test_clusters_equal_brute_force(smiles: str):
    topology = from_smiles(smiles).topology
    clusters, sets = topology.clusters, neighbour_sets(topology)
    linear = set(np.flatnonzero(clusters.linear_atoms).tolist())

    angles = {path for path in paths(sets, 3) if path[0] < path[2]}
    assert set(rows(clusters.angles)) == angles
    torsions = {p for p in paths(sets, 4) if p[1] < p[2] and not linear & set(p[1:3])}
    assert set(rows(clusters.torsions)) == torsions
    paths5 = {p for p in paths(sets, 5) if p[0] < p[4] and not linear & set(p[1:4])}
    assert set(rows(clusters.paths5)) == paths5
    branches = {(c, *arms) for c in range(len(sets)) for arms in combinations(sorted(sets[c]), 3)}
    assert set(rows(clusters.branches)) == branches

    by_distance: dict[int, set[tuple[int, int]]] = {}
    for i in range(topology.n_atoms):
        for j, d in distances(sets, i).items():
            if i < j:
                by_distance.setdefault(d, set()).add((i, j))
    near = set().union(*(by_distance.get(d, set()) for d in (1, 2, 3)))
    assert set(rows(clusters.pairs14)) == by_distance.get(3, set())
    assert set(rows(clusters.excluded_pairs)) == near
    everything = set(combinations(range(topology.n_atoms), 2))
    blocks = list(further_pairs(clusters, block_size=7))
    assert set(rows(np.concatenate(blocks))) == everything - near
    assert sum(map(len, blocks)) == clusters.n_further_pairs == len(everything - near)
    assert max(map(len, blocks)) <= max(7, topology.n_atoms)

    for array in (clusters.angles, clusters.torsions, clusters.paths5, clusters.branches):
        assert len(np.unique(array, axis=0)) == len(array)
        assert array.dtype == np.int32
        assert not array.flags.writeable


def canonical(name: str, row: tuple[int, ...]) -> tuple[int, ...]:
    if name == "branches":
        return (row[0], *sorted(row[1:]))
    return min(row, row[::-1])


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SMILES), st.randoms(use_true_random=False))
def test_clusters_do_not_depend_on_the_order_of_atoms(smiles: str, random):
    topology = from_smiles(smiles).topology
    order = list(range(topology.n_atoms))
    random.shuffle(order)
    shuffled = topology.subset(order).clusters
    for name in ("angles", "torsions", "branches", "paths5", "pairs14", "excluded_pairs"):
        expected = {canonical(name, row) for row in rows(getattr(topology.clusters, name))}
        found = rows(np.array(order)[getattr(shuffled, name)])
        assert {canonical(name, row) for row in found} == expected
        assert len(found) == len(expected)
    linear = np.flatnonzero(shuffled.linear_atoms)
    assert {order[i] for i in linear} == set(np.flatnonzero(topology.clusters.linear_atoms))


@pytest.mark.parametrize(
    ("smiles", "linear"),
    [
        ("CC#N", [1]),
        ("CC#CC", [1, 2]),
        ("C=C=C", [1]),
        ("C=C=C=C", [1, 2]),
        ("CN=[N+]=[N-]", [2]),
        ("C[N-][N+]#N", [2]),
        ("CN=C=O", [2]),
        ("C[N+]#[C-]", [1]),
        ("O=C=O", [1]),
        ("CN=C=NC", [2]),
        ("C[C+]=O", [1]),
        ("CC#[O+]", [1]),
        ("[CH2-]C#CC", [1, 2]),
        ("C=C=[C-]C", [1, 2]),
        ("[O-]C#CC", [1, 2]),
        ("O=C=[C-]C", [1, 2]),
        ("C[C-]=[N+]=[N-]", [1, 2]),
        ("O=S=O", []),
        ("C=NC", []),
        ("CN=S=O", []),
        ("C1#CC=CC=C1", []),  # benzyne: aromatic in RDKit's model, and far from linear
        ("c1ccncc1", []),
        ("[c-]1ccccc1", []),
        ("C=C(C)C", []),
    ],
)
def test_linear_atoms_in_any_resonance_form(smiles: str, linear: list[int]):
    found = from_smiles(smiles).topology.clusters.linear_atoms
    assert np.flatnonzero(found).tolist() == linear


def test_distances_go_through_linear_atoms():
    clusters = from_smiles("CC#CC").topology.clusters
    assert len(clusters.torsions) == 0
    assert [0, 3] in clusters.pairs14.tolist()


def test_further_pairs_of_separate_atoms():
    clusters = Topology.create([18] * 5, []).clusters
    np.testing.assert_array_equal(
        np.concatenate(list(further_pairs(clusters))), list(combinations(range(5), 2))
    )
    assert list(further_pairs(Topology.create([18], []).clusters)) == []


def test_each_cluster_is_computed_once():
    clusters = from_smiles("CCO").topology.clusters
    assert clusters.torsions is clusters.torsions


def seconds_and_bytes(topology: Topology) -> tuple[float, int]:
    tracemalloc.start()
    start = time.perf_counter()
    clusters = topology.clusters
    for name in ("angles", "torsions", "branches", "paths5", "pairs14", "excluded_pairs"):
        getattr(clusters, name)
    seconds = time.perf_counter() - start
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak


def test_memory_is_linear_in_atoms():
    monomer = from_smiles("CC(=O)NCC(=O)NC").topology
    small, large = concatenate([monomer] * 100), concatenate([monomer] * 800)
    ratio = seconds_and_bytes(large)[1] / seconds_and_bytes(small)[1]
    assert ratio < 9.5


def test_solvated_dhfr_within_two_seconds_and_500_megabytes(shared_data):
    start = time.perf_counter()
    molecule = read_pdb(shared_data / "systems" / "dhfr_solvated.pdb")
    reading = time.perf_counter() - start
    assert molecule.n_atoms == 23_558
    seconds, peak = seconds_and_bytes(molecule.topology)
    assert seconds + reading < 2
    assert peak < 500e6
    assert molecule.total_charge == -11
    assert len(molecule.topology.clusters.excluded_pairs) == 34_709
