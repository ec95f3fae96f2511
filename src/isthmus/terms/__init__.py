"""Terms: energy formulas over clusters and pairs, and the energies that are no formula."""

__all__: list[str] = []
