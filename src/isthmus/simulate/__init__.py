"""Motion: integrators, thermostats, barostats, and runs with their files."""

__all__: list[str] = []
