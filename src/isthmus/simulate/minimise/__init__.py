"""Minimisation: FIRE and L-BFGS on any surface, with or without constraints."""

__all__: list[str] = []
