"""Array types and the vocabulary of axis names.

Axis names used across the package: `atoms`, `bonds`, `angles`, `torsions`, `branches`,
`clusters`, `pairs`, `conformers`, `batch`; a trailing `3` is always x, y, z [nm].
"""

from collections.abc import Mapping
from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Array, Float

__all__ = ["Arrays", "Box", "Positions", "Scalar"]

Positions: TypeAlias = Float[Array, "atoms 3"] | Float[np.ndarray, "atoms 3"]
"""Cartesian coordinates [nm]."""

Box: TypeAlias = Float[Array, "3 3"] | Float[np.ndarray, "3 3"] | None
"""Cell vectors a, b, c as rows [nm], in OpenMM's reduced form; None without periodicity."""

Scalar: TypeAlias = Float[Array, ""]
"""A single number, e.g. an energy [kJ/mol]."""

Arrays: TypeAlias = Mapping[str, jax.Array | np.ndarray]
"""Named arrays, e.g. the parameters of one term, one value a cluster."""
