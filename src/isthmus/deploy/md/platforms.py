"""Which of OpenMM's platforms runs a system."""

from dataclasses import dataclass, replace
from typing import Any, Final

from isthmus.errors import EngineMissingError, InputError

__all__ = ["PRECISIONS", "Platform", "choose_platform", "known_platforms"]

PRECISIONS: Final = ("mixed", "single", "double")
"""Of platforms that leave the choice; Reference computes in double, CPU in its own way."""

_FASTEST_FIRST: Final = ("CUDA", "HIP", "OpenCL", "CPU", "Reference")

REFERENCE_ATOMS: Final = 100
"""Below this many particles without a box, Reference is faster than CPU, whose threads must meet
several times a step; measured by benchmarks/openmm_md.py"""


@dataclass(frozen=True)
class Platform:
    """A platform with its properties.

    Attributes:
        name: of OpenMM.
        properties: for the Context.
        why: it was chosen, in a few words.
    """

    name: str
    properties: dict[str, str]
    why: str = "as asked for"

    def with_properties(self, properties: dict[str, str], *, of: str) -> "Platform":
        """With other properties, if they are those of this platform."""
        return replace(self, properties=dict(properties)) if of == self.name else self

    def handle(self) -> Any:
        """OpenMM's own object."""
        import openmm

        return openmm.Platform.getPlatformByName(self.name)


def known_platforms() -> tuple[str, ...]:
    """Platforms of this OpenMM."""
    import openmm

    return tuple(
        openmm.Platform.getPlatform(n).getName() for n in range(openmm.Platform.getNumPlatforms())
    )


def choose_platform(
    n_atoms: int,
    *,
    periodic: bool,
    name: str | None = None,
    precision: str = "mixed",
    deterministic: bool = False,
    threads: int | None = None,
) -> Platform:
    """The platform to run on.

    Args:
        n_atoms: particles of the system.
        periodic: whether pairs have a cutoff.
        name: a platform; None chooses.
        precision: one of `PRECISIONS`.
        deterministic: the same input gives the same bits: on CPU this needs one thread.
        threads: of the CPU platform; None takes what OpenMM takes.

    Raises:
        EngineMissingError: no such platform here.
        InputError: an unknown precision.
    """
    if precision not in PRECISIONS:
        raise InputError(f"unknown precision '{precision}': choose one of {', '.join(PRECISIONS)}")
    known = known_platforms()
    if name is not None:
        same = [k for k in known if k.lower() == name.lower()]
        if not same:
            raise EngineMissingError(
                f"OpenMM has no platform '{name}' here: choose one of {', '.join(known)}"
            )
        chosen, why = same[0], "as asked for"
    else:
        usable = [k for k in _FASTEST_FIRST if k in known]
        chosen, why = usable[0], f"the fastest of {', '.join(usable)} for it"
        if chosen == "CPU" and not periodic and n_atoms < REFERENCE_ATOMS:
            chosen = "Reference"
            why = f"faster than CPU below {REFERENCE_ATOMS} particles without a box"
    properties = {}
    if chosen in ("CUDA", "HIP", "OpenCL"):
        properties["Precision"] = precision
    if deterministic and chosen in ("CUDA", "HIP", "CPU"):
        properties["DeterministicForces"] = "true"
    if chosen == "CPU" and (deterministic or threads is not None):
        properties["Threads"] = "1" if deterministic else str(threads)
    return Platform(chosen, properties, why)
