"""Array types and the vocabulary of axis names.

Axis names used across the package: `atoms`, `bonds`, `angles`, `torsions`, `branches`,
`clusters`, `pairs`, `conformers`, `batch`; a trailing `3` is always x, y, z [nm].
"""

from typing import TypeAlias

import numpy as np
from jaxtyping import Array, Float

__all__ = ["Box"]

Box: TypeAlias = Float[Array, "3 3"] | Float[np.ndarray, "3 3"] | None
"""Cell vectors a, b, c as rows [nm], in OpenMM's reduced form; None without periodicity."""
