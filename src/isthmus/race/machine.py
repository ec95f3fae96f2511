"""Where a race is run."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from isthmus.race.record import Machine

__all__ = ["this_machine"]

_PACKAGES: Final = ("jax", "numpy", "openmm", "rdkit", "ase", "tblite")


def this_machine() -> Machine:
    """Processor, cores that may be used, memory, system, and versions of what computes."""
    import jax

    versions = {name: found for name in _PACKAGES if (found := _version(name)) is not None}
    device = jax.devices()[0]
    if device.platform != "cpu":
        versions["device of jax"] = device.device_kind
    return Machine(
        processor=_processor(),
        cores=_cores(),
        memory_GiB=_memory(),
        system=f"{platform.system()} {platform.release()} ({platform.machine()})",
        python=platform.python_version(),
        versions=versions,
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory() -> float | None:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    return round(pages * size / 2**30, 1)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
