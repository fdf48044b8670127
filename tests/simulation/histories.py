"""Random years of a world: one seed makes one history, and a broken one is made short.

`life(seed)` lives it; `shortest` finds the fewest steps that break as well, and `told` says them
in a line each.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from tests.simulation.simulator import World
from tests.simulation.steps import Step, Wait, next_steps, opening

TWO_YEARS, EIGHT_YEARS = 730, 2_922
_MOST_STEPS = 2_000


@dataclass
class Life:
    """One history: where it began, its steps with what came of them, and what broke."""

    start: datetime
    steps: list[Step] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    broken: str = ""


def life(seed: int, days: int = TWO_YEARS) -> Life:
    """The history of a seed, up to the first thing that breaks."""
    rng = Random(seed)
    first = datetime(2022, 1, 1, tzinfo=UTC) + timedelta(days=rng.randrange(4 * 365))
    start = first + timedelta(seconds=rng.choice((0, 1, 28_799, 28_800, 64_800, 86_399)))
    end = start + timedelta(days=days)
    world = World(start)
    lived = Life(start)
    waiting = opening(rng)
    while world.memory.now < end and len(lived.steps) < _MOST_STEPS and not lived.broken:
        waiting = waiting or next_steps(rng)
        _live(world, waiting.pop(0), lived)
    return lived


def relive(start: datetime, steps: Iterable[Step]) -> Life:
    """The history that given steps make."""
    world, lived = World(start), Life(start)
    for step in steps:
        _live(world, step, lived)
        if lived.broken:
            break
    return lived


def relive_in(lived: Life) -> World:
    """A world after the steps of a history that did not break."""
    world = World(lived.start)
    for step in lived.steps:
        world.take(step)
    return world


def _live(world: World, step: Step, lived: Life) -> None:
    lived.steps.append(step)
    before = world.memory.now
    try:
        outcome = world.take(step)
    except Exception as error:  # noqa: BLE001 - whatever a rule raises is a finding
        outcome = lived.broken = f"{type(error).__name__}: {error}"
    lived.outcomes.append(f"{before:%Y-%m-%d %H:%M:%S} {step} -> {outcome}")


def shortest(lived: Life) -> Life:
    """A history as short as leaving out steps makes it, that breaks as well."""
    size = len(lived.steps) // 2
    while size:
        position = 0
        while position < len(lived.steps):
            rest = lived.steps[:position] + lived.steps[position + size :]
            tried = relive(lived.start, rest)
            if tried.broken:
                lived = tried
            else:
                position += size
        size = min(size // 2, len(lived.steps))
    return _with_waits_joined(lived)


def _with_waits_joined(lived: Life) -> Life:
    """The same history with fewer stops on the way, as far as it still breaks."""
    for position in range(len(lived.steps) - 1, 0, -1):
        one, other = lived.steps[position - 1 : position + 1]
        if isinstance(one, Wait) and isinstance(other, Wait):
            both = Wait(one.seconds + other.seconds)
            steps = [*lived.steps[: position - 1], both, *lived.steps[position + 1 :]]
            tried = relive(lived.start, steps)
            lived = tried if tried.broken else lived
    return lived


def told(seed: int, lived: Life) -> str:
    """A failed history for people: the seed, and one line for each step."""
    return "\n".join([f"seed {seed} breaks; its shortest history:", *lived.outcomes])


def days_of(seed: int) -> int:
    """How long the world of a seed lives: two years, every twentieth one eight."""
    return TWO_YEARS if seed % 20 else EIGHT_YEARS


def failure(seed: int) -> str:
    """The shortest history of a seed that breaks, "" for one that does not."""
    lived = life(seed, days_of(seed))
    return told(seed, shortest(lived)) if lived.broken else ""
