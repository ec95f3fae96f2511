"""Races: designs, saved models and other levels of theory, measured side by side."""
