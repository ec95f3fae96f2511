"""Barostats: changes of the box, put between the steps of any integrator."""

__all__: list[str] = []
