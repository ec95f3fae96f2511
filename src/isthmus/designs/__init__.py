"""Designs: lists of terms, written as TOML; points in the design space."""

__all__: list[str] = []
