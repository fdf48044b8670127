"""What a worker says and counts: whom it concerns, what became of it, and what to do."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from seatledger import metrics
from seatledger.clock import ManualClock
from seatledger.engine.claims import ATTEMPTS_BEFORE_PARKING
from seatledger.engine.context import Engine
from seatledger.store.database import connect
from seatledger.work.loop import Worker
from tests.failing import Failing
from tests.harness import World, line

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("idle_worker")]

SEATS = "80004567EA01A12"
ONE_YEAR_A_SECOND = 365 * 86_400


class Told(Worker):
    """A worker that does a round when it is told to, while the server's own does nothing."""

    round = Worker.round


@pytest.fixture
def clock(real_clock: ManualClock) -> ManualClock:
    """The real clock of the worker's process."""
    return ManualClock(real_clock.now())


@pytest.fixture
async def worker(database_url: str, clock: ManualClock) -> AsyncIterator[Worker]:
    """A worker in a process of its own beside the server under test."""
    async with await connect(database_url, 2) as pool:
        yield Told(Engine(pool, clock, sandbox=True))


async def test_what_happens_by_itself_is_told_by_partner_and_number(
    world: World, worker: Worker, clock: ManualClock
) -> None:
    for _ in range(2):
        (await world.order(await world.customer(), line(SEATS))).ok()
    await world.settlement("auto")
    counted = metrics.HAPPENED.cells.get(("renewal",), [0.0])[0]
    (await world.put("/sandbox/clock", {"mode": "running", "rate": ONE_YEAR_A_SECOND})).ok(200)
    clock.advance(timedelta(seconds=2))
    with capture_logs() as said:
        while await worker.round():
            pass
    told = [one for one in said if one["event"] == "happened by itself"]
    assert {one["partner_id"] for one in told} == {world.distributor_id}
    renewals = sum(one.get("renewal", 0) for one in told)
    assert renewals >= 2
    assert metrics.HAPPENED.cells["renewal",][0] == counted + renewals


async def test_work_that_fails_says_whose_why_and_what_to_do(
    world: World, worker: Worker, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await world.customer()
    await world.settlement("auto")
    (await world.order(customer, line(SEATS))).ok()
    Failing(monkeypatch, customer, "no such level")
    counted = metrics.WORK_FAILED.cells.get((), [0.0])[0]
    with capture_logs() as said:
        for _ in range(ATTEMPTS_BEFORE_PARKING):
            await worker.round()
            clock.advance(timedelta(hours=1))
    told = [one for one in said if one["event"] == "work failed"]
    assert [one["parked"] for one in told] == [False] * (ATTEMPTS_BEFORE_PARKING - 1) + [True]
    assert {one["customer_id"] for one in told} == {customer}
    assert all("no such level" in one["reason"] for one in told)
    assert told[0]["next"].startswith("tried again by itself")
    assert told[-1]["next"] == f"remove the cause, then: seatledger customer resume {customer}"
    assert metrics.WORK_FAILED.cells[()][0] == counted + ATTEMPTS_BEFORE_PARKING
