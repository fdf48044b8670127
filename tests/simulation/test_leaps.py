"""However the clock is moved through a year, the same things happen at the same instants."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

import pytest

from tests.simulation.histories import Life, life, relive_in
from tests.simulation.memory import Memory

CUSTOMERS = 200
YEAR_DAYS = 365
LEAPS = 7


def worlds(first: int, customers: int) -> Iterator[tuple[int, Life]]:
    """Seeds with what they made of some months, until so many customers have been met."""
    seed = first
    while customers > 0:
        lived = life(seed, days=60 + seed % 300)
        assert not lived.broken
        customers -= len(relive_in(lived).memory.books)
        yield seed, lived
        seed += 1


def moved(lived: Life, moments: list[timedelta]) -> Memory:
    """A world after its history, the clock then moved to each of these distances from its end."""
    world = relive_in(lived)
    start = world.memory.now
    for one in moments:
        world.memory.advance(start + one)
        world.watcher.arrived()
    return world.memory


def leaps(seed: int) -> list[timedelta]:
    """Seven random distances, the last one a year."""
    rng = Random(seed)
    seconds = sorted(rng.randrange(YEAR_DAYS * 86_400) for _ in range(LEAPS - 1))
    return [timedelta(seconds=one) for one in seconds] + [timedelta(days=YEAR_DAYS)]


def state(memory: Memory) -> tuple[datetime, object, object]:
    """Everything stored, and everything told. Ids are given in order of creation."""
    return memory.now, memory.books, memory.events


@pytest.mark.parametrize("first", range(10_000, 10_800, 100))
def test_one_year_three_ways(first: int) -> None:
    happened = 0
    for seed, lived in worlds(first, CUSTOMERS // 8):
        at_once = moved(lived, [timedelta(days=YEAR_DAYS)])
        daily = moved(lived, [timedelta(days=day) for day in range(1, YEAR_DAYS + 1)])
        leaping = moved(lived, leaps(seed))
        assert state(at_once) == state(daily) == state(leaping), seed
        happened += len(at_once.events)
    assert happened > CUSTOMERS // 8
