"""Bespoke fits: every parameter of a design fitted to the frames of one molecule."""

from isthmus.train.bespoke.fit import BespokeFit, BespokeSettings, BespokeStep, fit_bespoke

__all__ = ["BespokeFit", "BespokeSettings", "BespokeStep", "fit_bespoke"]
