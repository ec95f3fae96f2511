"""Reader of CustomGBForce, for the one model that we know: OBC2, as OpenMM's files write it.

`implicit/obc2.xml` and AmberPrmtopFile spell GBSA-OBC2 as a CustomGBForce with the per-particle
parameters charge, or = R − 0.009 nm and sr = s·or. Every other model is an error.
"""

import re
from collections.abc import Mapping
from typing import Final, NoReturn

from isthmus.deploy.openmm.reader_registry import ForceToRead, Reading, number, numbers, reads
from isthmus.terms.gbsa import ImplicitSolvent

__all__ = ["read_custom_gb"]

_OFFSET: Final = 0.009
_SURFACE: Final = 2.25936
_INTEGRAL: Final = (
    "select(step(r+sr2-or1), 0.5*(1/L-1/U+0.25*(r-sr2^2/r)*(1/(U^2)-1/(L^2))+0.5*log(L/U)/r), 0);"
    "U=r+sr2;L=max(or1, D);D=abs(r-sr2)"
)
_RADIUS: Final = (
    "1/(1/or-tanh(psi-0.8*psi^2+4.85*psi^3)/radius);psi=I*or; radius=or+offset; offset=0.009"
)
_SELF: Final = "-0.5*138.935485*(1/soluteDielectric-1/solventDielectric)*charge^2/B"
_AREA: Final = "28.3919551*(radius+0.14)^2*(radius/B)^6"
_PAIR: Final = "-138.935485*(1/soluteDielectric-1/solventDielectric)*charge1*charge2"
_DISTANCE: Final = "sqrt(r^2+B1*B2*exp(-r^2/(4*B1*B2)))"
_TOLERANCE: Final = 1e-9


@reads("CustomGBForce")
def read_custom_gb(item: ForceToRead) -> Reading:
    """GBSA-OBC2, with or without surface area, with or without a cutoff; no salt."""
    force = item.force
    cut = force.getNonbondedMethod() != force.NoCutoff
    cutoff = number(force.getCutoffDistance()) if cut else None
    names = [
        force.getPerParticleParameterName(n) for n in range(force.getNumPerParticleParameters())
    ]
    values = [force.getComputedValueParameters(n) for n in range(force.getNumComputedValues())]
    expected = [
        ("I", _INTEGRAL, force.ParticlePairNoExclusions),
        ("B", _RADIUS, force.SingleParticle),
    ]
    same = len(values) == 2 and all(
        name == wanted and kind == wanted_kind and _pieces(text) == _pieces(wanted_text)
        for (name, text, kind), (wanted, wanted_text, wanted_kind) in zip(
            values, expected, strict=True
        )
    )
    if not same or names != ["charge", "or", "sr"]:
        _refuse(item)
    dielectrics, surface = _energy_terms(item, cutoff)
    rows = [force.getParticleParameters(n) for n in range(force.getNumParticles())]
    charges, inner, screened = numbers(rows, 3).T
    special = ImplicitSolvent(
        item.label,
        charges,
        inner + _OFFSET,
        screened / inner,
        solute_dielectric=dielectrics[0],
        solvent_dielectric=dielectrics[1],
        surface_area_energy=surface,
        cutoff=cutoff,
        periodic=force.usesPeriodicBoundaryConditions(),
    )
    note = f"{item.label}: recognised as GBSA-OBC2; Coulomb's constant differs by 2e-7"
    return Reading(specials=(special,), notes=(note,))


def _energy_terms(item: ForceToRead, cutoff: float | None) -> tuple[tuple[float, float], float]:
    """Dielectric constants of solute and solvent, and the surface energy [kJ/mol/nm^2]."""
    force = item.force
    found: dict[str, Mapping[str, str]] = {}
    for n in range(force.getNumEnergyTerms()):
        text, kind = force.getEnergyTermParameters(n)
        main, definitions = _pieces(text)
        definitions = dict(definitions)
        if main == _SELF and kind == force.SingleParticle:
            found["self"] = definitions
        elif main == _AREA and kind == force.SingleParticle and _is_radius(definitions):
            found["area"] = definitions
        elif _is_pair(main, definitions, cutoff) and kind == force.ParticlePairNoExclusions:
            found["pair"] = definitions
        else:
            _refuse(item)
    if not {"self", "pair"} <= set(found) or len(found) != force.getNumEnergyTerms():
        _refuse(item)
    constants = [
        tuple(float(found[term][f"{part}Dielectric"]) for part in ("solute", "solvent"))
        for term in ("self", "pair")
    ]
    if constants[0] != constants[1]:
        _refuse(item)
    return (constants[0][0], constants[0][1]), _SURFACE if "area" in found else 0.0


def _is_radius(definitions: Mapping[str, str]) -> bool:
    offset = float(definitions.get("offset", "nan"))
    return definitions.get("radius") == "or+offset" and abs(offset - _OFFSET) < _TOLERANCE


def _is_pair(main: str, definitions: Mapping[str, str], cutoff: float | None) -> bool:
    if not main.startswith(_PAIR) or definitions.get("f") != _DISTANCE:
        return False
    rest = main.removeprefix(_PAIR)
    if cutoff is None:
        return rest == "/f"
    shift = re.fullmatch(r"\*\(1/f-([0-9.eE+-]+)\)", rest)
    return shift is not None and abs(float(shift.group(1)) - 1 / cutoff) < 1e-6 / cutoff


def _pieces(text: str) -> tuple[str, dict[str, str]]:
    """Main expression and definitions, without blanks."""
    main, *rest = "".join(text.split()).rstrip(";").split(";")
    return main, {name: value for name, _, value in (piece.partition("=") for piece in rest)}


def _refuse(item: ForceToRead) -> NoReturn:
    raise item.unsupported(
        "of the generalised Born models only OBC2 without salt can be imported",
        "make the System with implicit/obc2.xml, or with a GBSAOBCForce",
    )
