"""Repeats of a running call wait a moment for it, then see what it left, or are told to."""

import asyncio

import pytest

from seatledger.engine.in_flight import InFlight

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 30.0
NONE = 0.0


class Work:
    """A call that ends when the test says so, and what its repeats would find."""

    def __init__(self, error: Exception | None = None) -> None:
        self.runs = 0
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.error = error

    async def run(self) -> str:
        """The first run does the work; later ones find it done."""
        self.runs += 1
        if self.runs > 1:
            return "found"
        self.started.set()
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return "done"


def busy() -> str:
    return "busy"


async def begun(in_flight: InFlight, work: Work) -> "asyncio.Task[str]":
    """The first call under the key, running."""
    first = asyncio.create_task(in_flight.once("key", work.run, busy))
    await work.started.wait()
    return first


async def test_a_repeat_waits_for_the_first_and_runs_after_it() -> None:
    in_flight, work = InFlight(PATIENCE_SECONDS), Work()
    first = await begun(in_flight, work)
    repeat = asyncio.create_task(in_flight.once("key", work.run, busy))
    await asyncio.sleep(0)
    assert work.runs == 1
    work.may_end.set()
    assert [await first, await repeat] == ["done", "found"]


async def test_many_repeats_find_the_answer_together() -> None:
    in_flight, work = InFlight(PATIENCE_SECONDS), Work()
    first = await begun(in_flight, work)
    repeats = [asyncio.create_task(in_flight.once("key", work.run, busy)) for _ in range(99)]
    await asyncio.sleep(0)
    work.may_end.set()
    assert await first == "done"
    assert set(await asyncio.gather(*repeats)) == {"found"}


async def test_a_repeat_is_told_when_the_first_takes_long() -> None:
    in_flight, work = InFlight(NONE), Work()
    first = await begun(in_flight, work)
    assert await in_flight.once("key", work.run, busy) == "busy"
    assert work.runs == 1
    work.may_end.set()
    assert await first == "done"


async def test_other_keys_do_not_wait() -> None:
    in_flight, work, other = InFlight(PATIENCE_SECONDS), Work(), Work()
    first = await begun(in_flight, work)
    other.may_end.set()
    assert await in_flight.once("other key", other.run, busy) == "done"
    work.may_end.set()
    assert await first == "done"


async def test_a_repeat_does_the_work_when_the_first_failed() -> None:
    in_flight, work = InFlight(PATIENCE_SECONDS), Work(error=ZeroDivisionError())
    first = await begun(in_flight, work)
    repeat = asyncio.create_task(in_flight.once("key", work.run, busy))
    await asyncio.sleep(0)
    work.may_end.set()
    with pytest.raises(ZeroDivisionError):
        await first
    assert await repeat == "found"
    assert await in_flight.once("key", work.run, busy) == "found"  # the key is free


async def test_a_caller_who_goes_frees_the_key() -> None:
    in_flight, work = InFlight(PATIENCE_SECONDS), Work()
    first = await begun(in_flight, work)
    repeat = asyncio.create_task(in_flight.once("key", work.run, busy))
    await asyncio.sleep(0)
    first.cancel()
    assert await repeat == "found"


async def test_a_repeat_who_goes_leaves_the_first_alone() -> None:
    in_flight, work = InFlight(PATIENCE_SECONDS), Work()
    first = await begun(in_flight, work)
    repeat = asyncio.create_task(in_flight.once("key", work.run, busy))
    await asyncio.sleep(0)
    repeat.cancel()
    work.may_end.set()
    assert await first == "done"
