"""Integrators: one a file, each a pair of `init` and `step` over an explicit state."""

__all__: list[str] = []
