"""Customers whose work was given up: `seatledger check` names them, `customer resume` helps."""

import asyncio
import subprocess

import pytest

from seatledger.store import settling
from seatledger.store.rows import AnyConnection
from tests.harness import World, line
from tests.system.server import run

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("idle_worker")]

REASON = "ZeroDivisionError: seats"


async def command(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a database to its end."""
    return await asyncio.to_thread(run, *arguments, "--database-url", url)


async def test_an_operator_finds_and_resumes_them(
    world: World, database: AnyConnection, database_url: str
) -> None:
    customer = await world.customer()
    await world.settlement("auto")
    placed = (await world.order(customer, line("80004567EA01A12"))).ok()["orderId"]
    assert await settling.count_attempt(database, customer, REASON, limit=1)
    (await world.post("/sandbox/clock/advance", {"days": 400})).ok(200)
    assert (await world.read_order(customer, placed))["status"] == "1002"

    told = f"customer {customer} of partner {world.distributor_id} is parked: {REASON}"
    checked = await command(database_url, "check")
    assert told in checked.stdout.splitlines()
    report = (await world.get("/sandbox/invariants")).ok(200)
    assert report["parked"] == [{"customerId": customer, "reason": REASON}]

    resumed = await command(database_url, "customer", "resume", customer)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert resumed.stdout == f"customer {customer} is back at work\n"
    assert (await world.get("/sandbox/invariants")).ok(200)["parked"] == []
    assert told not in (await command(database_url, "check")).stdout
    (await world.post("/sandbox/clock/advance", {"seconds": 0})).ok(200)
    assert (await world.read_order(customer, placed))["status"] == "1000"


async def test_who_is_not_parked_is_not_resumed(world: World, database_url: str) -> None:
    customer = await world.customer()
    for one in (customer, "1009999999"):
        refused = await command(database_url, "customer", "resume", one)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == f"seatledger: customer {one} is not parked\n"
