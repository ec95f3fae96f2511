"""Parameters: where the numbers of a design come from."""

__all__: list[str] = []
