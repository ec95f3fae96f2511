"""Normal equations of a bespoke fit: squared residuals, their gradient, the Gauss–Newton matrix.

The Jacobian of the forces is made for some frames at a time, from the derivatives of the clusters
(`blocks`) through one sparse matrix a term, and summed into JᵀJ; it is never held as a whole. The
force on an atom depends on the unknowns of the clusters that it is in and of the pairs only, so
JᵀJ is summed atom by atom, over those.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse
from scipy.linalg import get_blas_funcs

from isthmus.chemistry.topology import Topology
from isthmus.designs.design import Design
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.source import FreeSource
from isthmus.train.bespoke.blocks import TermBlock
from isthmus.train.bespoke.unknowns import Unknowns

__all__ = ["Assembler", "Jacobian", "NormalEquations", "Target"]

_BYTES = 2e8
"""Size of the part of the Jacobian that is held at a time"""


@dataclass(frozen=True)
class Target:
    """Frames to be reproduced, and how much their residuals count.

    Attributes:
        positions: [nm].
        energies: [kJ/mol]; only their differences count. NaN where a frame has none.
        forces: [kJ/mol/nm]; NaN where a frame has none.
        energy_weight: of a squared energy residual [(mol/kJ)²]; 0 leaves energies out.
        force_weight: of a squared residual of one component of a force [(mol nm/kJ)²].
    """

    positions: Float[np.ndarray, "frames atoms 3"]
    energies: Float[np.ndarray, " frames"]
    forces: Float[np.ndarray, "frames atoms 3"]
    energy_weight: float
    force_weight: float

    def thinned(self, every: int) -> "Target":
        """One frame of so many, which counts as many times as much."""
        return Target(
            self.positions[::every],
            self.energies[::every],
            self.forces[::every],
            energy_weight=self.energy_weight * every,
            force_weight=self.force_weight * every,
        )


@dataclass(frozen=True)
class NormalEquations:
    """Σ w r² at some unknowns, half its gradient and half of the matrix of Gauss and Newton.

    Attributes:
        cost: Σ w r².
        gradient: Jᵀ w r.
        matrix: Jᵀ w J.
        force_rmse: of all components of forces [kJ/mol/nm]; NaN without any.
        energy_rmse: of the energies about their mean [kJ/mol]; NaN without any.
    """

    cost: float
    gradient: Float[np.ndarray, " unknowns"]
    matrix: Float[np.ndarray, "unknowns unknowns"]
    force_rmse: float
    energy_rmse: float


@dataclass(frozen=True)
class Jacobian:
    """Energies [kJ/mol] and forces [kJ/mol/nm] of frames, and derivatives by the unknowns.

    Attributes:
        energies: one a frame.
        forces: components first, frames last.
        energies_by: derivatives of the energies.
        columns: for each atom, the unknowns on which the force on it depends.
        forces_by: for each atom, derivatives of the force on it by these, (some, 3, frames).
    """

    energies: Float[np.ndarray, " frames"]
    forces: Float[np.ndarray, "3 atoms frames"]
    energies_by: Float[np.ndarray, "unknowns frames"]
    columns: tuple[Int[np.ndarray, " _"], ...]
    forces_by: tuple[Float[np.ndarray, "_ 3 frames"], ...]

    def take(self, n_frames: int) -> "Jacobian":
        """The first frames only."""
        return Jacobian(
            self.energies[:n_frames],
            self.forces[..., :n_frames],
            self.energies_by[:, :n_frames],
            self.columns,
            tuple(rows[..., :n_frames] for rows in self.forces_by),
        )


@dataclass(frozen=True)
class _Layout:
    """Which unknowns and shifts the force on each atom depends on, and where their rows stand.

    Attributes:
        columns: for each atom, ascending.
        starts: of the rows of each atom, and the number of all rows; three a column.
    """

    columns: tuple[Int[np.ndarray, " _"], ...]
    starts: Int[np.ndarray, " _"]

    def rows(
        self, atoms: Int[np.ndarray, "*shape"], columns: Int[np.ndarray, "*shape"]
    ) -> Int[np.ndarray, "*shape"]:
        """First of the three rows of pairs of an atom and an unknown."""
        n_all = 1 + max((int(c.max(initial=0)) for c in self.columns), default=0)
        keys = np.concatenate([k * n_all + c for k, c in enumerate(self.columns)])
        ranks = np.searchsorted(keys, atoms * n_all + columns)
        return 3 * ranks


@dataclass(frozen=True)
class _Scatter:
    """From the clusters of one term to the molecule, unknowns and shifts, as sparse matrices.

    Attributes:
        block: the term.
        atoms: from the copies of atoms to the atoms.
        energies: from (local parameter, cluster) to the unknowns and the shifts.
        forces: from (local parameter, 3, copy of an atom) to the rows of a layout.
    """

    block: TermBlock
    atoms: sparse.csr_array
    energies: sparse.csr_array
    forces: sparse.csr_array


def _changes(
    block: TermBlock, unknowns: Unknowns
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(local parameter, cluster, column, factor) of all that an unknown or a shift changes."""
    change = unknowns.matrix[block.rows.reshape(-1)].tocoo()
    local, cluster = np.divmod(change.row.astype(np.int64), len(block.atoms_idx))
    return local, cluster, change.col.astype(np.int64), change.data


def _layout(blocks: Sequence[TermBlock], unknowns: Unknowns, n_atoms: int) -> _Layout:
    n = unknowns.n_columns
    found = [np.empty(0, dtype=np.int64)]
    for block in blocks:
        _, cluster, column, _ = _changes(block, unknowns)
        found.append(np.unique(block.atoms_idx[cluster].astype(np.int64) * n + column[:, None]))
    atoms, columns = np.divmod(np.unique(np.concatenate(found)), n)
    starts = np.searchsorted(atoms, np.arange(n_atoms + 1))
    split = tuple(np.split(columns, starts[1:-1]))
    return _Layout(split, 3 * starts)


def _scatter(block: TermBlock, unknowns: Unknowns, layout: _Layout) -> _Scatter:
    n_clusters, size = block.atoms_idx.shape
    n_local, own, n_atoms = len(block.rows), n_clusters * size, len(layout.columns)
    local, cluster, column, factor = _changes(block, unknowns)
    component, place = np.arange(3)[:, None, None], np.arange(size)[None, :, None]
    source = (local * 3 + component) * own + cluster * size + place
    atoms = block.atoms_idx.T[:, cluster].astype(np.int64)
    target = layout.rows(atoms, np.broadcast_to(column, atoms.shape)) + component
    factors = np.broadcast_to(factor, source.shape).ravel()
    return _Scatter(
        block,
        atoms=sparse.csr_array(
            (np.ones(own), (block.atoms_idx.ravel(), np.arange(own))), shape=(n_atoms, own)
        ),
        energies=sparse.csr_array(
            (factor, (column, local * n_clusters + cluster)),
            shape=(unknowns.n_columns, n_local * n_clusters),
        ),
        forces=sparse.csr_array(
            (factors, (target.ravel(), source.ravel())),
            shape=(int(layout.starts[-1]), n_local * 3 * own),
        ),
    )


@dataclass(frozen=True)
class Assembler:
    """Normal equations of some targets, as a function of the unknowns.

    Attributes:
        design, topology: what the force field is made of.
        blocks: its terms.
        unknowns: what is fitted.
        targets: frames to be reproduced.
        longest: so many frames or fewer are differentiated at a time; None = of the targets.
        heed: called before every piece of work that takes more than a moment; it may raise.
    """

    design: Design
    topology: Topology
    blocks: tuple[TermBlock, ...]
    unknowns: Unknowns
    targets: tuple[Target, ...]
    longest: int | None = None
    heed: Callable[[], None] = lambda: None

    def thinned(self, every: int) -> "Assembler":
        """The same for every so many frames only, each of which counts as many times as much.

        What is compiled, and where the unknowns stand, is shared.
        """
        targets = tuple(target.thinned(every) for target in self.targets)
        thin = replace(self, targets=targets, longest=self._n_at_a_time)
        vars(thin).update(_layout=self._layout, _scatters=self._scatters)
        return thin

    def __call__(self, u: Float[np.ndarray, " unknowns"]) -> NormalEquations:
        """Residuals are model minus target; those without a label are left out.

        Where the model has no finite number, the cost has none either.
        """
        sums, everything = _Sums(self.unknowns.n_unknowns), np.arange(self.unknowns.n_unknowns)
        for target in self.targets:
            energies, by = [], []
            for start in range(0, len(target.positions), self._n_at_a_time):
                part = slice(start, start + self._n_at_a_time)
                found = self.jacobian(u, target.positions[part])
                wanted = target.forces[part].T
                residuals = found.forces - wanted
                for atom, (columns, rows) in enumerate(
                    zip(found.columns, found.forces_by, strict=True)
                ):
                    known = np.isfinite(wanted[:, atom])
                    sums.add(
                        "forces", residuals[:, atom], known, columns, rows, target.force_weight
                    )
                energies.append(found.energies)
                by.append(found.energies_by)
            residuals, rows = np.concatenate(energies) - target.energies, np.hstack(by)
            known = np.isfinite(target.energies)
            if known.any():
                rows = rows - rows[:, known].mean(axis=1, keepdims=True)
                residuals = residuals - residuals[known].mean()
                sums.add("energies", residuals, known, everything, rows, target.energy_weight)
        return sums.total()

    def residuals(self, u: Float[np.ndarray, " unknowns"]) -> float:
        """The cost alone; NaN where the model has no finite number."""
        self.heed()
        source = FreeSource(self.unknowns.values(u), self.topology.digest)
        potential = ForceField(self.design, source).bind(self.topology, precision="float64")
        cost = 0.0
        for target in self.targets:
            self.heed()
            found = potential.energy_and_forces(target.positions)
            off = found.energy - target.energies
            known = np.isfinite(target.energies)
            if known.any():
                off = off - off[known].mean()
                cost += target.energy_weight * float(np.sum(off[known] ** 2))
            known = np.isfinite(target.forces)
            cost += target.force_weight * float(np.sum((found.forces - target.forces)[known] ** 2))
        return cost

    def jacobian(
        self, u: Float[np.ndarray, " unknowns"], positions: Float[np.ndarray, "frames atoms 3"]
    ) -> Jacobian:
        """Energies and forces of some frames and all their derivatives, at once."""
        n_frames, n_atoms = positions.shape[:2]
        n, size = self.unknowns.n_columns, max(self._n_at_a_time, n_frames)
        # All calls but those of users have the same number of frames, so that one compilation does
        filled = np.concatenate([positions, np.repeat(positions[-1:], size - n_frames, axis=0)])
        values = self.unknowns.flat(u)
        energies, forces = np.zeros(size), np.zeros((3, n_atoms, size))
        energies_by, forces_by = np.zeros((n, size)), np.zeros((self._layout.starts[-1], size))
        for item in self._scatters:
            self.heed()
            found = item.block.derivatives(values, filled)
            energies += found.energies.sum(axis=0)
            for k in range(3):
                forces[k] += item.atoms @ found.forces[k]
            energies_by += item.energies @ found.energies_by.reshape(-1, size)
            forces_by += item.forces @ found.forces_by.reshape(-1, size)
        by_atom = np.split(forces_by, self._layout.starts[1:-1])
        unshifted = [
            _unshifted(columns, rows.reshape(-1, 3 * size), self.unknowns)
            for columns, rows in zip(self._layout.columns, by_atom, strict=True)
        ]
        everything = np.arange(n)
        return Jacobian(
            energies,
            forces,
            _unshifted(everything, energies_by, self.unknowns)[1],
            tuple(columns for columns, _ in unshifted),
            tuple(rows.reshape(-1, 3, size) for _, rows in unshifted),
        ).take(n_frames)

    @cached_property
    def _layout(self) -> _Layout:
        return _layout(self.blocks, self.unknowns, self.targets[0].positions.shape[1])

    @cached_property
    def _scatters(self) -> list[_Scatter]:
        return [_scatter(block, self.unknowns, self._layout) for block in self.blocks]

    @cached_property
    def _n_at_a_time(self) -> int:
        # Rows of the molecule, or those of one term before they are added up
        rows = [3 * block.rows.size * block.atoms_idx.shape[1] for block in self.blocks]
        most = max(1, int(_BYTES / (8 * (max([int(self._layout.starts[-1]), *rows]) + 1))))
        longest = self.longest or max(len(target.positions) for target in self.targets)
        return -(-longest // -(-longest // most))


def _unshifted(
    columns: Int[np.ndarray, " some"], rows: Float[np.ndarray, "some _"], unknowns: Unknowns
) -> tuple[Int[np.ndarray, " _"], Float[np.ndarray, "_ _"]]:
    """Derivatives by unknowns, ascending, from those by some unknowns and shifts."""
    n_own = int(np.searchsorted(columns, unknowns.n_unknowns))
    if n_own == len(columns):
        return columns, rows
    shifts = unknowns.shifts[columns[n_own:] - unknowns.n_unknowns]
    wanted = np.union1d(columns[:n_own], shifts.indices)
    by = shifts[:, wanted].T @ rows[n_own:]
    by[np.searchsorted(wanted, columns[:n_own])] += rows[:n_own]
    return wanted, by


class _Sums:
    """Collects rows of residuals and of the Jacobian; of the matrix one triangle."""

    def __init__(self, n_unknowns: int):
        self._cost = 0.0
        self._gradient = np.zeros(n_unknowns)
        self._matrix = np.zeros((n_unknowns, n_unknowns))
        self._squares = {"forces": 0.0, "energies": 0.0}
        self._counts = {"forces": 0, "energies": 0}

    def add(
        self,
        kind: str,
        residuals: Float[np.ndarray, "*rows"],
        known: Bool[np.ndarray, "*rows"],
        columns: Int[np.ndarray, " some"],
        rows: Float[np.ndarray, "some *rows"],
        weight: float,
    ) -> None:
        """Columns are ascending, so that a triangle stays a triangle."""
        residuals, rows = residuals.reshape(-1), rows.reshape(len(columns), -1)
        labelled = known.reshape(-1)
        if not labelled.all():
            residuals, rows = residuals[labelled], rows[:, labelled]
        if not np.isfinite(residuals).all():
            self._cost = np.nan
            return
        squares = float(residuals @ residuals)
        self._squares[kind] += squares
        self._counts[kind] += len(residuals)
        if len(residuals) and len(columns) and weight > 0:
            self._cost += weight * squares
            self._gradient[columns] += weight * (rows @ residuals)
            (syrk,) = get_blas_funcs(("syrk",), (rows,))
            self._matrix[np.ix_(columns, columns)] += syrk(weight, rows.T, trans=1)

    def total(self) -> NormalEquations:
        rmse = {
            kind: (self._squares[kind] / count) ** 0.5 if count else np.nan
            for kind, count in self._counts.items()
        }
        return NormalEquations(
            self._cost,
            self._gradient,
            self._matrix + np.triu(self._matrix, 1).T,
            force_rmse=rmse["forces"],
            energy_rmse=rmse["energies"],
        )
