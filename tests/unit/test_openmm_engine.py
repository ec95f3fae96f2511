"""OpenMM as an engine of runs: what it says when OpenMM refuses to go on."""

from pathlib import Path

import numpy as np
import pytest

from isthmus.chemistry.molecule import Molecule, combine
from isthmus.chemistry.smiles import from_smiles
from isthmus.deploy.md.checkpoint import resume_from
from isthmus.deploy.md.conditions import Conditions
from isthmus.deploy.md.engine import OpenMMEngine
from isthmus.deploy.md.prepare import Prepared, prepare
from isthmus.deploy.md.production import minimise, start
from isthmus.deploy.md.settings import Settings
from isthmus.simulate.run import Outcome, RunSettings, System, carry_out
from isthmus.simulate.run_paths import RunPaths


@pytest.fixture(scope="module")
def pool() -> Prepared:
    """27 molecules of rigid water in a box of 0.95 nm."""
    one = from_smiles("O", conformers=1)
    places = np.stack(np.meshgrid(*[np.arange(3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    moved = [
        Molecule.create(one.topology, one.positions - one.positions.mean(axis=0) + 0.31 * place)
        for place in places
    ]
    waters = combine(moved, box=0.95 * np.eye(3))
    return prepare(waters, "amber14/tip3p.xml", settings=Settings(cutoff=0.4))


def engine_of(prepared: Prepared, conditions: Conditions, platform: str) -> OpenMMEngine:
    simulation = start(prepared, conditions, platform=platform)
    minimise(simulation, max_steps=100)

    def restored(data: bytes):
        return resume_from(prepared, conditions, data).simulation

    return OpenMMEngine(simulation, restored)


def carried_out(engine: OpenMMEngine, prepared: Prepared, folder: Path, **given) -> Outcome:
    paths = RunPaths.of(str(folder / "run"), format="dcd", structure="pdb", replicas=1)
    settings = RunSettings(temperature=300.0, report_every=100, **given)
    system = System(prepared.molecule.topology, prepared.topology)
    outcome = carry_out(engine, system, settings, paths, run={})
    assert paths.checkpoint.is_file()
    assert paths.last_good.is_file() == (outcome.ending == "broken")
    return outcome


def test_a_break_that_openmm_notices_itself_is_reported(pool: Prepared, tmp_path: Path) -> None:
    """The CPU platform with a cutoff raises where atoms are nowhere, at any look at its energy."""
    engine = engine_of(pool, Conditions(timestep=0.02, friction=0.01), "CPU")
    outcome = carried_out(engine, pool, tmp_path, n_steps=2000, timestep=0.02)
    assert outcome.ending == "broken"
    found = outcome.breakage
    assert found is not None
    assert np.isfinite(found.last_good.potential).all()
    assert np.isfinite(found.last_good.positions).all()
    assert found.step > found.last_good.step
    assert found.term


def test_a_box_that_becomes_too_small_is_reported(pool: Prepared, tmp_path: Path) -> None:
    conditions = Conditions(timestep=0.002, pressure=200_000.0, barostat_every=1)
    engine = engine_of(pool, conditions, "Reference")
    outcome = carried_out(engine, pool, tmp_path, n_steps=4000, timestep=0.002)
    assert outcome.ending == "broken"
    found = outcome.breakage
    assert found is not None
    assert engine.failure is not None
    assert "twice the nonbonded cutoff" in engine.failure
    assert found.step == found.last_good.step + 1
    assert np.isfinite(found.last_good.potential).all()


def test_what_openmm_says_is_kept_until_the_engine_goes_back(pool: Prepared) -> None:
    engine = engine_of(pool, Conditions(timestep=0.02, friction=0.01), "CPU")
    snapshot, before = engine.snapshot(), engine.record()
    for _ in range(100):
        engine.advance(10)
        record = engine.record()
        if not np.isfinite(record.potential).all():
            break
    assert engine.failure is not None
    assert "Particle coordinate is NaN" in engine.failure
    assert "https" not in engine.failure
    assert not np.isfinite(record.positions).all()
    again = engine.record()
    assert again.step == record.step
    engine.restore(snapshot)
    assert engine.failure is None
    np.testing.assert_array_equal(engine.record().positions, before.positions)
