"""What all benchmarks share: taking turns, medians, and the document that they write."""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

__all__ = ["Contender", "parser", "take_turns", "write"]


@dataclass
class Contender:
    """Something to be timed: `run` does `n_units` units of work, e.g. steps of one replica."""

    name: str
    run: Callable[[], object]
    n_units: int
    seconds: list[float] = field(default_factory=list)

    def row(self, *, scale: float = 1e6, **extra: Any) -> dict[str, Any]:
        """Median, lowest and highest time of one unit of work, in 1/scale seconds."""
        times = [s / self.n_units * scale for s in self.seconds]
        return {
            "case": self.name,
            **extra,
            "median": statistics.median(times),
            "low": min(times),
            "high": max(times),
        }


def take_turns(contenders: Sequence[Contender], turns: int) -> None:
    """Run all contenders once as a warm-up, then in turns, and note the times."""
    for contender in contenders:
        contender.run()
    for _ in range(turns):
        for contender in contenders:
            start = time.perf_counter()
            contender.run()
            contender.seconds.append(time.perf_counter() - start)


def parser(documentation: str | None) -> argparse.ArgumentParser:
    """Arguments of every benchmark."""
    result = argparse.ArgumentParser(
        description=documentation, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--output", type=Path, help="file for the JSON document")
    result.add_argument("--turns", type=int, default=9, help="timings of each contender")
    return result


def write(
    name: str,
    results: Sequence[Mapping[str, Any]],
    *,
    output: Path | None,
    turns: int,
    **extra: Any,
) -> None:
    """Print the document, and write it if a file is given."""
    document = {
        "benchmark": name,
        "command": " ".join([Path(sys.executable).name, *sys.argv]),
        "date": time.strftime("%Y-%m-%d"),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "device": jax.devices()[0].device_kind,
        },
        "versions": {p: version(p) for p in ("isthmus", "jax", "openmm", "numpy")},
        "turns": turns,
        **extra,
        "results": results,
    }
    text = json.dumps(document, indent=1)
    print(text)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n")


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
