"""Customers whose work was given up: `check` and `customer list` name them, `resume` helps."""

import msgspec
import pytest

from seatledger.store import settling
from seatledger.store.rows import AnyConnection
from tests.commands import done, refusal, run
from tests.conftest import MakeWorld
from tests.harness import World, line

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("idle_worker")]

REASON = "ZeroDivisionError: seats"


async def parked(world: World, database: AnyConnection) -> tuple[str, str]:
    """A customer with an order that nobody carries out any more: their ids."""
    customer = await world.customer()
    await world.settlement("auto")
    placed = (await world.order(customer, line("80004567EA01A12"))).ok()["orderId"]
    assert await settling.count_attempt(database, customer, REASON, limit=1)
    return customer, placed


async def test_an_operator_finds_and_resumes_them(
    world: World, database: AnyConnection, database_url: str
) -> None:
    customer, placed = await parked(world, database)
    (await world.post("/sandbox/clock/advance", {"days": 400})).ok(200)
    assert (await world.read_order(customer, placed))["status"] == "1002"

    told = f"customer {customer} of partner {world.distributor_id} is parked: {REASON}"
    assert told in (await run(database_url, "check")).stdout.splitlines()
    report = (await world.get("/sandbox/invariants")).ok(200)
    assert report["parked"] == [{"customerId": customer, "reason": REASON}]
    listed = await done(database_url, "customer", "list", "--parked")
    assert f"{customer}  {world.distributor_id}  1000  parked: {REASON}" in listed.splitlines()

    resumed = await done(database_url, "customer", "resume", customer)
    assert resumed == f"customer {customer} is back at work\n"
    assert (await world.get("/sandbox/invariants")).ok(200)["parked"] == []
    assert told not in (await run(database_url, "check")).stdout
    assert customer not in await done(database_url, "customer", "list", "--parked")
    (await world.post("/sandbox/clock/advance", {"seconds": 0})).ok(200)
    assert (await world.read_order(customer, placed))["status"] == "1000"


async def test_all_of_a_partner_are_listed_and_resumed(
    world: World, new_world: MakeWorld, database: AnyConnection, database_url: str
) -> None:
    ours = sorted([(await parked(world, database))[0] for _ in range(2)])
    well = await world.customer()
    other = await new_world()
    theirs, _ = await parked(other, database)

    async def listed(*arguments: str) -> list[tuple[str, bool]]:
        of = ("--partner", world.distributor_id, "--json")
        lines = (await done(database_url, "customer", "list", *of, *arguments)).splitlines()
        found = [msgspec.json.decode(one) for one in lines]
        return [(one["customer_id"], one["parked_reason"] is not None) for one in found]

    assert await listed("--parked") == [(one, True) for one in ours]
    assert sorted(await listed()) == sorted([*((one, True) for one in ours), (well, False)])
    elsewhere = ("customer", "resume", theirs, "--partner", world.distributor_id)
    assert "is not parked" in await refusal(database_url, *elsewhere)
    resumed = await done(database_url, "customer", "resume", "--partner", world.distributor_id)
    assert resumed == "".join(f"customer {one} is back at work\n" for one in ours)
    assert await listed("--parked") == []
    assert theirs in await done(database_url, "customer", "list", "--parked")
    await done(database_url, "customer", "resume", theirs)


async def test_who_is_not_parked_is_not_resumed(world: World, database_url: str) -> None:
    customer = await world.customer()
    for one in (customer, "1009999999"):
        told = await refusal(database_url, "customer", "resume", one)
        assert told == f"seatledger: customer {one} is not parked"
    assert "name a customer" in await refusal(database_url, "customer", "resume", code=2)
