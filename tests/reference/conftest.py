"""What comparisons with OpenMM share."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import ArrayLike

from isthmus.deploy.openmm import evaluate_openmm, from_openmm
from isthmus.forcefield.binding import bind_parameterization
from isthmus.parameters.parameterization import Parameterization
from isthmus.parameters.source import TableSource


@pytest.fixture
def assert_same_as_openmm() -> Callable[..., Parameterization]:
    """Imports a System and compares energy per force and forces with OpenMM's Reference platform.

    Returns the parameterization, so that a test can look at it more closely.
    """

    def compare(
        system: Any, positions: ArrayLike, *, box: ArrayLike | None = None, rtol: float = 1e-9
    ) -> Parameterization:
        source = from_openmm(system).source
        assert isinstance(source, TableSource)
        parameterization = source.parameterization
        potential = bind_parameterization(parameterization, precision="float64", box=box)
        expected = evaluate_openmm(system, positions, box=box)
        assert parameterization.origin is not None
        with jax.enable_x64(True):
            neighbours = potential.neighbours(positions) if potential.needs_neighbours else None

            def energies(x):
                terms = potential.term_energies(x, None, neighbours)
                return sum(terms.values()), terms

            evaluate = eqx.filter_jit(jax.value_and_grad(energies, has_aux=True))
            (_, terms), gradient = evaluate(jnp.asarray(positions))
        ours = parameterization.origin.by_force({n: float(e) for n, e in terms.items()})
        assert ours == pytest.approx(expected.by_force, rel=rtol, abs=1e-9)
        real = parameterization.masses > 0
        forces = expected.forces[real]
        size = np.sqrt(np.mean(forces**2))
        np.testing.assert_allclose(-np.asarray(gradient)[real], forces, rtol=0, atol=rtol * size)
        return parameterization

    return compare
