"""Acceptance tests of a force field as a surface to simulate on: one check a file."""

__all__: list[str] = []
