"""Over HTTP: one advance by a year, 365 by a day and 7 leaps end alike, told alike."""

import json
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import World, line

pytestmark = pytest.mark.anyio

SEED = 2
YEAR_DAYS, LEAPS, WINDOWS_DAYS = 365, 7, 40
LICENCES = ("65304479CA01A12", "11073058CA01A12", "65304600CA01A12")
OTHERS = ("65322435CAT1A12", "65327733CA01A12")
ID_NAMES = frozenset({"customerId", "resellerId", "orderId", "referenceOrderId", "subscriptionId"})


async def settled_in(world: World, count: int, mode: str) -> list[str]:
    """Customers with orders, settings and commitments, the same ones every time."""
    rng = Random(SEED)
    reseller = await world.reseller()
    customers = []
    for _ in range(count):
        (await world.post("/sandbox/clock/advance", {"hours": rng.randrange(400)})).ok(200)
        customer = await world.customer(reseller)
        customers.append(customer)
        offers = [*rng.sample(LICENCES, rng.randint(1, 3)), *rng.sample(OTHERS, rng.randint(0, 2))]
        lines = [
            line(offer, rng.choice((1, 9, 12, 60)), number)
            for number, offer in enumerate(offers, start=1)
        ]
        (await world.order(customer, *lines)).ok()
        await _prefer(world, customer, rng)
        await _commit(world, customer, rng)
    await world.settlement(mode, **({"delaySeconds": 3 * 86_400} if mode == "delay" else {}))
    for customer in customers[::2]:
        (await world.order(customer, line(LICENCES[0], rng.randint(1, 5)))).ok()
    return customers


async def _prefer(world: World, customer: str, rng: Random) -> None:
    for held in await world.seats(customer):
        if held["autoRenewal"]["enabled"] and rng.random() < 0.5:
            settings: dict[str, Any] = {"enabled": rng.random() < 0.5}
            if settings["enabled"]:
                settings["renewalQuantity"] = rng.choice((1, 10, 70))
            path = f"/v3/customers/{customer}/subscriptions/{held['subscriptionId']}"
            (await world.patch(path, {"autoRenewal": settings})).ok(200)


async def _commit(world: World, customer: str, rng: Random) -> None:
    """Nothing, or a request that stays open, is accepted in vain, or is met at once."""
    wanted = rng.choice((None, "open", 500, 10))
    if wanted is None:
        return
    quantity = 20 if wanted == "open" else wanted
    minimums = [{"offerType": "LICENSE", "quantity": quantity}]
    shown = (await world.read_customer(customer)).body
    asked = {"type": "THREE_YEAR_COMMIT", "commitmentRequest": {"minimumQuantities": minimums}}
    body = {"companyProfile": shown["companyProfile"], "benefits": [asked]}
    (await world.patch(f"/v3/customers/{customer}", body)).ok(200)
    if wanted != "open":
        (await world.three_year_commit(customer, "accept")).ok(200)


async def advanced(world: World, moments: list[int]) -> list[dict[str, Any]]:
    """Move the clock to each of these seconds from now; gives the events on the way."""
    shown = (await world.get("/sandbox/clock")).ok(200)
    start = datetime.fromisoformat(shown["now"])
    events = []
    for one in moments:
        target = (start + timedelta(seconds=one)).strftime("%Y-%m-%dT%H:%M:%SZ")
        done = (await world.post("/sandbox/clock/advance", {"to": target})).ok(200)
        assert sum(done["counts"].values()) == len(done["events"])
        assert done["pending"] == 0
        events += done["events"]
    return events


async def state(world: World, customers: list[str], events: list[dict[str, Any]]) -> Any:
    """All there is to read of the customers, ids replaced by numbers in order of creation."""
    found: list[Any] = []
    for customer in customers:
        path = f"/v3/customers/{customer}"
        account = (await world.get(path)).ok(200).body
        del account["companyProfile"]  # names are the world's own
        orders = await world.get(f"{path}/orders?start-date=2025-01-01&limit=100&fetch-price=true")
        seats = await world.get(f"{path}/subscriptions")
        found.append([account, seats.ok(200).body, orders.ok(200).body["items"][::-1]])
    return [found, events]


def _renamed(value: Any, names: dict[str, str]) -> Any:
    match value:
        case dict():
            return {
                name: names.setdefault(one, f"#{len(names)}")
                if name in ID_NAMES and one
                else _renamed(one, names)
                for name, one in value.items()
                if name != "links"
            }
        case list():
            return [_renamed(one, names) for one in value]
        case _:
            return value


async def log(world: World) -> Any:
    """All that was told, without the numbers of the log."""
    found = (await world.get("/sandbox/events")).ok(200)["items"]
    return [{name: one[name] for name in one if name != "sequence"} for one in found]


@pytest.mark.usefixtures("idle_worker")
@pytest.mark.proves("sandbox.md 10")
@pytest.mark.parametrize(("mode", "count"), [("delay", 12), ("auto", 5), ("manual", 5)])
async def test_one_year_three_ways(new_world: MakeWorld, mode: str, count: int) -> None:
    """What settles by hand does so at the end of the year, and late windows close after it."""
    rng = Random(SEED)
    seconds = YEAR_DAYS * 86_400
    leaps = sorted(rng.randrange(seconds) for _ in range(LEAPS - 1))
    told = []
    for moments in (
        [seconds],
        [day * 86_400 for day in range(1, YEAR_DAYS + 1)],
        [*leaps, seconds],
    ):
        world = await new_world()
        customers = await settled_in(world, count, mode)
        events = await advanced(world, moments)
        await world.settle()
        events += await advanced(world, [WINDOWS_DAYS * 86_400])
        kinds = {one["kind"] for one in await log(world)}
        assert {"renewal", "subscription_expired", "level_changed"} <= kinds
        assert "credit_pack_expired" in kinds
        await world.is_sound()
        found = [await state(world, customers, events), await log(world)]
        told.append(json.dumps(_renamed(found, {}), default=str, indent=1))
    assert told[0] == told[1]
    assert told[0] == told[2]
