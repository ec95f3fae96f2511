"""Force fields and potentials: designs with numbers, bound to systems."""

__all__: list[str] = []
