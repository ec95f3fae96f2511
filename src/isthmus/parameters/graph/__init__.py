"""Parameters from the graph: a message-passing network on the molecular graph."""

__all__: list[str] = []
