"""Parameters from the graph: priors, symmetry, charges, gradients, batches, files."""

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import disturbed  # pyright: ignore[reportMissingImports]  (tests/contract)

from isthmus.chemistry.read import read
from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import Topology, concatenate
from isthmus.designs.design import Design
from isthmus.designs.schema import parse_design, preset
from isthmus.errors import DesignError, InputError
from isthmus.forcefield.binding import bind_parameterization
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.graph.bounds import bounded_values
from isthmus.parameters.graph.molecular_graph import molecular_graph, prior_values
from isthmus.parameters.graph.source import GraphSettings, GraphSource
from isthmus.parameters.graph.symmetry import symmetry_images
from isthmus.parameters.instantiate import clusters_of, instantiate
from isthmus.terms.formula import Coordinate, FormulaTerm
from isthmus.terms.parameter import Parameter

SMALL = GraphSettings(width=12, depth=3, head_width=12)
NAMES = ("class1", "class2", "class2plus")
MOLECULES = (
    "CC(=O)NC",
    "C[NH2+]CC([O-])=O",
    "N#CC1CC1",
    "Clc1ccncc1",
    "[Ca+2].[O-]C(=O)CC([O-])=O.C[NH3+].[Cl-].O",
)


def topology(smiles: str) -> Topology:
    return from_smiles(smiles, conformers=0).topology


def mixture() -> Topology:
    return concatenate([topology(smiles) for smiles in MOLECULES])


def trained(design: Design) -> GraphSource:
    """As if trained: nothing is at its prior."""
    return disturbed(GraphSource.create(design, seed=1, settings=SMALL))


compiled = jax.jit(lambda source, design, graph: source.values(design, graph), static_argnums=1)


def evaluate(source: GraphSource, design: Design, given: Topology) -> dict:
    return jax.tree.map(np.asarray, compiled(source, design, molecular_graph(design, given)))


@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_network_is_the_prior(name: str) -> None:
    design, given = preset(name), mixture()
    values = evaluate(GraphSource.create(design, settings=SMALL), design, given)
    wanted = prior_values(design, given)
    assert {k: set(v) for k, v in values.items()} == {k: set(v) for k, v in wanted.items()}
    for owner, parameters in wanted.items():
        for parameter, value in parameters.items():
            assert values[owner][parameter].dtype == np.float32
            np.testing.assert_array_equal(values[owner][parameter], value.astype(np.float32))


def test_the_prior_holds_molecules_together() -> None:
    mol = from_smiles("CC=O", conformers=1, seed=1)
    potential = ForceField.graph("class1", settings=SMALL).bind(mol.topology)
    assert np.abs(potential.energy_and_forces(mol.conformers[0]).forces).max() < 3000


@pytest.mark.parametrize("name", NAMES)
def test_parameters_keep_their_bounds(name: str) -> None:
    design = preset(name)
    source = jax.tree.map(lambda w: 20 * w, trained(design))
    values = evaluate(source, design, mixture())
    for owner, parameter in design.own_parameters():
        if parameter.unit == "e":
            continue
        found = values[owner.name][parameter.name]
        slack = 1e-6 * max(1.0, abs(parameter.maximum or 0))
        assert np.isfinite(found).all()
        assert parameter.minimum is None or (found >= parameter.minimum - slack).all()
        assert parameter.maximum is None or (found <= parameter.maximum + slack).all()


@pytest.mark.parametrize(
    ("low", "high"), [(None, None), (0.0, None), (None, 3.0), (0.0, 3.0), (1.0, 3.0)]
)
def test_the_map_to_bounds(low: float | None, high: float | None, x64: None) -> None:
    parameter = Parameter("p", default=1.0, minimum=low, maximum=high, scale=0.5)

    def value(raw: jax.Array) -> jax.Array:
        return bounded_values((parameter,), np.ones(1), raw[None, None])[0, 0]

    assert value(jnp.array(0.0)) == 1.0
    assert jax.grad(value)(jnp.array(0.0)) == 0.5  # also where the prior is at its bound
    steps = bounded_values((parameter,), np.ones(1), jnp.linspace(-40, 40, 201)[:, None])[:, 0]
    assert (jnp.diff(steps) >= 0).all()
    assert low is None or steps.min() >= low
    assert high is None or steps.max() <= high
    assert jnp.isfinite(jax.grad(value)(jnp.array(-1e6)))


def test_a_parameter_without_scale_stays() -> None:
    text = """
name = "stiff"
[[term]]
name = "bond"
over = "bond"
energy = "k/2*(r-r0)^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 3e5, scale = 0 }
parameters.r0 = { unit = "nm", default = "bond_length", scale = 0.01 }
"""
    design, given = parse_design(text), topology("CCO")
    values = evaluate(trained(design), design, given)["bond"]
    assert (values["k"] == 3e5).all()
    prior = prior_values(design, given)["bond"]["r0"]
    assert (values["r0"] != prior.astype(np.float32)).all()


@pytest.mark.parametrize("name", NAMES)
def test_every_image_of_a_cluster_has_the_image_of_its_parameters(name: str, x64: None) -> None:
    """V(s·c) = P_s V(c) for every symmetry and every term."""
    design, given = preset(name), topology("CC(=O)NC(C)F")
    source = jax.tree.map(lambda w: w.astype(np.float64), trained(design))
    graph = molecular_graph(design, given)
    for symmetry in ("reverse", "swap23", "swap34"):
        clusters = dict(graph.clusters)
        for key, table in graph.clusters.items():
            kind = next(o.kind for o in design.owners.values() if key.startswith(o.over))
            if symmetry not in kind.symmetries:
                continue
            image = next(
                i
                for i in symmetry_images(kind, {})
                if i.atoms == tuple(a - 1 for a in kind.symmetries[symmetry])
            )
            clusters[key] = replace(
                table,
                atoms=np.asarray(table.atoms)[:, image.atoms],
                bonds=np.asarray(table.bonds)[:, image.bonds],
            )
        turned = replace(graph, clusters=clusters)
        before = jax.tree.map(np.asarray, compiled(source, design, graph))
        after = jax.tree.map(np.asarray, compiled(source, design, turned))
        for owner, parameter in design.own_parameters():
            target = parameter.name
            if parameter.per == "cluster" and symmetry in owner.kind.symmetries:
                target = dict(parameter.images).get(symmetry, parameter.name)
            sign = -1 if target.startswith("-") else 1
            np.testing.assert_allclose(
                after[owner.name][parameter.name],
                sign * before[owner.name][target.removeprefix("-")],
                rtol=1e-12,
                atol=1e-12,
            )


def test_signs_under_a_symmetry() -> None:
    """A parameter that changes its sign under a swap is odd; one that names itself is 0 there."""
    text = """
name = "odd"
[[term]]
name = "tilt"
over = "branch"
energy = "a*chi+b*h^2"
parameters.a = { unit = "kJ/mol/rad", swap23 = "-a", swap34 = "-a", scale = 2 }
parameters.b = { unit = "kJ/mol/nm^2", scale = 5 }
"""
    design = parse_design(text)
    values = evaluate(trained(design), design, topology("C[C@H](F)Cl"))["tilt"]
    assert np.abs(values["a"]).max() > 1e-3
    same = evaluate(trained(design), design, topology("CF"))["tilt"]
    assert np.abs(same["a"]).max() < 1e-5
    assert np.abs(same["b"]).max() > 1e-3


def test_unequal_partners_are_refused() -> None:
    text = """
name = "unequal"
[[term]]
name = "cross"
over = "angle"
energy = "(k12*r12+k23*r23)*cos(theta)"
parameters.k12 = { unit = "kJ/mol/nm", reverse = "k23", scale = 1 }
parameters.k23 = { unit = "kJ/mol/nm", reverse = "k12", scale = 2 }
"""
    with pytest.raises(DesignError, match="'k12' and 'k23' trade places"):
        GraphSource.create(parse_design(text))
    with pytest.raises(DesignError, match="belongs to pairs"):
        GraphSource.create(preset("mmff"))


def orbit(owner: FormulaTerm | Coordinate, parameter: Parameter) -> set[str]:
    """All parameters whose place this one may take."""
    names, n_before = {parameter.name}, 0
    while len(names) > n_before:
        n_before = len(names)
        names |= {i for p in owner.parameters if p.name in names for _, i in p.images}
    return names


def test_renumbering_only_renumbers() -> None:
    """Parameters that trade places may do so; together they stay the same."""
    design, given = preset("class2plus"), mixture()
    source = trained(design)
    before = evaluate(source, design, given)
    order = np.random.default_rng(0).permutation(given.n_atoms)
    after = evaluate(source, design, given.subset(order))
    for owner, parameter in design.own_parameters():
        if parameter.per == "atom":
            a, b = (values[owner.name][parameter.name] for values in (before, after))
            np.testing.assert_allclose(b, a[order], rtol=1e-5, atol=1e-5)
            continue
        names = orbit(owner, parameter)
        a, b = (
            np.sort(np.concatenate([values[owner.name][name] for name in names]))
            for values in (before, after)
        )
        np.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-4 * parameter.scale)


def test_resonance_forms_have_the_same_parameters() -> None:
    design = preset("class1")
    source = trained(design)
    forms = [
        ("CC(=O)[O-]", "CC([O-])=O"),
        ("C[N+](=O)[O-]", "C[N+]([O-])=O"),
        ("CN=[N+]=[N-]", "C[N-][N+]#N"),
        ("CC(N)=[NH2+]", "CC(=[NH2+])N"),
        ("C[S+]([O-])C", "CS(=O)C"),
        ("Cc1ccccc1Cl", "CC1=CC=CC=C1Cl"),
    ]
    first, second = (
        evaluate(source, design, concatenate([topology(pair[which]) for pair in forms]))
        for which in (0, 1)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), first, second)


def test_equivalent_atoms_have_the_same_charge() -> None:
    design = preset("class1")
    charges = evaluate(trained(design), design, topology("CC(=O)[O-]"))["coulomb"]["charge"]
    np.testing.assert_allclose(charges[2], charges[3], atol=1e-6)
    np.testing.assert_allclose(charges[4:], charges[4], atol=1e-6)
    assert abs(charges[1] - charges[2]) > 1e-2


def test_charges_add_up_in_every_component() -> None:
    design, given = preset("class1"), mixture()
    source = trained(design)
    formal = np.bincount(given.components, weights=given.formal_charges)
    inside = evaluate(source, design, given)["coulomb"]["charge"]
    total = np.bincount(given.components, weights=inside)
    assert np.abs(inside - given.formal_charges).max() > 0.01
    np.testing.assert_allclose(total, formal, atol=1e-6)
    (group,) = ForceField(design, source).parameterise(given).pair_groups
    charges = np.asarray(group.terms[1].values["charge"])
    total = np.bincount(given.components, weights=charges)
    np.testing.assert_allclose(total, formal, atol=1e-12)
    np.testing.assert_allclose(charges, inside, atol=1e-6)


def test_a_protein(repository: Path) -> None:
    (mol,) = read(repository / "tests/data/alanine_dipeptide_in_water.pdb")
    design = preset("class1")
    parameterization = ForceField(design, trained(design)).parameterise(mol.topology)
    assert parameterization.n_atoms == mol.topology.n_atoms
    for term in parameterization.terms:
        for value in term.values.values():
            assert np.isfinite(value).all()


def test_molecules_together_are_as_one_by_one() -> None:
    design = preset("class1")
    source = trained(design)
    parts = [topology(smiles) for smiles in MOLECULES[:3]]
    together = evaluate(source, design, concatenate(parts))
    alone = [evaluate(source, design, part) for part in parts]
    joined = jax.tree.map(lambda *values: np.concatenate(values), *alone)
    for owner, parameter in design.own_parameters():
        np.testing.assert_allclose(
            together[owner.name][parameter.name],
            joined[owner.name][parameter.name],
            rtol=2e-5,
            atol=2e-5 * parameter.scale,
        )


def test_padding_changes_nothing() -> None:
    design, given = preset("class1"), topology("CC(=O)[O-].[Na+]")
    source = trained(design)
    plain = evaluate(source, design, given)
    padded = compiled(source, design, molecular_graph(design, given, padded=True))
    for owner, parameter in design.own_parameters():
        wanted = plain[owner.name][parameter.name]
        found = np.asarray(padded[owner.name][parameter.name])
        assert len(found) > len(wanted)
        assert np.isfinite(found).all()
        np.testing.assert_allclose(
            found[: len(wanted)], wanted, rtol=2e-5, atol=2e-5 * parameter.scale
        )
    for owner in design.owners.values():
        assert clusters_of(owner, given).ndim == 2


def loss(source: GraphSource, design: Design, mol, graph, precision: str) -> jax.Array:
    """Energy and forces squared, through binding."""
    values = source.values(design, graph)
    parameterization = instantiate(design, mol.topology, values)
    potential = bind_parameterization(parameterization, precision=precision)
    found = potential.energy_and_forces(jnp.asarray(mol.conformers[0], precision))
    return 1e-2 * jnp.asarray(found.energy) + 1e-6 * jnp.sum(jnp.asarray(found.forces) ** 2)


@pytest.mark.parametrize("name", ["class1", pytest.param("class2plus", marks=pytest.mark.slow)])
def test_gradients_reach_every_weight(name: str) -> None:
    design = preset(name)
    mol = from_smiles("C[NH2+]CC([O-])=O", conformers=1, seed=3)
    graph = molecular_graph(design, mol.topology)
    source = trained(design)

    @jax.jit
    def gradient(source: GraphSource) -> GraphSource:
        return jax.grad(loss)(source, design, mol, graph, "float32")

    found = gradient(source)
    for path, leaf in jax.tree_util.tree_leaves_with_path(found):
        assert np.isfinite(leaf).all(), path
        assert leaf.size == 0 or np.abs(leaf).max() > 0, path
    untrained = gradient(GraphSource.create(design, settings=SMALL))
    for head in untrained.heads.values():
        assert np.isfinite(head.rest.layers[-1].weight).all()
        assert np.abs(head.rest.layers[-1].weight).max() > 0
    for atom_head in untrained.atom_heads.values():
        assert np.abs(atom_head.layers[-1].weight).max() > 0


def test_the_gradient_is_the_slope(x64: None) -> None:
    design = preset("class1")
    mol = from_smiles("CC(=O)[O-]", conformers=1, seed=3)
    graph = molecular_graph(design, mol.topology)
    source = jax.tree.map(lambda w: w.astype(np.float64), trained(design))
    random = np.random.default_rng(0)
    direction = jax.tree.map(lambda w: random.normal(size=w.shape), source)

    @jax.jit
    def along(step: jax.Array) -> jax.Array:
        moved = jax.tree.map(lambda w, d: w + step * d, source, direction)
        return loss(moved, design, mol, graph, "float64")

    slope = jax.jit(jax.grad(along))(jnp.array(0.0))
    numeric = (along(jnp.array(1e-6)) - along(jnp.array(-1e-6))) / 2e-6
    assert abs(slope - numeric) < 1e-5 * max(1.0, abs(numeric))


def test_seeds_are_reproducible() -> None:
    design = preset("class1")
    one, same, other = (GraphSource.create(design, seed=seed, settings=SMALL) for seed in (3, 3, 4))
    assert all(
        np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(same), strict=True)
    )
    assert not np.array_equal(
        one.network.embedding.layers[0].weight, other.network.embedding.layers[0].weight
    )
    assert {leaf.dtype for leaf in jax.tree.leaves(one)} == {np.dtype(np.float32)}


def test_weights_fit_their_design_and_features() -> None:
    source, given = trained(preset("class1")), topology("CCO")
    with pytest.raises(InputError, match="use the design that it was made for"):
        ForceField(preset("class2plus"), source).parameterise(given)
    old = replace(source, settings=replace(SMALL, features_version=0))
    with pytest.raises(InputError, match=r"version 0 .* priors .* train it again"):
        ForceField(preset("class1"), old).parameterise(given)
    with pytest.raises(InputError, match="must be 1 or more"):
        GraphSettings(width=0)
