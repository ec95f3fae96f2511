"""A design: the list of terms of a force field, and what each parameter means.

A design says nothing about a particular molecule. It is written as TOML (see
`isthmus.designs.schema`) and is a point in the design space between MM and ML.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from isthmus.errors import DesignError
from isthmus.networks.declaration import NetworkTerm
from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.kinds import KINDS
from isthmus.terms.parameter import PRIOR_NAMES, Parameter, Reference

__all__ = ["Design"]

Owner = FormulaTerm | Coordinate


@dataclass(frozen=True)
class Design:
    """A named list of coordinates and terms.

    Attributes:
        name: short name, e.g. "class2plus".
        description: one or two sentences for people.
        references: papers or manuals that the functional form comes from.
        coordinates: derived coordinates, shared by the terms.
        terms: energy terms; over pairs they act on all pairs that are not excluded.
        text: the TOML it was read from, kept so that it can be saved with a model.
        networks: energies that networks over atoms and their neighbours give.
    """

    name: str
    description: str
    references: tuple[str, ...]
    coordinates: tuple[Coordinate, ...]
    terms: tuple[FormulaTerm, ...]
    text: str
    networks: tuple[NetworkTerm, ...] = ()

    @property
    def formulas(self) -> "Design":
        """The same design without its networks."""
        return replace(self, networks=())

    @property
    def only_networks(self) -> "Design":
        """The same design without its formulas."""
        return replace(self, coordinates=(), terms=())

    @cached_property
    def owners(self) -> dict[str, Owner]:
        """Coordinates and terms by name."""
        return {owner.name: owner for owner in (*self.coordinates, *self.terms)}

    def own_parameters(self) -> Iterator[tuple[Owner, Parameter]]:
        """Every parameter that has numbers of its own, with the term or coordinate it is of."""
        for owner in self.owners.values():
            for parameter in owner.parameters:
                if parameter.reference is None:
                    yield owner, parameter

    def check(self) -> None:
        """Check every formula and every reference.

        Raises:
            DesignError: names used twice, references that lead nowhere.
            FormulaError: a formula is wrong.
        """
        names = [owner.name for owner in (*self.coordinates, *self.terms, *self.networks)]
        for name in names:
            if names.count(name) > 1:
                raise DesignError(
                    f"design '{self.name}': two terms or coordinates are called '{name}'; "
                    "rename one"
                )
        if not self.terms and not self.networks:
            raise DesignError(
                f"design '{self.name}' has no [[term]] and no [[network]]: add at least one"
            )
        for owner, parameter in self.own_parameters():
            if isinstance(parameter.default, str) and parameter.default not in PRIOR_NAMES:
                raise DesignError(
                    f"{owner.where}, parameter '{parameter.name}': default = "
                    f"'{parameter.default}' is no prior; give a number or one of "
                    f"{', '.join(PRIOR_NAMES)}"
                )
        for network in self.networks:
            network.check()
        for coordinate in self.coordinates:
            coordinate.check()
        for term in self.terms:
            for parameter in term.parameters:
                if parameter.reference is not None:
                    self._check_reference(term, parameter, parameter.reference)
            term.check()

    def _check_reference(self, term: FormulaTerm, parameter: Parameter, found: Reference) -> None:
        where = f"{term.where}, parameter '{parameter.name}'"
        owner = self.owners.get(found.owner)
        if owner is None:
            raise DesignError(
                f"{where}: from = '{found.owner}.{found.parameter}' names no term or coordinate; "
                f"known are {', '.join(self.owners)}"
            )
        target = {p.name: p for p in owner.parameters}.get(found.parameter)
        if target is None:
            raise DesignError(
                f"{where}: '{found.owner}' has no parameter '{found.parameter}'; it has "
                f"{', '.join(p.name for p in owner.parameters)}"
            )
        if target.reference is not None:
            raise DesignError(
                f"{where}: '{found.owner}.{found.parameter}' is itself a reference; refer to "
                f"{target.reference.owner}.{target.reference.parameter}"
            )
        if parameter.per != target.per:
            raise DesignError(
                f"{where}: is per {parameter.per}, but its source is per {target.per}"
            )
        if parameter.per == "cluster" and (
            KINDS[owner.over].n_atoms != len(found.at)
            or not set(found.at) <= set(range(1, term.kind.n_atoms + 1))
        ):
            raise DesignError(
                f"{where}: at = {list(found.at)} must name {KINDS[owner.over].n_atoms} atoms of "
                f"the {term.over}, numbered from 1, that form a {owner.over}"
            )
