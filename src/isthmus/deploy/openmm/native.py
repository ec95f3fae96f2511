"""OpenMM's native forces as formula terms: the one place where both languages are spelled out.

The importer makes these terms; the exporter recognises any formula that is equal to one of them
and writes the native force back. Formulas are those of the OpenMM User Guide, section "Standard
Forces".

| force | kind | formula | parameters |
|---|---|---|---|
| HarmonicBondForce | bond | k/2 (r−r0)² | k, r0 |
| HarmonicAngleForce | angle | k/2 (θ−θ0)² | k, theta0 |
| PeriodicTorsionForce | torsion | Σ kn (1 + cos(nφ−phasen)) | kn, phasen for each n used |
| RBTorsionForce | torsion | Σ cn cosⁿ(φ−π), n = 0..5 | c0 … c5 |
| NonbondedForce | pair | 4ε((σ/r)¹²−(σ/r)⁶), Lorentz-Berthelot | sigma, epsilon per atom |
| NonbondedForce | pair | C q1 q2 / r | charge per atom |
| NonbondedForce exception | pair14 | C qq / r + 4ε((σ/r)¹²−(σ/r)⁶) | chargeprod, sigma, epsilon |
"""

from collections.abc import Iterable

from isthmus.terms.formula import FormulaTerm
from isthmus.terms.parameter import Parameter

__all__ = [
    "coulomb",
    "exception",
    "harmonic_angle",
    "harmonic_bond",
    "lennard_jones",
    "periodic_torsion",
    "rb_torsion",
]


def harmonic_bond(name: str) -> FormulaTerm:
    """HarmonicBondForce; also Urey-Bradley terms, between atoms 1 and 3 of an angle."""
    return FormulaTerm(
        name,
        "bond",
        "k/2*(r-r0)^2",
        (
            Parameter("k", "kJ/mol/nm^2", scale=1e5, meaning="force constant"),
            Parameter("r0", "nm", default=0.14, scale=0.01, meaning="equilibrium length"),
        ),
    )


def harmonic_angle(name: str) -> FormulaTerm:
    """HarmonicAngleForce."""
    return FormulaTerm(
        name,
        "angle",
        "k/2*(theta-theta0)^2",
        (
            Parameter("k", "kJ/mol/rad^2", scale=150.0, meaning="force constant"),
            Parameter("theta0", "rad", default=1.9, scale=0.1, meaning="equilibrium angle"),
        ),
    )


def periodic_torsion(name: str, orders: Iterable[int]) -> FormulaTerm:
    """PeriodicTorsionForce with one pair k, phase for each periodicity in `orders`."""
    used = sorted(set(orders))
    assert used
    parameters = tuple(
        parameter
        for n in used
        for parameter in (
            Parameter(f"k{n}", "kJ/mol", scale=1.0, meaning=f"{n}-fold half barrier"),
            Parameter(f"phase{n}", "rad", scale=0.1, meaning=f"phase of the {n}-fold cosine"),
        )
    )
    energy = " + ".join(f"k{n}*(1+cos({'' if n == 1 else f'{n}*'}phi-phase{n}))" for n in used)
    return FormulaTerm(name, "torsion", energy, parameters)


def rb_torsion(name: str) -> FormulaTerm:
    """RBTorsionForce: a polynomial in cos(φ−π) = −cos φ."""
    energy = "c0 - c1*cos(phi) + c2*cos(phi)^2 - c3*cos(phi)^3 + c4*cos(phi)^4 - c5*cos(phi)^5"
    parameters = tuple(Parameter(f"c{n}", "kJ/mol", scale=1.0) for n in range(6))
    return FormulaTerm(name, "torsion", energy, parameters)


def lennard_jones(name: str) -> FormulaTerm:
    """The Lennard-Jones part of NonbondedForce."""
    return FormulaTerm(
        name,
        "pair",
        "4*epsilon*((sigma/r)^12-(sigma/r)^6); sigma=(sigma1+sigma2)/2; "
        "epsilon=sqrt(epsilon1*epsilon2)",
        (
            Parameter("sigma", "nm", per="atom", default=0.3, scale=0.02),
            Parameter("epsilon", "kJ/mol", per="atom", minimum=0.0, scale=0.2),
        ),
        long_range="dispersion",
    )


def coulomb(name: str) -> FormulaTerm:
    """The Coulomb part of NonbondedForce; reaction field and Ewald sums follow from the method."""
    return FormulaTerm(
        name,
        "pair",
        "COULOMB*charge1*charge2/r",
        (Parameter("charge", "e", per="atom", scale=0.1, meaning="partial charge"),),
        long_range="coulomb",
    )


def exception(name: str) -> FormulaTerm:
    """Exceptions of NonbondedForce: pairs with numbers of their own, never cut off."""
    return FormulaTerm(
        name,
        "pair14",
        "COULOMB*chargeprod/r + 4*epsilon*((sigma/r)^12-(sigma/r)^6)",
        (
            Parameter("chargeprod", "e^2", scale=0.1, meaning="product of the charges"),
            Parameter("sigma", "nm", default=0.3, scale=0.02),
            Parameter("epsilon", "kJ/mol", minimum=0.0, scale=0.2),
        ),
    )
