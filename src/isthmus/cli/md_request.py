"""What `isthmus md` was asked for, its defaults, and combinations that make no sense."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from isthmus.errors import InputError

__all__ = ["Request", "Settled", "settle"]

ENGINES: Final = ("jax", "openmm")
FORMATS: Final = ("dcd", "xtc")
THERMOSTATS: Final = ("langevin", "nve", "nose-hoover", "bussi", "isokinetic")
BAROSTATS: Final = ("monte-carlo", "monte-carlo-anisotropic", "cell-rescaling")
CONSTRAINTS: Final = ("none", "hydrogens")
PRECISIONS: Final = {
    "jax": ("float32", "compensated", "float64"),
    "openmm": ("mixed", "single", "double"),
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of the command as they came; None where one was not given."""

    model: str
    structure: str
    output: str = "md"
    engine: str = "jax"
    ns: float | None = None
    steps: int | None = None
    temperature: float | None = None
    pressure: float | None = None
    timestep_fs: float | None = None
    thermostat: str = "langevin"
    friction: float | None = None
    barostat: str | None = None
    report_ps: float = 1.0
    format: str = "dcd"
    replicas: int = 1
    seed: int = 0
    minimise: bool = True
    constraints: str | None = None
    hmr: bool = False
    respa: int | None = None
    inner: str | None = None
    precision: str | None = None
    solvent: str | None = None
    padding: float | None = None
    ions: float | None = None
    protein_force_field: str | None = None
    equilibrate_ps: float | None = None
    deterministic: bool = False
    charge: int | None = None
    ligands: tuple[str, ...] = ()
    smiles: bool = False
    resume: bool = False
    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A request with all defaults put in.

    Attributes:
        request: as it came.
        n_steps: of the whole run.
        report_every: steps between frames.
        timestep: [ps]; the outer one of RESPA.
        temperature: [K].
        friction: [1/ps]; None without a thermostat.
        barostat: None without a pressure.
        precision: of the engine.
    """

    request: Request
    n_steps: int
    report_every: int
    timestep: float
    temperature: float
    friction: float | None
    barostat: str | None
    precision: str

    def made_of(self) -> dict[str, Any]:
        """What a checkpoint must agree with, beside model and structure; words for people."""
        given = asdict(self.request)
        same = (
            "engine", "thermostat", "format", "replicas", "seed", "constraints", "hmr", "respa",
            "minimise", "solvent", "padding", "ions", "protein_force_field", "pressure",
            "equilibrate_ps", "deterministic",
        )  # fmt: skip
        return {name.replace("_", "-"): given[name] for name in same} | {
            "temperature": self.temperature,
            "timestep [fs]": round(self.timestep * 1000, 9),
            "friction": self.friction,
            "barostat": self.barostat,
            "precision": self.precision,
        }


def settle(request: Request) -> Settled:
    """Put defaults in, and refuse what makes no sense.

    Raises:
        InputError: names the option, and says what to do.
    """
    _check_choices(request)
    _check_numbers(request)
    _check_together(request)
    _check_engine(request)
    timestep = request.timestep_fs or _timestep(request)
    n_steps, report_every = _lengths(request, timestep)
    return Settled(
        request=request,
        n_steps=n_steps,
        report_every=report_every,
        timestep=timestep / 1000,
        temperature=300.0 if request.temperature is None else request.temperature,
        friction=_friction(request),
        barostat=None if request.pressure is None else request.barostat or BAROSTATS[0],
        precision=request.precision or PRECISIONS[request.engine][0],
    )


def _friction(request: Request) -> float | None:
    """The usual rate of a thermostat [1/ps]."""
    if request.thermostat == "nve":
        return None
    usual = {"langevin": 1.0, "isokinetic": 5.0}.get(request.thermostat, 10.0)
    return request.friction or usual


def _timestep(request: Request) -> float:
    """The usual step [fs]."""
    rigid = request.constraints == "hydrogens"
    if rigid and request.hmr:
        return 4.0
    return 2.0 if rigid or request.respa else 1.0


def _lengths(request: Request, timestep: float) -> tuple[int, int]:
    """Steps of the run, and between frames."""
    if request.ns is None and request.steps is None:
        raise InputError("how long? give --ns, such as --ns 1, or --steps")
    if request.ns is not None and request.steps is not None:
        raise InputError("--ns and --steps both say how long the run is: give one of them")
    n_steps = request.steps or round((request.ns or 0) * 1e6 / timestep)
    report_every = round(request.report_ps * 1e3 / timestep)
    if n_steps < 1 or report_every < 1:
        raise InputError(
            f"the run or the time between frames is shorter than one time step of {timestep:g} fs: "
            "make it longer, or --timestep smaller"
        )
    if report_every > n_steps:
        length = n_steps * timestep / 1000
        raise InputError(
            f"the run of {length:g} ps is shorter than the {request.report_ps:g} ps between frames "
            "(--report-every; 1 ps unless given) and would leave an empty trajectory: give "
            f"--report-every {length / 10:g}, or a longer run"
        )
    return n_steps, report_every


def _check_choices(request: Request) -> None:
    for option, given, known in (
        ("engine", request.engine, ENGINES),
        ("format", request.format, FORMATS),
        ("thermostat", request.thermostat, THERMOSTATS),
        ("barostat", request.barostat, BAROSTATS),
        ("constraints", request.constraints, CONSTRAINTS),
    ):
        if given is not None and given not in known:
            raise InputError(f"--{option} {given}: choose one of {', '.join(known)}")
    known = PRECISIONS[request.engine]
    if request.precision is not None and request.precision not in known:
        raise InputError(
            f"--precision {request.precision}: the engine {request.engine} has {', '.join(known)}"
        )


def _check_numbers(request: Request) -> None:
    for option, value in (
        ("ns", request.ns),
        ("steps", request.steps),
        ("temperature", request.temperature),
        ("timestep", request.timestep_fs),
        ("friction", request.friction),
        ("report-every", request.report_ps),
        ("replicas", request.replicas),
        ("respa", request.respa),
        ("padding", request.padding),
    ):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InputError(f"--{option} {value:g}: wanted is a number above 0")
    for option, value in (
        ("pressure", request.pressure),
        ("ions", request.ions),
        ("equilibrate", request.equilibrate_ps),
    ):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise InputError(f"--{option} {value:g}: wanted is 0 or more")
    if request.seed < 0:
        raise InputError(f"--seed {request.seed}: wanted is 0 or more")


def _check_together(request: Request) -> None:
    if request.barostat is not None and request.pressure is None:
        raise InputError(
            f"--barostat {request.barostat} without a pressure: add --pressure, such as "
            "--pressure 1, or leave it out"
        )
    if request.thermostat == "nve":
        if request.friction is not None:
            raise InputError("--friction with --thermostat nve, which has none: leave it out")
        if request.pressure is not None:
            raise InputError(
                "--pressure with --thermostat nve, which keeps the energy: choose a thermostat, or "
                "leave the pressure out"
            )
    if request.resume and request.overwrite:
        raise InputError("--overwrite starts anew, --resume goes on: give one of them")
    if request.solvent is None:
        for option, value in (("padding", request.padding), ("ions", request.ions)):
            if value is not None:
                raise InputError(f"--{option} without water: add --solvent, such as tip3p")
    if request.replicas > 1 and request.pressure is not None:
        raise InputError(
            "--replicas with --pressure: a barostat takes one system at a time; run the command "
            "once for each --seed"
        )
    if request.respa is not None and request.thermostat in ("nose-hoover", "bussi"):
        raise InputError(
            f"--respa with --thermostat {request.thermostat}: choose langevin, isokinetic or nve"
        )
    if request.respa is None and request.thermostat == "isokinetic":
        raise InputError("--thermostat isokinetic is for --respa: add it, or choose langevin")
    if request.barostat == "cell-rescaling" and request.thermostat == "isokinetic":
        raise InputError(
            "--thermostat isokinetic does not bear the rescaling of velocities by --barostat "
            "cell-rescaling: choose monte-carlo"
        )
    if request.constraints == "hydrogens" and request.thermostat == "isokinetic":
        raise InputError("--thermostat isokinetic takes no constraints: choose langevin")
    if request.inner is not None and request.respa is None:
        raise InputError("--inner is the cheaper of two models: say with --respa N how often")
    if request.respa is not None and request.respa < 2:
        raise InputError("--respa 1 is no multiple time step: leave it out, or give 2 or more")


def _check_engine(request: Request) -> None:
    if request.engine == "jax":
        for option, value in (
            ("solvent", request.solvent),
            ("protein-force-field", request.protein_force_field),
            ("equilibrate", request.equilibrate_ps),
        ):
            if value is not None:
                raise InputError(f"--{option} needs --engine openmm")
        if request.deterministic:
            raise InputError("--deterministic is for OpenMM; --engine jax always is: leave it out")
        return
    if request.replicas > 1:
        raise InputError(
            "--replicas needs --engine jax; with OpenMM run the command once for each --seed"
        )
    if request.respa is not None:
        raise InputError("--respa needs --engine jax")
    if request.thermostat in ("bussi", "isokinetic"):
        raise InputError(
            f"--thermostat {request.thermostat} needs --engine jax; OpenMM has langevin, "
            "nose-hoover and nve"
        )
    if request.barostat not in (None, "monte-carlo"):
        raise InputError(
            f"--barostat {request.barostat} needs --engine jax; OpenMM has monte-carlo here"
        )
