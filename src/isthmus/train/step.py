"""One step of training, compiled; on several devices, each takes a batch of its own."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from isthmus.designs.design import Design
from isthmus.forcefield.forcefield import ForceField
from isthmus.train.batch import Batch
from isthmus.train.model import Measures, Residuals, errors, loss_and_gradient
from isthmus.train.optimiser import Packing
from isthmus.train.static_loss import LossWeights
from isthmus.train.trainable import Trainable

__all__ = ["Stepper", "TrainState"]


_QUICKLY: Final = {"xla_llvm_disable_expensive_passes": True}
"""Halves the time of compilation on a CPU, and does not slow the steps"""


class TrainState(eqx.Module):
    """All that a run carries from step to step.

    Attributes:
        weights: packed, see `isthmus.train.optimiser.Packing`.
        average: their running mean, which is what is measured and kept.
        optimiser: its memory.
    """

    weights: dict[str, Array]
    average: dict[str, Array]
    optimiser: Any


class Stepper:
    """Compiled functions of one design, one optimiser and one set of devices.

    Products of matrices are those of float32 on every device: sums of energies over a molecule
    are such products, and a GPU would round their numbers to 11 bits.
    """

    def __init__(
        self,
        force_field: ForceField,
        optimiser: optax.GradientTransformation,
        weights: LossWeights,
        devices: Sequence[jax.Device],  # pyright: ignore[reportInvalidTypeForm]
    ):
        design = force_field.design
        self._design = design
        self._start = Trainable.of(force_field)
        self._packing = Packing(self._start)
        self._optimiser = optimiser
        self._devices = tuple(devices)
        self._mesh = jax.sharding.Mesh(list(self._devices), ("devices",))
        options = _QUICKLY if self._devices[0].platform == "cpu" else None
        self._step = jax.jit(
            self._make_step(design, weights), donate_argnums=0, compiler_options=options
        )
        self._unpack = jax.jit(self._packing.unpack)
        self._errors = jax.jit(
            lambda packed, batch: errors(design, self._packing.unpack(packed), batch),
            compiler_options=options,
        )

    @property
    def n_devices(self) -> int:
        """How many batches a step takes."""
        return len(self._devices)

    def start(self) -> TrainState:
        """The state before the first step."""
        weights = self._packing.pack(self._start)
        state = TrainState(weights, weights, self._optimiser.init(weights))
        return jax.tree.map(jnp.array, state)

    def force_field(self, packed: Mapping[str, Array | np.ndarray]) -> ForceField:
        """The force field with packed weights, on the host."""
        return jax.tree.map(np.array, self._unpack(dict(packed))).force_field(self._design)

    def step(
        self, state: TrainState, batches: Sequence[Batch], *, rate: float, memory: float
    ) -> tuple[TrainState, Measures]:
        """One update; the state given is used up.

        Args:
            state: before the step.
            batches: one a device.
            rate: learning rate.
            memory: part of the running mean of the weights that stays.

        Returns:
            The state after the step, and its measures. Where the loss or its gradient is not
            finite, the state is the one before, and the loss of the measures is NaN.
        """
        given = batches[0] if self.n_devices == 1 else self._spread(batches)
        with jax.default_matmul_precision("highest"):
            return self._step(state, given, jnp.float32(rate), jnp.float32(memory))

    def errors(self, packed: Mapping[str, Array], batch: Batch) -> Residuals:
        """Errors on a batch, on one device."""
        with jax.default_matmul_precision("highest"):
            return self._errors(dict(packed), batch)

    def _spread(self, batches: Sequence[Batch]) -> Batch:
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
        along = jax.sharding.PartitionSpec("devices")
        return jax.device_put(stacked, jax.sharding.NamedSharding(self._mesh, along))

    def _make_step(self, design: Design, weights: LossWeights) -> Callable:
        def gradient(trainable: Trainable, batch: Batch) -> tuple[Measures, Trainable]:
            return loss_and_gradient(design, trainable, batch, weights)

        def on_device(trainable: Trainable, batch: Batch) -> tuple[Measures, Trainable]:
            own = jax.tree.map(lambda leaf: leaf[0], batch)
            measures, slope = gradient(trainable, own)
            total = jax.lax.psum(measures, "devices")
            total = eqx.tree_at(lambda m: m.loss, total, total.loss / self.n_devices)
            return total, jax.lax.pmean(slope, "devices")

        def step(
            state: TrainState, batch: Batch, rate: Float[Array, ""], memory: Float[Array, ""]
        ) -> tuple[TrainState, Measures]:
            function = gradient
            if self.n_devices > 1:
                spec = jax.sharding.PartitionSpec
                function = jax.shard_map(
                    on_device,
                    mesh=self._mesh,
                    in_specs=(spec(), spec("devices")),
                    out_specs=(spec(), spec()),
                    # Else the gradient of what all devices share comes already summed
                    check_vma=False,
                )
            measures, slope = function(self._packing.unpack(state.weights), batch)
            slope = self._packing.pack(slope)
            finite = jnp.isfinite(optax.tree.norm(slope)) & jnp.isfinite(measures.loss)
            lost = jnp.where(finite, measures.loss, jnp.nan)
            measures = eqx.tree_at(lambda m: m.loss, measures, lost)
            change, optimiser = self._optimiser.update(slope, state.optimiser, state.weights)
            new = jax.tree.map(lambda w, c: w + rate * c, state.weights, change)
            average = jax.tree.map(lambda a, w: memory * a + (1 - memory) * w, state.average, new)
            after = TrainState(new, average, optimiser)
            # Momentum moves weights without any gradient too, and at full size in Muon
            kept = jax.tree.map(lambda a, b: jnp.where(finite, a, b), after, state)
            return kept, measures

        return step
