"""Energy that should be constant: its drift, and how its fluctuation depends on the time step.

Drift. Velocity Verlet keeps not the energy H but, nearly, the shadow energy

    H̃ = H + dt² (vᵀ w / 12 − Fᵀ m⁻¹ F / 24) + dt⁴ wᵀ m⁻¹ w / 48,   w = ∇²U v

(Skeel and Hardy, SIAM J. Sci. Comput. 23, 1172 (2001); Engle, Skeel and Drees, J. Comput. Phys.
206, 432 (2005); the term in dt⁴ is that of harmonic motion). H drifts as H̃ does, for their
difference is bounded; but a drift that would drown in the fluctuation of H for nanoseconds shows
in H̃ within picoseconds. w is a difference of forces. With constraints H itself is taken.

Fluctuation. From the same start, over the same time, at four time steps: the standard deviation of
H goes with dt² if forces are the gradient of a smooth energy.
"""

from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.evaluate.physics.check import Check, Line, Panel, judged, not_applicable
from isthmus.evaluate.physics.laboratory import Laboratory
from isthmus.evaluate.physics.motion import Motion, conserved_energies
from isthmus.evaluate.physics.settings import TIMESTEP
from isthmus.evaluate.physics.statistics import slope_of
from isthmus.evaluate.physics.subject import evaluate_frames
from isthmus.simulate.surface import Surface
from isthmus.words import counted

__all__ = ["GROUP", "check_conservation", "judge_drift", "shadow_energies"]

GROUP: Final = "conservation"
DRIFT_NAME: Final = "NVE drift, 0.5 fs"
ORDER_NAME: Final = "energy fluctuation ∝ dt²"
_HALVINGS: Final = (0.001, 0.0005, 0.00025, 0.000125)
_SPAN: Final = 0.1
_SHORTEST: Final = 1.0
"""Run from which a drift can be told from a fluctuation [ps]"""

_NEARBY: Final = 1e-5
"""Time over which forces are compared for ∇²U v [ps]: displacements of 1e-5 nm"""

_UNIT: Final = "kT/ns/dof"
_UNSTABLE: Final = "no replica survived the run before it: see the check of stability"


def check_conservation(laboratory: Laboratory) -> list[Check]:
    """Drift and order of the energy at constant energy."""
    if not len(laboratory.thermal):
        return [not_applicable(GROUP, name, _UNSTABLE) for name in (DRIFT_NAME, ORDER_NAME)]
    return [_drift(laboratory), _order(laboratory)]


def _drift(laboratory: Laboratory) -> Check:
    subject, settings = laboratory.subject, laboratory.settings
    every = 20
    n_steps = settings.steps(
        20_000 if settings.quick else 80_000,
        subject.n_atoms,
        len(laboratory.newton_starts),
        grain=every,
        least=16,
        batched=laboratory.batched,
    )
    if n_steps * TIMESTEP < _SHORTEST:
        return not_applicable(
            GROUP,
            DRIFT_NAME,
            f"{n_steps * TIMESTEP:.2g} ps, which is what a system of this size gets, are too short "
            "to say: leave out --quick, or check a smaller system",
        )
    motion = laboratory.newton(TIMESTEP, n_records=n_steps // every, every=every)
    n_lost = int((~motion.finite).sum())
    if n_lost:
        return judged(
            GROUP,
            DRIFT_NAME,
            float("nan"),
            threshold=4e-4,
            goal=2.3e-5,
            unit=_UNIT,
            source=_DRIFT_SOURCE,
            note=f"{n_lost} of {counted(len(motion.finite), 'replica')} went to infinity",
        )
    kind = "H" if motion.mechanics.constraints is not None else "shadow energy"
    energies = (
        conserved_energies(subject.double, motion)
        if kind == "H"
        else shadow_energies(subject.double, motion)
    )
    size = f"{counted(energies.shape[1], 'replica')} × {motion.times[-1]:.3g} ps"
    note = f"{size}, {kind}, {laboratory.arithmetic}"
    return judge_drift(motion.times, energies / laboratory.per_degree, note=note)


_DRIFT_SOURCE: Final = "OpenMM single / mixed"


def judge_drift(
    times: Float[np.ndarray, " records"],
    energies: Float[np.ndarray, "records replicas"],
    *,
    note: str = "",
) -> Check:
    """Drift of energies [kT per degree of freedom] over times [ps].

    Args:
        times: evenly spaced.
        energies: that should be constant.
        note: how they came about.
    """
    estimate = slope_of(times, energies)
    value, error = abs(estimate.value) * 1000, estimate.error * 1000
    shown = energies - energies[0]
    lines = [Line(times, shown[:, k]) for k in range(min(shown.shape[1], 12))]
    lines.append(Line(times, shown.mean(axis=1), "mean of all replicas"))
    panel = Panel(
        "Energy at constant energy, 0.5 fs",
        "time [ps]",
        "energy less the first [kT per degree of freedom]",
        tuple(lines),
    )
    return judged(
        GROUP,
        DRIFT_NAME,
        value,
        threshold=4e-4,
        goal=2.3e-5,
        unit=_UNIT,
        error=error,
        source=_DRIFT_SOURCE,
        note=note,
        panels=(panel,),
    )


def shadow_energies(surface: Surface, motion: Motion) -> Float[np.ndarray, "records replicas"]:
    """The energy that velocity Verlet keeps up to dt⁴ [kJ/mol].

    Args:
        surface: in float64.
        motion: by velocity Verlet without constraints, all of it finite.
    """
    shape, atoms = motion.potential.shape, motion.positions.shape[2:]
    x, v = motion.positions.reshape(-1, *atoms), motion.velocities.reshape(-1, *atoms)
    _, forces = evaluate_frames(surface, x, motion.box)
    _, ahead = evaluate_frames(surface, x + _NEARBY * v, motion.box)
    _, behind = evaluate_frames(surface, x - _NEARBY * v, motion.box)
    bent = (behind - ahead) / (2 * _NEARBY)
    inverse = np.asarray(motion.mechanics.inverse_masses)
    second = ((bent * v) / 12 - forces**2 * inverse / 24).sum(axis=(1, 2))
    fourth = (bent**2 * inverse).sum(axis=(1, 2)) / 48
    correction = motion.timestep**2 * second + motion.timestep**4 * fourth
    return conserved_energies(surface, motion) + correction.reshape(shape)


def _order(laboratory: Laboratory) -> Check:
    if laboratory.settings.quick and laboratory.subject.single.needs_neighbours:
        return not_applicable(GROUP, ORDER_NAME, "left out of a quick look at a large system")
    spreads = []
    for timestep in _HALVINGS:
        every = round(0.001 / timestep)
        motion = laboratory.newton(timestep, n_records=round(_SPAN / 0.001), every=every)
        if not motion.finite.all():
            return judged(
                GROUP,
                ORDER_NAME,
                float("nan"),
                threshold=25.0,
                goal=10.0,
                unit="%",
                source=_ORDER_SOURCE,
                note=f"went to infinity at {timestep * 1000:g} fs",
            )
        energies = conserved_energies(laboratory.subject.double, motion)
        spreads.append(float(np.sqrt(energies.var(axis=0).mean())))
    sizes = np.array(spreads)
    ratios = sizes[:-1] / sizes[1:]
    value = float(np.abs(ratios / 4 - 1).max()) * 100
    steps = np.array(_HALVINGS) * 1000
    panel = Panel(
        "Fluctuation of the energy at constant energy",
        "time step [fs]",
        "standard deviation [kT per degree of freedom]",
        (
            Line(steps, sizes / laboratory.per_degree, "measured", points=True),
            Line(steps, sizes[-1] * (steps / steps[-1]) ** 2 / laboratory.per_degree, "∝ dt²"),
        ),
        log_x=True,
        log_y=True,
    )
    return judged(
        GROUP,
        ORDER_NAME,
        value,
        threshold=25.0,
        goal=10.0,
        unit="%",
        source=_ORDER_SOURCE,
        note="ratios at halvings from 1 fs: " + ", ".join(f"{r:.2f}" for r in ratios),
        panels=(panel,),
    )


_ORDER_SOURCE: Final = "GROMACS, physical_validation"
