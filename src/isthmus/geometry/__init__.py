"""Geometry: boxes, neighbour lists, internal coordinates. Pure functions of positions."""

__all__: list[str] = []
