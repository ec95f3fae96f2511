"""Bespoke fits: known parameters come back, symmetry and bounds hold, users may stop early."""

import re

import numpy as np
import pytest

from isthmus.chemistry.smiles import from_smiles
from isthmus.data import Dataset, Entry
from isthmus.designs.schema import parse_design
from isthmus.errors import InputError
from isthmus.forcefield.forcefield import ForceField
from isthmus.parameters.source import FreeSource
from isthmus.train.bespoke import BespokeSettings, BespokeStep, fit_bespoke
from isthmus.train.bespoke.blocks import Derivatives, TermBlock

SPRINGS = """
name = "springs"
[[coordinate]]
name = "y"
over = "bond"
formula = "(1-exp(-a*(r-r0)))/a"
unit = "nm"
parameters.r0 = { unit = "nm", default = "bond_length", min = 0.05, max = 0.4, scale = 0.01 }
parameters.a = { unit = "1/nm", default = 20, min = 5, max = 40, scale = 3 }
[[term]]
name = "bond"
over = "bond"
energy = "k/2*y^2"
parameters.k = { unit = "kJ/mol/nm^2", default = 3e5, min = 0, scale = 1e5 }
[[term]]
name = "angle"
over = "angle"
energy = "k/2*(theta-t0)^2+(b12*y12+b23*y23)*(theta-t0)"
[term.parameters]
k = { unit = "kJ/mol/rad^2", default = 400, min = 0, scale = 150 }
t0 = { unit = "rad", default = "angle", min = 0.5, max = 3.14, scale = 0.1 }
b12 = { unit = "kJ/mol/nm/rad", reverse = "b23", scale = 500 }
b23 = { unit = "kJ/mol/nm/rad", reverse = "b12", scale = 500 }
[[term]]
name = "torsion"
over = "torsion"
energy = "v*cos(3*phi)"
parameters.v = { unit = "kJ/mol", scale = 1 }
[[term]]
name = "coulomb"
over = "pair"
form = "coulomb"
"""
LINEAR = """
name = "linear"
[[term]]
name = "bond"
over = "bond"
energy = "k*r^2-g*r"
parameters.k = { unit = "kJ/mol/nm^2", default = 1e5, scale = 1e5 }
parameters.g = { unit = "kJ/mol/nm", default = 2e4, scale = 1e4 }
[[term]]
name = "angle"
over = "angle"
energy = "k*cos(theta)"
parameters.k = { unit = "kJ/mol", default = 300, scale = 100 }
"""
EXACT = BespokeSettings(prior_strength=1e-9, tolerance=1e-13, max_steps=60, tie=False)


def frames(design: str, *, smiles: str = "CCO", n: int = 30, seed: int = 1) -> Entry:
    """Frames labelled by a force field of that design with random parameters."""
    molecule = from_smiles(smiles, conformers=1, seed=3)
    random = np.random.default_rng(seed)
    x = molecule.conformers[0] + random.normal(0, 0.008, (n, molecule.n_atoms, 3))
    force_field = ForceField.free(parse_design(design), molecule.topology, random_seed=seed)
    found = force_field.bind(molecule.topology, precision="float64").energy_and_forces(x)
    return Entry.create(
        smiles, molecule.topology, positions=x, energies=found.energy + 7, forces=found.forces
    )


def values(force_field: ForceField) -> dict[str, np.ndarray]:
    assert isinstance(force_field.source, FreeSource)
    table = force_field.source.values
    return {f"{o}.{p}": np.asarray(v) for o, by in table.items() for p, v in by.items()}


def test_known_parameters_come_back() -> None:
    entry = frames(SPRINGS)
    fit = fit_bespoke(parse_design(SPRINGS), entry, settings=EXACT)
    assert fit.history[-1].force_rmse < 1e-3
    truth = values(ForceField.free(parse_design(SPRINGS), entry.topology, random_seed=1))
    found = values(fit.force_field)
    for name in ("bond.k", "y.r0", "y.a", "angle.k", "angle.t0"):
        np.testing.assert_allclose(found[name], truth[name], rtol=2e-3)


def test_a_linear_design_is_solved_in_one_step() -> None:
    fit = fit_bespoke(parse_design(LINEAR), frames(LINEAR), settings=EXACT)
    assert [step.stage for step in fit.history] == ["linear unknowns", "linear unknowns"]
    assert fit.history[0].force_rmse > 100
    assert fit.history[1].force_rmse < 1e-4


@pytest.mark.slow
def test_symmetry_makes_values_equal_and_directed_ones_trade_places() -> None:
    design = parse_design(SPRINGS)
    entry = frames(SPRINGS, smiles="CCC")
    tied = fit_bespoke(design, entry, settings=BespokeSettings(max_steps=3))
    free = fit_bespoke(design, entry, settings=BespokeSettings(max_steps=3, tie=False))
    assert tied.n_parameters < free.n_parameters
    assert tied.n_values == free.n_values
    found = values(tied.force_field)
    # Propane: bonds C-C and two kinds of C-H; charges of CH3's C and H, of CH2's C and H
    assert len(np.unique(found["bond.k"])) == 3
    assert len(np.unique(found["coulomb.charge"].round(12))) == 4
    (row,) = np.flatnonzero((entry.topology.clusters.angles < 3).all(axis=1))
    assert found["angle.b12"][row] == found["angle.b23"][row] != 0


def test_the_total_charge_is_kept() -> None:
    entry = frames(SPRINGS, smiles="C[NH3+]")
    fit = fit_bespoke(parse_design(SPRINGS), entry, settings=BespokeSettings(max_steps=3))
    charges = values(fit.force_field)["coulomb.charge"]
    assert charges.sum() == pytest.approx(1, abs=1e-12)
    assert np.ptp(charges) > 0.05


def test_bounds_hold() -> None:
    entry = frames(SPRINGS)
    assert entry.forces is not None
    pushed = Entry.create(
        "wrong sign",
        entry.topology,
        positions=entry.positions,
        energies=-entry.energies,
        forces=-entry.forces,
    )
    fit = fit_bespoke(
        parse_design(SPRINGS), pushed, settings=BespokeSettings(prior_strength=1e-6, max_steps=6)
    )
    found = values(fit.force_field)
    # A fit stays within the bound by a ten-thousandth of the scale
    assert found["bond.k"].min() == pytest.approx(10)
    assert found["y.a"].min() >= 5
    assert found["y.a"].max() <= 40


def test_without_data_worth_speaking_of_parameters_stay_at_their_start() -> None:
    entry = frames(SPRINGS)
    fit = fit_bespoke(parse_design(SPRINGS), entry, settings=BespokeSettings(prior_strength=1e12))
    found = values(fit.force_field)
    np.testing.assert_allclose(found["bond.k"], 3e5, rtol=1e-3)
    np.testing.assert_allclose(found["angle.b12"], 0, atol=1)
    bonds = entry.topology.bonds
    lengths = np.linalg.norm(
        entry.positions[:, bonds[:, 0]] - entry.positions[:, bonds[:, 1]], axis=-1
    )
    # r0 starts at the mean length, those of one class at the mean of them
    assert found["y.r0"].mean() == pytest.approx(lengths.mean(), rel=1e-4)


def test_energies_alone_and_missing_forces() -> None:
    entry = frames(LINEAR, n=60)
    bare = Entry.create("bare", entry.topology, positions=entry.positions, energies=entry.energies)
    fit = fit_bespoke(
        parse_design(LINEAR), bare, settings=BespokeSettings(prior_strength=1e-6, tie=False)
    )
    assert np.isnan(fit.history[-1].force_rmse)
    assert fit.history[-1].energy_rmse < 1e-2 * fit.history[0].energy_rmse
    assert entry.forces is not None
    holes = entry.forces.copy()
    holes[::3] = np.nan
    partly = Entry.create(
        "partly",
        entry.topology,
        positions=entry.positions,
        energies=entry.energies,
        forces=holes,
    )
    fit = fit_bespoke(parse_design(LINEAR), Dataset.create([partly]), settings=EXACT)
    assert fit.history[-1].force_rmse < 1e-3


def test_the_best_so_far_is_there_when_stopped() -> None:
    seen: list[BespokeStep] = []

    def stop(step: BespokeStep) -> None:
        seen.append(step)
        if len(seen) == 2:
            raise KeyboardInterrupt

    entry, design = frames(LINEAR), parse_design(LINEAR)
    with pytest.raises(KeyboardInterrupt):
        fit_bespoke(design, entry, on_step=stop)
    energies = seen[-1].force_field.bind(entry.topology).energy(entry.positions)
    assert np.isfinite(energies).all()
    assert seen[1].cost < seen[0].cost


@pytest.mark.parametrize(("n_blocks", "n_trials"), [(1, 0), (3, 1)])
def test_a_fit_ends_between_the_terms_of_a_step(
    n_blocks: int, n_trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the two terms only so many are differentiated, in the preparation or in a trial."""
    done: list[str] = []
    derivatives = TermBlock.derivatives

    def counted(self: TermBlock, *given: np.ndarray) -> Derivatives:
        done.append(self.term.name)
        return derivatives(self, *given)

    monkeypatch.setattr(TermBlock, "derivatives", counted)
    entry, design = frames(LINEAR), parse_design(LINEAR)
    fit = fit_bespoke(design, entry, stop=lambda: len(done) >= n_blocks)
    assert fit.ending == "stopped"
    assert (len(done), len(fit.history)) == (n_blocks, n_trials)
    start = fit.history[0].force_field if n_trials else ForceField.free(design, entry.topology)
    for name, value in values(fit.force_field).items():
        np.testing.assert_allclose(value, values(start)[name], rtol=1e-12)
    late = fit_bespoke(design, entry, seconds=0.0)
    assert (late.ending, late.history, len(done)) == ("time", (), n_blocks)


def test_what_cannot_be_fitted_is_refused() -> None:
    entry = frames(LINEAR)
    other = frames(LINEAR, smiles="CCN")
    design = parse_design(LINEAR)
    with pytest.raises(InputError, match="one molecule"):
        fit_bespoke(design, Dataset.create([entry, other]))
    empty = Entry.create(
        "empty", entry.topology, positions=entry.positions, energies=np.full(30, np.nan)
    )
    with pytest.raises(InputError, match="neither forces nor two energies"):
        fit_bespoke(design, empty)
    held = parse_design(re.sub(r"scale = \w+", "scale = 0", LINEAR))
    with pytest.raises(InputError, match="nothing to fit: no parameter of the design 'linear'"):
        fit_bespoke(held, entry)
    with pytest.raises(InputError, match="prior_strength"):
        BespokeSettings(prior_strength=0.0)
