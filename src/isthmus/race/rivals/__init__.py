"""Rivals: other levels of theory, beside which designs and models race."""
