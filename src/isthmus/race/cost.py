"""What a step costs in the loop that a user would run: contenders take turns.

| engine | what is timed |
|---|---|
| isthmus | steps of Langevin dynamics in our engine, float32, one molecule or many replicas |
| openmm | the same in OpenMM, on the platform chosen for the system, if it can be written |
| ase | a call of energy and forces of a rival, with other positions each time |

All take turns, so that a busy machine hits all alike: in rounds, each in an order of its own. The
first call, which compiles, is apart. A contender makes as many steps in a turn as last for the time
of a turn, and has fewer turns, though at least three, where one step lasts longer than that; its
turns are spread over all rounds.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from jaxtyping import Float

from isthmus.data.entry import Entry
from isthmus.errors import InputError, IsthmusError
from isthmus.forcefield.forcefield import ForceField
from isthmus.forcefield.potential import Potential
from isthmus.race.record import Cost
from isthmus.race.rivals.caller import Caller
from isthmus.race.settings import RaceSettings
from isthmus.simulate.integrators.langevin import Langevin
from isthmus.simulate.jax_engine import JaxEngine
from isthmus.simulate.mechanics import mechanics_of

__all__ = ["Contender", "by_calls", "by_openmm", "by_us", "take_turns"]

_TIMESTEP: Final = 0.0005
"""[ps]"""

_TEMPERATURE: Final = 300.0
_FRICTION: Final = 1.0
_FEWEST_TURNS: Final = 3
_MOST_STEPS: Final = 100_000

_SEED: Final = 0
"""Of the order in each round"""


@dataclass(eq=False)
class Contender:
    """Something to be timed.

    Attributes:
        entrant, engine, batch, entry: what it is.
        run: does so many steps, and gives the seconds that they took.
        compile_s: of the first call, and of what came before it [s].
        steps: of a turn.
        turns: that it takes part in.
        seconds: of each turn.
        failure: why it was given up.
    """

    entrant: str
    engine: str
    batch: int
    entry: Entry
    run: Callable[[int], float]
    compile_s: float
    steps: int = 1
    turns: int = _FEWEST_TURNS
    seconds: list[float] = field(default_factory=list)
    failure: str | None = None

    def prepare(self, settings: RaceSettings) -> None:
        """Find out how many steps make a turn."""
        n, taken = 1, self._least(1)
        while taken < settings.turn_seconds / 4 and n < _MOST_STEPS:
            n = min(n * max(2, int(settings.turn_seconds / 2 / max(taken, 1e-5))), _MOST_STEPS)
            taken = self._least(n)
        each = taken / n
        self.steps = max(1, min(int(settings.turn_seconds / each), _MOST_STEPS))
        affordable = int(settings.cost_seconds / (self.steps * each))
        self.turns = max(_FEWEST_TURNS, min(settings.turns, affordable))

    def rounds(self, n_rounds: int) -> set[int]:
        """In which of so many rounds it has its turns: the first, the last, and evenly between."""
        places = np.linspace(0, n_rounds - 1, min(self.turns, n_rounds)).round()
        return set(places.astype(int).tolist())

    def _least(self, n_steps: int) -> float:
        """The shorter of two times: a machine that was busy for a moment must not decide."""
        return min(self.run(n_steps), self.run(n_steps))

    def cost(self) -> Cost | None:
        """Median, lowest and highest time of a step; None where nothing was timed."""
        if not self.seconds:
            return None
        times = [1e6 * taken / self.steps / self.batch for taken in self.seconds]
        value = statistics.median(times)
        return Cost(
            engine=self.engine,
            batch=self.batch,
            molecule=self.entry.name,
            n_atoms=self.entry.n_atoms,
            value=value,
            low=min(times),
            high=max(times),
            per_atom=value / self.entry.n_atoms,
            compile_s=self.compile_s,
        )


def take_turns(
    contenders: Sequence[Contender], settings: RaceSettings, heed: Callable[[float], None]
) -> None:
    """Time all contenders; one that fails is given up, the others go on.

    Args:
        contenders: each has run once.
        settings: turns, and their length.
        heed: is told which share is done; what it raises ends the timing.
    """
    total = len(contenders) * (settings.turns + 1)
    for number, contender in enumerate(contenders):
        _tried(contender, lambda one=contender: one.prepare(settings))
        heed((number + 1) / max(total, 1))
    random = np.random.default_rng(_SEED)
    n_rounds = max([settings.turns, *(one.turns for one in contenders)])
    done = len(contenders)
    for number_of in range(n_rounds):
        for place in random.permutation(len(contenders)):
            contender = contenders[place]
            if number_of in contender.rounds(n_rounds) and contender.failure is None:
                _tried(contender, lambda one=contender: one.seconds.append(one.run(one.steps)))
            done += 1
            heed(min(done / max(total, 1), 1.0))


def _tried(contender: Contender, action: Callable[[], object]) -> None:
    try:
        action()
    except IsthmusError as error:
        contender.failure = str(error)


def by_us(
    entrant: str,
    potential: Potential,
    entry: Entry,
    start: Float[np.ndarray, "atoms 3"],
    *,
    batch: int,
) -> Contender:
    """Langevin dynamics in our engine.

    Raises:
        InputError: several replicas of a potential that needs neighbour lists.
    """
    begin = time.perf_counter()
    mechanics = mechanics_of(potential)
    integrator = Langevin(
        potential,
        mechanics,
        timestep=_TIMESTEP,
        temperature=_TEMPERATURE,
        friction=_FRICTION,
    )
    positions = np.repeat(start[None], batch, axis=0)
    engine = JaxEngine(
        integrator, mechanics, positions, temperature=_TEMPERATURE, seed=0, box=entry.box
    )
    first = engine.snapshot()

    def run(n_steps: int) -> float:
        engine.restore(first)
        begin = time.perf_counter()
        engine.advance(n_steps)
        taken = time.perf_counter() - begin
        if engine.failure is not None:
            raise InputError(f"no step can be timed: {engine.failure}")
        return taken

    once = run(1)
    spent = time.perf_counter() - begin
    return Contender(entrant, "isthmus", batch, entry, run, max(spent - min(once, run(1)), 0.0))


def by_openmm(
    entrant: str, force_field: ForceField, entry: Entry, start: Float[np.ndarray, "atoms 3"]
) -> Contender:
    """Langevin dynamics in OpenMM.

    Raises:
        UnsupportedForceError: a formula that OpenMM cannot say.
        InputError: OpenMM refuses the system.
    """
    from isthmus.chemistry.molecule import Molecule
    from isthmus.deploy.md.conditions import Conditions
    from isthmus.deploy.md.prepare import prepare
    from isthmus.deploy.md.production import advance, draw_velocities, place
    from isthmus.deploy.md.production import start as begin_with
    from isthmus.deploy.md.settings import Settings

    begin = time.perf_counter()
    molecule = Molecule.create(entry.topology, start[None], box=entry.box, name=entry.name)
    prepared = prepare(molecule, force_field, settings=Settings(via="forces", constraints="none"))
    conditions = Conditions(timestep=_TIMESTEP, temperature=_TEMPERATURE, friction=_FRICTION)
    simulation = begin_with(prepared, conditions)

    def run(n_steps: int) -> float:
        place(simulation.context, start, entry.box)
        draw_velocities(simulation)
        begin = time.perf_counter()
        advance(simulation, n_steps)
        # Waits for a device that works on its own
        simulation.context.getState(positions=True)
        return time.perf_counter() - begin

    run(1)
    return Contender(entrant, "openmm", 1, entry, run, time.perf_counter() - begin)


def by_calls(
    entrant: str, caller: Caller, entry: Entry, start: Float[np.ndarray, "atoms 3"]
) -> Contender:
    """Calls of a rival, which takes its own time.

    Raises:
        RivalError: it gives no energies of this molecule.
    """

    def run(calls: int) -> float:
        return caller.seconds(entry, start[None], calls)

    return Contender(entrant, caller.engine, 1, entry, run, run(1))
