"""`import isthmus` gives the public names, each from its home, and nothing heavy at once."""

import pytest

import isthmus


@pytest.mark.parametrize("name", isthmus.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(isthmus, name) is not None
    assert name in dir(isthmus)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="module 'isthmus' has no attribute 'potential_of'"):
        _ = isthmus.potential_of  # pyright: ignore[reportAttributeAccessIssue]


def test_conformers_differ_whatever_the_seed() -> None:
    molecule = isthmus.from_smiles("CCCCO")
    for seed in (0, 1):
        first, second = molecule.with_conformers(2, seed=seed, relax=False).conformers
        assert abs(first - second).max() > 0.01
