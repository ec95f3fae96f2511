"""Whatever can be part of a potential has a case in the contract suite."""

from families import CASES

import isthmus.parameters.mmff_source  # noqa: F401  (so that its class is known below)
from isthmus.designs.schema import design_names, preset
from isthmus.parameters.source import Source
from isthmus.terms.nonbonded_method import METHODS
from isthmus.terms.special import Special

COVERED = frozenset().union(*(case.covers for case in CASES))


def concrete(parent: type) -> set[type]:
    """All classes of ours below an abstract one."""
    children = [c for c in parent.__subclasses__() if c.__module__.startswith("isthmus.")]
    return set(children).union(*(concrete(child) for child in children))


def test_every_preset_is_covered() -> None:
    """Networks alone have a suite of their own, test_networks.py, over all architectures."""
    networks = {name for name in design_names() if not preset(name).terms}
    assert set(design_names()) - networks <= COVERED
    assert networks & COVERED


def test_every_method_is_covered() -> None:
    assert set(METHODS) - {"none"} <= COVERED  # "none" is how the presets are bound


def test_every_special_and_source_is_covered() -> None:
    assert concrete(Special) | concrete(Source) <= COVERED
