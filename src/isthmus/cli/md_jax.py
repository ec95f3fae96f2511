"""`isthmus md --engine jax`: a system in our own engine, at the start of its run."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import typer
from jaxtyping import Int

from isthmus.cli.md_built import Built
from isthmus.cli.md_request import Settled
from isthmus.errors import InputError

if TYPE_CHECKING:
    from isthmus.chemistry.molecule import Molecule
    from isthmus.chemistry.topology import Topology
    from isthmus.forcefield.potential import Potential
    from isthmus.parameters.parameterization import Parameterization
    from isthmus.simulate.mechanics import Mechanics
    from isthmus.simulate.state import Integrator
    from isthmus.simulate.surface import Surface

__all__ = ["build", "chosen_mechanics", "molecule_labels"]

_TOLERANCE: Final = 50.0
"""Of the longest force: good enough to start from [kJ/mol/nm]"""
_MOST_MINIMISING: Final = 500
"""Evaluations"""
_BAROSTAT_EVERY: Final = 25
"""Steps between changes of the box"""
_ADAPTING_TRIALS: Final = 200


def build(settled: Settled, molecule: "Molecule", *, resuming: bool) -> Built:
    """Bind, minimise, and put together what moves the atoms.

    Args:
        settled: what was asked for.
        molecule: the structure; its first conformer is the start.
        resuming: the start will be replaced by a checkpoint, so it need not be minimised.

    Raises:
        InputError: a model, structure or combination that cannot be used.
    """
    import jax

    from isthmus.cli.console import working
    from isthmus.cli.md_model import model_fact
    from isthmus.deploy.md.momentum import conserves_momentum
    from isthmus.deploy.spec import resolve_force_field
    from isthmus.simulate.jax_engine import JaxEngine

    request = settled.request
    with working(f"binding {request.model}"):
        found = resolve_force_field(request.model, molecule)
        precision = "float64" if settled.precision == "float64" else "float32"
        potential = found.bind(molecule, precision=precision)
    box = potential.parameterization.box
    if settled.barostat is not None and box is None:
        raise InputError(
            "--pressure needs a periodic system, and this one has no box: leave the pressure out, "
            "or give a structure with a box (CRYST1 in PDB)"
        )
    mechanics = chosen_mechanics(settled, molecule, potential)
    positions = molecule.positions
    if request.minimise and not resuming:
        positions = _minimised(potential, mechanics, positions, box)
    with working("starting"):
        engine = JaxEngine(
            _integrator(settled, molecule, potential, mechanics),
            mechanics,
            np.repeat(positions[None], request.replicas, axis=0),
            temperature=settled.temperature,
            seed=request.seed,
            box=box,
            potential=potential,
            centred=conserves_momentum(potential),
        )
    return Built(
        engine=engine,
        molecule=molecule,
        facts={
            "model": model_fact(request.model),
            "engine": f"isthmus (JAX), {settled.precision}",
            "motion": _motion(settled, mechanics),
        },
        notes=() if found.note is None else (found.note,),
        made_of={},
        device=jax.devices()[0].device_kind,
    )


def chosen_mechanics(settled: Settled, molecule: "Molecule", potential: "Potential") -> "Mechanics":
    """Masses, constraints and degrees of freedom that were asked for.

    Raises:
        InputError: a bond to hydrogen of unknown length, or water that does not bear the step.
    """
    from isthmus.cli.md_water import check_water
    from isthmus.deploy.md.momentum import conserves_momentum
    from isthmus.parameters.parameterization import Constraints
    from isthmus.simulate.hydrogen_constraints import hydrogen_constraints
    from isthmus.simulate.hydrogen_mass import repartition_hydrogen_mass
    from isthmus.simulate.mechanics import mechanics_of

    request, masses, constraints = settled.request, None, None
    if request.hmr:
        masses = repartition_hydrogen_mass(molecule.topology, potential.parameterization.masses)
    if request.constraints == "hydrogens":
        constraints = hydrogen_constraints(molecule.topology, potential)
    elif request.constraints == "none":
        constraints = Constraints(np.zeros((0, 2), dtype=np.int32), np.zeros(0))
    # Noise on every particle moves the centre of mass, and so does what is held in the laboratory
    kept = request.thermostat not in ("langevin", "isokinetic") and conserves_momentum(potential)
    made = mechanics_of(potential, masses=masses, constraints=constraints, conserves_momentum=kept)
    solver = made.constraints
    held = None if solver is None else np.asarray(solver.pairs)
    check_water(settled, molecule.topology, held)
    return made


def _integrator(
    settled: Settled, molecule: "Molecule", potential: "Potential", mechanics: "Mechanics"
) -> "Integrator":
    """What moves atoms by the forces of a potential, and perhaps the box."""
    request = settled.request
    given: dict[str, Any] = {
        "timestep": settled.timestep,
        "accumulation": "compensated" if settled.precision == "compensated" else None,
    }
    if settled.friction is not None:
        given["temperature"] = settled.temperature
        rates = ("langevin", "isokinetic")
        name, value = ("friction", settled.friction)
        if request.thermostat not in rates:
            name, value = ("relaxation_time", 1 / settled.friction)
        given[name] = value
    if request.respa is None:
        made = _single_step(request.thermostat)(potential, mechanics, **given)
    else:
        parts = _parts(potential, settled, molecule)
        chosen = _two_steps(request.thermostat)
        made = chosen(*parts, mechanics, ratio=request.respa, **given)
    labels = molecule_labels(molecule.topology, potential.parameterization)
    return _pressured(settled, labels, mechanics, made)


def _single_step(thermostat: str) -> Callable[..., Any]:
    from isthmus.simulate.integrators.bussi import Bussi
    from isthmus.simulate.integrators.langevin import Langevin
    from isthmus.simulate.integrators.nose_hoover import NoseHoover
    from isthmus.simulate.integrators.verlet import VelocityVerlet

    return {
        "langevin": Langevin,
        "bussi": Bussi,
        "nose-hoover": NoseHoover,
        "nve": VelocityVerlet,
    }[thermostat]


def _two_steps(thermostat: str) -> Callable[..., Any]:
    from isthmus.simulate.integrators.isokinetic_respa import IsokineticRespa
    from isthmus.simulate.integrators.langevin_respa import LangevinRespa
    from isthmus.simulate.integrators.respa import Respa

    return {"langevin": LangevinRespa, "isokinetic": IsokineticRespa, "nve": Respa}[thermostat]


def _parts(
    potential: "Potential", settled: Settled, molecule: "Molecule"
) -> "tuple[Surface, Surface]":
    """What the inner steps evaluate, and what else there is.

    Raises:
        InputError: no cheaper model, and only one kind of terms; a cheaper model that cannot be
            bound to this system.
    """
    from isthmus.deploy.spec import resolve_force_field
    from isthmus.simulate.selection import bonded_terms
    from isthmus.simulate.surface import Difference, divide

    if settled.request.inner is not None:
        found = resolve_force_field(settled.request.inner, molecule)
        cheap = found.bind(molecule, precision=potential.precision)
        return cheap, Difference(potential, cheap)
    inner = bonded_terms(potential.parameterization)
    if not inner or len(inner) == len(potential.term_names):
        raise InputError(
            "--respa splits bonded terms from all others, and this model has only one kind: leave "
            "it out, or give a cheaper model with --inner"
        )
    return divide(potential, inner)


def _pressured(
    settled: Settled, labels: np.ndarray, mechanics: "Mechanics", integrator: Any
) -> "Integrator":
    from isthmus.simulate.barostats.molecules import Molecules
    from isthmus.simulate.barostats.montecarlo import MonteCarlo
    from isthmus.simulate.barostats.pressured import Pressured
    from isthmus.simulate.barostats.stochastic_cell import StochasticCell

    if settled.barostat is None:
        return integrator
    molecules = Molecules.create(labels, np.asarray(mechanics.masses))
    given: dict[str, Any] = {
        "temperature": settled.temperature,
        "pressure": settled.request.pressure,
    }
    if settled.barostat == "cell-rescaling":
        interval = _BAROSTAT_EVERY * settled.timestep
        barostat = StochasticCell(molecules, interval=interval, **given)
    else:
        axes = (True, True, True) if settled.barostat == "monte-carlo-anisotropic" else None
        barostat = MonteCarlo(molecules, axes=axes, adapt=_ADAPTING_TRIALS, **given)
    return Pressured(integrator, barostat, every=_BAROSTAT_EVERY)


def molecule_labels(
    topology: "Topology", parameterization: "Parameterization"
) -> Int[np.ndarray, " atoms"]:
    """Which molecule each particle moves with when the box changes, from 0.

    Atoms move with those that they are bonded to or held at a distance from, and virtual sites
    with the atoms that place them.

    Args:
        topology: of the whole system.
        parameterization: of the same system.
    """
    from isthmus.chemistry.graph import connected_components

    joined = [np.asarray(topology.bonds)]
    if parameterization.constraints is not None:
        joined.append(np.asarray(parameterization.constraints.pairs))
    sites = parameterization.virtual_sites
    for group in () if sites is None else sites.groups:
        ends = np.broadcast_to(group.sites[:, None], group.parents.shape)
        joined.append(np.stack([ends.ravel(), group.parents.ravel()], axis=1))
    return connected_components(np.concatenate(joined), n_atoms=topology.n_atoms)


def _minimised(
    potential: "Potential", mechanics: "Mechanics", positions: np.ndarray, box: np.ndarray | None
) -> np.ndarray:
    """A minimum near by, and a line about it.

    Raises:
        InputError: the energy has no lowest value there.
    """
    from isthmus.cli.console import working
    from isthmus.cli.md_minimised import say_minimised
    from isthmus.parameters.parameterization import Constraints
    from isthmus.simulate.minimise.minimise import minimise

    held = mechanics.constraints
    fixed = None
    if held is not None:
        fixed = Constraints(np.asarray(held.pairs), np.asarray(held.distances))
    limit = f"at most {_MOST_MINIMISING} evaluations"
    typer.echo(f"isthmus: minimising: compiling (up to a minute), then {limit}", err=True)
    with working("minimising"):
        found = minimise(
            potential,
            positions,
            box=box,
            constraints=fixed,
            tolerance=_TOLERANCE,
            max_steps=_MOST_MINIMISING,
        )
    if not (np.isfinite(found.energy) and np.isfinite(found.positions).all()):
        raise InputError(
            "minimising led to an energy that is not finite: the model has no lowest energy near "
            "this structure; start from another one, or with --no-minimise"
        )
    say_minimised(float(found.energy), float(found.max_force), wanted=_TOLERANCE)
    return found.positions


def _motion(settled: Settled, mechanics: "Mechanics") -> str:
    """Time steps and what is held, in a few words."""
    request = settled.request
    text = f"time step {settled.timestep * 1000:g} fs"
    if request.respa is not None:
        text += f" outside, {settled.timestep * 1000 / request.respa:g} fs for "
        text += request.inner or "bonded terms"
    held = 0 if mechanics.constraints is None else mechanics.constraints.n_constraints
    text += f", {held} distances held" if held else ", no constraints"
    if request.hmr:
        text += ", hydrogens of 3 Da"
    return text
