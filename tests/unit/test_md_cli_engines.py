"""`isthmus md`: what both engines must agree on, and what is said of either."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import openmm
import pytest

from isthmus.chemistry.molecule import Molecule
from isthmus.chemistry.smiles import from_smiles
from isthmus.chemistry.topology import Topology
from isthmus.cli import main, md_summary, md_versions
from isthmus.cli.md_jax import chosen_mechanics, molecule_labels
from isthmus.cli.md_openmm import build
from isthmus.cli.md_request import Request, settle
from isthmus.cli.md_versions import Versioned, made_with
from isthmus.deploy.openmm.importing import from_openmm
from isthmus.deploy.spec import resolve_force_field
from isthmus.errors import InputError
from isthmus.simulate.barostats.molecules import Molecules
from isthmus.simulate.integrators.isokinetic_respa import IsokineticRespa

OPENMM = "md mmff94 O --smiles -o run --engine openmm --no-minimise --report-every 0.05"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command line in a folder of its own; gives exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def go(line: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main.run(line.split())
        shown = capsys.readouterr()
        return ended.value.code, shown.out, " ".join(shown.err.split())

    return go


@pytest.fixture(scope="module")
def water() -> Molecule:
    return from_smiles("O", conformers=1)


def four_sites() -> openmm.System:
    """Two waters with a site each, behind the atoms of both."""
    system = openmm.System()
    for mass in (16, 1, 1, 16, 1, 1, 0, 0):
        system.addParticle(mass)
    for site, oxygen in ((6, 3), (7, 0)):
        frame = openmm.ThreeParticleAverageSite(oxygen, oxygen + 1, oxygen + 2, 0.8, 0.1, 0.1)
        system.setVirtualSite(site, frame)
    return system


def test_a_site_moves_with_the_molecule_that_places_it() -> None:
    bonds = np.array([[0, 1], [0, 2], [3, 4], [3, 5]])
    topology = Topology.create([8, 1, 1, 8, 1, 1, 0, 0], bonds)
    item = from_openmm(four_sites()).bind(topology).parameterization
    labels = molecule_labels(topology, item)
    assert labels.tolist() == [0, 0, 0, 1, 1, 1, 1, 0]
    assert Molecules.create(labels, np.asarray(item.masses)).count == 2


def test_water_that_is_flexible_does_not_bear_long_steps(water: Molecule) -> None:
    potential = resolve_force_field("amber14", water).bind(water)
    given: dict[str, Any] = {"model": "amber14", "structure": "s", "steps": 1000, "hmr": True}
    rigid = settle(Request(constraints="hydrogens", **given))
    assert rigid.timestep == pytest.approx(0.004)
    assert chosen_mechanics(rigid, water, potential).degrees_of_freedom == 6
    flexible = settle(Request(timestep_fs=4.0, **given))
    with pytest.raises(InputError, match="here 1 flexible molecule of it"):
        chosen_mechanics(flexible, water, potential)
    free = settle(Request(timestep_fs=4.0, constraints="none", engine="openmm", **given))
    with pytest.raises(InputError, match="here 1 flexible molecule of it"):
        build(free, water, resuming=True)


def test_equilibration_that_breaks_is_no_wrong_input(run: Any) -> None:
    code, _, err = run(f"{OPENMM} --steps 100 --timestep 20 --equilibrate 20")
    assert code == 1, err
    assert "it broke while it was equilibrated" in err


class Still:
    """An engine that does nothing but keep a number."""

    failure, grain, value = None, 10, 3

    def snapshot(self) -> dict[str, np.ndarray]:
        return {"value": np.array(self.value)}

    def restore(self, snapshot: dict[str, np.ndarray]) -> None:
        assert set(snapshot) == {"value"}
        self.value = int(snapshot["value"])


def test_another_version_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    made = made_with("cpu")
    first = Versioned(Still(), made, told.append)  # pyright: ignore[reportArgumentType]
    snapshot = first.snapshot()
    first.restore(snapshot)
    assert not told
    other = {**made, "jax": "0.0.1"}
    second = Versioned(Still(), other, told.append)  # pyright: ignore[reportArgumentType]
    second.restore(snapshot)
    assert len(told) == 1
    assert f"another jax ({made['jax']} then, 0.0.1 now)" in told[0]
    second.restore({"value": np.array(4)})
    assert len(told) == 1
    monkeypatch.setattr(md_versions, "_PROCESSORS", "/no/such/file")
    assert made_with("cpu")["device"].startswith("cpu, ")


def test_a_checkpoint_of_another_version_goes_on_with_a_warning(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "md mmff94 O --smiles -o run --no-minimise --report-every 0.05"
    assert run(f"{line} --steps 100")[0] == 0
    monkeypatch.setattr("isthmus.__version__", "0.0.1")
    code, _, err = run(f"{line} --steps 200 --resume")
    assert code == 0
    assert "the checkpoint was made with another isthmus" in err
    code, _, err = run(f"{line} --steps 300 --resume")
    assert code == 0
    assert "another isthmus" not in err


def test_why_a_deterministic_run_is_not_exact_is_said(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(f"{OPENMM} --steps 100 --deterministic")[0] == 0
    monkeypatch.setattr("isthmus.deploy.md.checkpoint._why_not_exact", lambda *_: "the moon is new")
    code, _, err = run(f"{OPENMM} --steps 200 --deterministic --resume")
    assert code == 0, err
    assert "not bit by bit: the moon is new" in err


def test_four_fifths_are_those_of_the_isokinetic_thermostat() -> None:
    links = inspect.signature(IsokineticRespa.__init__).parameters["links"]
    assert links.default == md_summary._LINKS


@pytest.mark.slow
def test_the_temperature_of_isokinetic_dynamics_is_explained(run: Any) -> None:
    line = "md mmff94 CO --smiles -o run --no-minimise --report-every 0.05 --respa 2"
    code, out, _ = run(f"{line} --steps 200 --thermostat isokinetic")
    assert code == 0
    assert "expected are 240 K where positions are those of 300 K" in " ".join(out.split())
