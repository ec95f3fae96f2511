"""Formula terms: names, units, symmetry, and the function that comes out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from isthmus.errors import FormulaError
from isthmus.terms.dimensions import parse_unit, unit_text
from isthmus.terms.formula import FormulaTerm
from isthmus.terms.kinds import KINDS, kind_named
from isthmus.terms.parameter import Parameter, Reference

K = Parameter("k", "kJ/mol/nm^2")
R0 = Parameter("r0", "nm")


def term(over: str, energy: str, *parameters: Parameter) -> FormulaTerm:
    return FormulaTerm("it", over, energy, parameters)


def test_a_right_formula_passes() -> None:
    term("bond", "k/2*(r-r0)^2", K, R0).check()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (term("bond", "k/2*(r-r1)^2", K, R0), "'r1' is neither a variable nor a declared"),
        (term("bond", "k*(r-r0)", K, R0), r"unit \[kJ/mol nm\^-1\], wanted is \[kJ/mol\]"),
        (term("bond", "k*r^2+r0", K, R0), r"are added, but their units differ"),
        (term("bond", "k*r^2", K, R0), "parameter 'r0' is not in the formula"),
        (term("bond", "k*r^2", K, Parameter("r", "nm")), "has the name of a variable"),
        (term("bond", "k*r^2*sin(r)", K), "'sin' of 'r', which has the unit \\[nm\\]"),
        (term("bond", "k*r^2*exp(-r)", K), "'exp' of '-r'"),
        (term("bond", "k*r^2", Parameter("k", "kcal/mol")), "energies are per mole, kJ/mol"),
        (term("bond", "k*r^2", Parameter("k", "furlong")), "unit 'furlong' is not understood"),
        (term("bond", "k*r^2", Parameter("k", "nm^(1/0)")), "unit 'nm.*' is not understood"),
        (term("bond", "exp*r^2", Parameter("exp", "kJ/mol/nm^2")), "'exp' has the name of a func"),
        (
            term("angle", "cos_of_theta*r13", Parameter("cos_of_theta", "kJ/mol/nm")),
            "'cos_of_theta' has a name that is taken",
        ),
        (
            term("angle", "k*step(r12-r0)*r13^2", K, R0),
            "changes when the angle is written the other way round",
        ),
        (
            term("angle", "k*sqrt(-1-theta/pi)*r13^2", K),
            "has no value at any of the points",
        ),
        (term("bonds", "k*r^2", K), "unknown cluster kind 'bonds': choose one of bond, angle"),
        (
            term("angle", "k*r12*theta", Parameter("k", "kJ/mol/nm/rad")),
            "changes when the angle is written the other way round",
        ),
        (
            term("branch", "k*h", Parameter("k", "kJ/mol/nm")),
            "changes when the branch is written the other way round",
        ),
        (
            term(
                "angle",
                "k*r12*r23-k*r12*r0",
                K,
                Parameter("r0", "nm", reference=Reference("bond", "r0", (1, 2))),
            ),
            "the same of atoms \\(3, 2\\) must be declared too",
        ),
        (
            term("angle", "k*r12*r23", Parameter("k", "kJ/mol/nm^2", images=(("reverse", "q"),))),
            "reverse = 'q' names no parameter",
        ),
        (
            term("pair", "k*r^2", Parameter("k", "kJ/mol/nm^2", per="residue")),
            "per = 'residue' is not known",
        ),
    ],
)
def test_a_wrong_formula_is_refused(wrong: FormulaTerm, message: str) -> None:
    with pytest.raises(FormulaError, match=message):
        wrong.check()


def test_an_unknown_unit_of_an_import_is_not_checked() -> None:
    term("bond", "k*(r-r0)^4", Parameter("k", None), Parameter("r0", None)).check()


def test_odd_parameters_may_balance_odd_variables() -> None:
    odd = Parameter("h0", "nm", images=(("swap23", "-h0"), ("swap34", "-h0")))
    term("branch", "k*(h-h0)^2", K, odd).check()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_kinds_are_closed_under_their_symmetries(kind) -> None:
    for symmetry in kind.symmetries:
        images = [kind.image(name, symmetry) for name in kind.variables]
        assert sorted(name for name, _ in images) == sorted(kind.variables)
        assert {sign for _, sign in images} <= {1, -1}


@pytest.mark.parametrize("unit", ["kJ/mol", "nm", "kJ/mol/nm^2", "rad", "1", "e", "nm^1.5"])
def test_units_are_read(unit: str) -> None:
    assert parse_unit(unit_text(parse_unit(unit)).replace(" ", "*")) == parse_unit(unit)


@pytest.mark.parametrize("n", range(1, 7))
def test_multiples_of_the_dihedral_need_no_arccos(n: int) -> None:
    """cos(nφ − δ) is computed from cos φ and sin φ alone, and is right for every φ."""
    compiled = term(
        "torsion", f"k*cos({n}*phi-d)", Parameter("k", "kJ/mol"), Parameter("d", "rad")
    ).compiled
    assert set(compiled.inputs) <= {"cos_of_phi", "sin_of_phi"}
    phi = np.linspace(-np.pi, np.pi, 37)
    values = {"k": jnp.array([1.7]), "d": jnp.array([0.4])}
    geometry = {"cos_of_phi": jnp.cos(phi), "sin_of_phi": jnp.sin(phi)}
    found = compiled.energy(compiled.prepare(values), geometry)
    np.testing.assert_allclose(found, 1.7 * np.cos(n * phi - 0.4), atol=3e-6)


def test_a_cosine_of_the_angle_needs_no_arccos() -> None:
    compiled = term(
        "angle", "k*(cos(theta)-c0)^2", Parameter("k", "kJ/mol"), Parameter("c0", "1")
    ).compiled
    assert compiled.inputs == ("cos_of_theta",)


def test_combining_rules_are_computed_once() -> None:
    """What depends on parameters alone is in `prepare`, not in the inner loop."""
    lj = term(
        "pair",
        "4*e*((s/r)^12-(s/r)^6); s=(s1+s2)/2; e=sqrt(e1*e2)",
        Parameter("s", "nm", per="atom"),
        Parameter("e", "kJ/mol", per="atom"),
    )
    lj.check()
    compiled = lj.compiled
    assert compiled.inputs == ("r",)
    values = {"s1": 0.3, "s2": 0.4, "e1": 0.5, "e2": 0.2}
    derived = compiled.prepare({name: jnp.array([v]) for name, v in values.items()})
    found = compiled.energy(derived, {"r": jnp.array([0.38])})
    s, e = 0.35, np.sqrt(0.1)
    wanted = 4 * e * ((s / 0.38) ** 12 - (s / 0.38) ** 6)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_the_known_kinds_are_listed() -> None:
    with pytest.raises(
        FormulaError, match="bond, angle, torsion, branch, path5, pair14, pair, atom"
    ):
        kind_named("improper")


@pytest.mark.parametrize("size", ["5e9", "1e30"])
def test_large_numbers_are_no_integers(size: str) -> None:
    compiled = term("bond", f"{size}*k*r^2", K).compiled
    derived = compiled.prepare({"k": jnp.array([2.0])})
    found = compiled.energy(derived, {"r": jnp.array([3.0])})
    np.testing.assert_allclose(found, 18 * float(size), rtol=1e-6)


def test_a_depth_of_zero_spoils_no_gradient() -> None:
    compiled = term(
        "pair", "sqrt(e1*e2)*exp(-r/s); s=0.1", Parameter("e", None, per="atom")
    ).compiled

    def energy(depth: jax.Array) -> jax.Array:
        derived = compiled.prepare({"e1": depth[:2], "e2": depth[1:]})
        return jnp.sum(compiled.energy(derived, {"r": jnp.array([0.3, 0.4])}))

    slopes = jax.grad(energy)(jnp.array([0.5, 0.0, 2.0]))
    np.testing.assert_array_equal(slopes, 0.0)
    assert float(energy(jnp.array([0.5, 2.0, 0.0]))) == pytest.approx(np.exp(-3.0), rel=1e-6)


COULOMB_TERM = "COULOMB*charge1*charge2/r"


@pytest.mark.parametrize(
    ("over", "energy", "name", "per"),
    [
        ("pair", "0.5*" + COULOMB_TERM, "charge", "atom"),
        ("pair", COULOMB_TERM.replace("charge", "q"), "q", "atom"),
        ("pair14", COULOMB_TERM, "charge", "atom"),
    ],
)
def test_what_an_ewald_sum_replaces_must_be_the_coulomb_energy(
    over: str, energy: str, name: str, per: str
) -> None:
    wrong = FormulaTerm("it", over, energy, (Parameter(name, "e", per=per),), long_range="coulomb")
    with pytest.raises(FormulaError, match="long_range = 'coulomb' is for a term over pairs"):
        wrong.check()


TWELVE_SIX = "4*sqrt(e1*e2)*(((s1+s2)/2/r)^12-((s1+s2)/2/r)^6)"


def test_forces_of_atoms_nearly_upon_each_other_are_right_in_float32() -> None:
    """The derivative of a/r^12 by r holds r^-24, too large for float32 below 0.025 nm."""
    pair = term("pair14", TWELVE_SIX, *(Parameter(n, None, per="atom") for n in "es")).compiled
    found = []
    for dtype in (np.float32, np.float64):
        with jax.enable_x64(dtype is np.float64):
            r = jnp.asarray([0.005, 0.017, 0.1, 0.4], dtype=dtype)
            values = {n: jnp.full(4, {"e": 0.4, "s": 0.3}[n[0]], dtype) for n in pair.parameters}
            derived = pair.prepare(values)
            slope = jax.grad(lambda r, d=derived: pair.energy(d, {"r": r}).sum())(r)
            assert slope.dtype == dtype
            found.append(np.asarray(slope, dtype=np.float64))
    assert np.isfinite(found[0]).all()
    np.testing.assert_allclose(found[0], found[1], rtol=3e-5)


def test_the_inverse_of_a_distance_is_divided_for_once() -> None:
    """Energy and force of a pair: as dear as its powers, and one division."""
    compiled = term("pair", TWELVE_SIX, *(Parameter(n, None, per="atom") for n in "es")).compiled
    derived = compiled.prepare({n: jnp.ones(3) for n in compiled.parameters})
    forces = jax.value_and_grad(lambda r: compiled.energy(derived, {"r": r}).sum())
    lines = str(jax.jit(forces).lower(jnp.full(3, 0.3)).compile().as_text()).splitlines()
    assert sum(" divide(" in line for line in lines) == 1
    assert sum(" multiply(" in line for line in lines) <= 20
