"""Compiled functions are kept between processes, so that a second run starts at once.

The command line switches this on for its own process; importing the package never does.
"""

import hashlib
import os
import platform
import sys
from pathlib import Path

__all__ = ["cache_folder", "keep_compiled", "silence_loader"]

_WORTH_KEEPING = 0.05
"""Functions that take longer to compile than this are kept [s]"""


def cache_folder() -> Path:
    """The folder in the user's cache where compiled functions lie."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "isthmus" / "compiled" / _machine()


def _machine() -> str:
    """A short name of this kind of processor: compiled code runs on no other."""
    facts = [platform.machine(), platform.processor()]
    description = Path("/proc/cpuinfo")
    if description.is_file():
        lines = description.read_text(errors="replace").splitlines()
        facts += sorted({x for x in lines if x.startswith(("model name", "flags", "Features"))})
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def silence_loader() -> None:
    """Keep XLA from calling every function that it loads from the cache an error.

    It compares names of tuning flags with the features of the processor. Acts only before JAX
    is imported for the first time.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def keep_compiled() -> None:
    """Switch JAX's persistent cache on for this process.

    A folder that the user named in JAX_COMPILATION_CACHE_DIR is left as it is; where the cache
    folder cannot be made, nothing is kept.
    """
    import jax

    if jax.config.values["jax_compilation_cache_dir"] is not None:
        return
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_KEEPING)
