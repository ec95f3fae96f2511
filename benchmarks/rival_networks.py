"""Energy and forces of other packages' networks, timed on request; part of network_speed.py.

    PYTHON_OF_THE_PACKAGE rival_networks.py NAME FRAMES.xyz

Reads a number of calls a line, and answers with the seconds of processor time that they took, on
one thread. Weights are random: they change no time. Every call has other positions.
"""

import importlib
import os
import sys
import time
import typing
from collections.abc import Callable
from typing import Any

import numpy as np

NUMBERS = {"H": 1, "C": 6, "N": 7, "O": 8}


def read(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Atomic numbers and positions [Å] of the first frame of an extended XYZ file."""
    with open(path) as file:
        lines = file.read().splitlines()
    rows = [line.split() for line in lines[2 : 2 + int(lines[0])]]
    return (
        np.array([NUMBERS[row[0]] for row in rows]),
        np.array([[float(x) for x in row[1:4]] for row in rows]),
    )


def ani2x(numbers: np.ndarray, positions: np.ndarray) -> tuple[Callable[[Any], Any], str]:
    """One network in the form of ANI-2x, of torchani."""
    torch = importlib.import_module("torch")
    arch = importlib.import_module("torchani.arch")
    assembler = arch.Assembler()
    assembler.set_symbols(("H", "C", "N", "O", "S", "F", "Cl"))
    assembler.set_aev_computer(angular="ani2x", radial="ani2x", cutoff_fn="cosine")
    assembler.set_neighborlist("all_pairs")
    assembler.set_atomic_networks(ctor="ani2x")
    assembler.set_zeros_as_self_energies()
    model = assembler.assemble(1).float()
    species = torch.tensor(numbers)[None]

    def call(x: Any) -> Any:
        x = x[None].requires_grad_(True)
        return torch.autograd.grad(model((species, x)).energies.sum(), x)[0][0]

    return call, importlib.import_module("importlib.metadata").version("torchani")


def painn(numbers: np.ndarray, positions: np.ndarray) -> tuple[Callable[[Any], Any], str]:
    """PaiNN with 3 layers of 128 channels and 20 radial functions within 5 Å, of SchNetPack."""
    torch = importlib.import_module("torch")
    loader = importlib.import_module("torch.utils.data.dataloader")
    if not hasattr(loader, "T_co"):  # SchNetPack 2.0.4 imports a name that newer torch lacks
        setattr(loader, "T_co", typing.Any)  # noqa: B010
    spk = importlib.import_module("schnetpack")
    network = spk.representation.PaiNN(
        n_atom_basis=128,
        n_interactions=3,
        radial_basis=spk.nn.GaussianRBF(20, 5.0),
        cutoff_fn=spk.nn.CosineCutoff(5.0),
    )
    readout = spk.atomistic.Atomwise(n_in=128, output_key="energy")
    first, second = np.nonzero(~np.eye(len(numbers), dtype=bool))
    distances = np.linalg.norm(positions[first] - positions[second], axis=1)
    first, second = (torch.tensor(idx[distances < 5.0]) for idx in (first, second))
    species = torch.tensor(numbers)
    batch = torch.zeros(len(numbers), dtype=torch.long)

    def call(x: Any) -> Any:
        x = x.requires_grad_(True)
        inputs = {
            "_atomic_numbers": species,
            "_Rij": x[second] - x[first],
            "_idx_i": first,
            "_idx_j": second,
            "_idx_m": batch,
            "_n_atoms": torch.tensor([len(numbers)]),
        }
        energy = readout(network(inputs))["energy"].sum()
        return torch.autograd.grad(energy, x)[0]

    return call, importlib.import_module("importlib.metadata").version("schnetpack")


def mace(numbers: np.ndarray, positions: np.ndarray) -> tuple[Callable[[Any], Any], str]:
    """MACE with 96 scalars, l_max 3, correlation 3, 2 layers within 4.5 Å, of mace-torch."""
    torch = importlib.import_module("torch")
    e3nn = importlib.import_module("e3nn")
    modules = importlib.import_module("mace.modules")
    elements = sorted(set(numbers.tolist()))
    model = modules.ScaleShiftMACE(
        r_max=4.5,
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        num_interactions=2,
        num_elements=len(elements),
        hidden_irreps=e3nn.o3.Irreps("96x0e"),
        MLP_irreps=e3nn.o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.zeros(len(elements)),
        avg_num_neighbors=15.0,
        atomic_numbers=elements,
        correlation=3,
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
    ).float()
    one_hot = torch.tensor((numbers[:, None] == np.array(elements)).astype(np.float32))
    first, second = np.nonzero(~np.eye(len(numbers), dtype=bool))
    near = np.linalg.norm(positions[first] - positions[second], axis=1) < 4.5
    edges = torch.tensor(np.stack([first[near], second[near]]))
    given = {
        "node_attrs": one_hot,
        "edge_index": edges,
        "shifts": torch.zeros(edges.shape[1], 3),
        "unit_shifts": torch.zeros(edges.shape[1], 3),
        "cell": torch.zeros(3, 3),
        "batch": torch.zeros(len(numbers), dtype=torch.long),
        "ptr": torch.tensor([0, len(numbers)]),
        "head": torch.tensor([0]),
    }

    def call(x: Any) -> Any:
        found = model({**given, "positions": x.requires_grad_(True)}, compute_force=True)
        return found["forces"]

    return call, importlib.import_module("importlib.metadata").version("mace-torch")


def main() -> None:
    """Answer requests until the input ends."""
    # What packages print when they are imported is no answer
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float32)
    numbers, positions = read(sys.argv[2])
    call, version = {"ani2x": ani2x, "painn": painn, "mace": mace}[sys.argv[1]](numbers, positions)
    x = torch.tensor(positions, dtype=torch.float32)
    for _ in range(5):
        assert torch.isfinite(call(x.clone())).all()
    print(f"{version}, torch {torch.__version__}", file=answers, flush=True)
    for line in sys.stdin:
        begin = time.process_time()
        for _ in range(int(line)):
            x = x - 1e-9 * call(x.clone()).detach()
        print(time.process_time() - begin, file=answers, flush=True)


if __name__ == "__main__":
    main()
