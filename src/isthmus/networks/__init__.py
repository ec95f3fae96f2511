"""Networks over atoms and their neighbours: the machine-learning end of the design space."""
