"""Blocks that networks are put together from; each with its formula and source."""
