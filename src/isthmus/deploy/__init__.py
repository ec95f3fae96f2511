"""Deployment: force fields to and from other engines, one target a file."""

__all__: list[str] = []
