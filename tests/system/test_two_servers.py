"""Two server processes on one database work as one."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import cycle
from typing import Any

import asyncpg
import pytest

from tests.crash.recount import history
from tests.crash.traffic import SEATS, Intent, insist
from tests.harness import World, line, make_world, order
from tests.system.server import ADMIN_TOKEN, Server, database_of, folder, serving

pytestmark = pytest.mark.anyio

CATALOG = files("seatledger.contract").joinpath("data", "sample_catalog.csv").read_text("utf-8")


@dataclass
class Pair:
    """Two servers, and the address of the database between them."""

    first: Server
    second: Server
    database_url: str


def intent_of(customer: str, body: dict[str, Any]) -> Intent:
    """A POST of an order, whatever its type."""
    return Intent("NEW", customer, f"/v3/customers/{customer}/orders", body)


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A server with an embedded database, and one that was given its address."""
    with (
        folder() as place,
        serving(place) as first,
        database_of(place) as url,
        serving(place, "--database-url", url, data_dir=False) as second,
    ):
        yield Pair(first, second, url)


@pytest.fixture
async def worlds(pair: Pair) -> AsyncIterator[tuple[World, World]]:
    """One partner, reached through either server; its invariants are checked after."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(server.client()) for server in (pair.first, pair.second)
        ]
        first = await make_world(clients[0], ADMIN_TOKEN)
        second = replace(first, client=clients[1])
        yield first, second
        await first.is_sound()
        await second.is_sound()


class TestWhatOneChangesTheOtherSees:
    async def test_the_clock(self, worlds: tuple[World, World]) -> None:
        one, other = worlds
        customer = await one.customer()
        for day in range(8, 20):
            instant = f"2025-07-{day:02}T18:00:00Z"
            await one.at(instant)
            placed = (await other.order(customer, line(SEATS))).ok()
            assert placed["creationDate"] == instant
            one, other = other, one

    async def test_settlement(self, worlds: tuple[World, World]) -> None:
        one, other = worlds
        customer = await one.customer()
        for _ in range(4):
            await one.settlement("manual")
            held = (await other.order(customer, line(SEATS))).ok()["orderId"]
            assert (await one.read_order(customer, held))["status"] == "1002"
            await one.settlement("immediate")
            assert (await other.read_order(customer, held))["status"] == "1000"
            placed = (await other.order(customer, line(SEATS))).ok()["orderId"]
            assert (await one.read_order(customer, placed))["status"] == "1000"
            one, other = other, one

    async def test_the_catalogue(self, worlds: tuple[World, World]) -> None:
        one, other = worlds
        customer = await one.customer()
        assert CATALOG.count(",359.99,") > 0
        for cents in range(10, 14):
            dearer = CATALOG.replace(",359.99,", f",400.{cents},")
            loaded = await one.call(
                "PUT",
                "/sandbox/catalog",
                content=dearer.encode(),
                headers={"Content-Type": "text/csv"},
            )
            loaded.ok(200)
            shown = (await other.preview(customer, line(SEATS))).ok()
            assert str(shown["lineItems"][0]["pricing"]["partnerPrice"]) == f"400.{cents}"
            one, other = other, one

    async def test_the_contract(self, worlds: tuple[World, World]) -> None:
        one, other = worlds
        customer = await one.customer()
        wanted = line(SEATS, promotionCodes=["NOPE"])
        for _ in range(4):
            await one.set(flags={"promotion_codes_alias": False})
            refused = await other.order(customer, wanted)
            refused.refused(400, "1121", "lineItems[0].promotionCodes")
            await one.set(flags={"promotion_codes_alias": True})
            assert (await other.order(customer, wanted)).code == "2146"
            one, other = other, one


class TestOneIntentIsOneOrder:
    async def test_previews_and_refusals_in_many_copies(self, worlds: tuple[World, World]) -> None:
        customer = await worlds[0].customer()
        preview = order(line(SEATS, 3), orderType="PREVIEW")
        refused = order(line("00000000EA01A12"))
        for body, status in ((preview, 201), (refused, 400)):
            intent = intent_of(customer, body)
            replies = await asyncio.gather(*(insist([world], intent) for world in worlds * 20))
            assert len({one.content for one in replies}) == 1
            assert {one.status for one in replies} == {status}
        assert await history(worlds[0], customer) == []


class TestOneCustomer:
    async def test_may_buy_give_back_preview_and_amend_at_once(
        self, worlds: tuple[World, World]
    ) -> None:
        customer = await worlds[0].customer()

        async def trade(number: int) -> int:
            one, other = worlds[number % 2], worlds[(number + 1) % 2]
            body = order(line(SEATS, number + 1))
            bought = (await insist([one], intent_of(customer, body))).ok()
            preview = {**body, "orderType": "PREVIEW"}
            (await insist([other], intent_of(customer, preview))).ok()
            path = f"/v3/customers/{customer}/orders/{bought['orderId']}"
            amended = await one.patch(path, {"externalReferenceId": f"client {number}"})
            amended.ok(200)
            if number % 2:
                return number + 1
            credit = order(
                line(SEATS, number + 1), orderType="RETURN", referenceOrderId=bought["orderId"]
            )
            (await insist([other], intent_of(customer, credit))).ok()
            return 0

        kept = await asyncio.gather(*(trade(number) for number in range(24)))
        (seats,) = [one for one in await worlds[0].seats(customer) if one["status"] == "1000"]
        assert seats["currentQuantity"] == sum(kept)
        statuses = Counter(
            (one["orderType"], one["status"]) for one in await history(worlds[1], customer)
        )
        assert statuses == {("NEW", "1000"): 12, ("NEW", "1008"): 12, ("RETURN", "1000"): 12}


async def test_many_customers_in_both_servers_never_deadlock(
    pair: Pair, worlds: tuple[World, World]
) -> None:
    customers = [await worlds[0].customer() for _ in range(8)]

    async def buy(number: int) -> None:
        for turn in range(6):
            world = worlds[(number + turn) % 2]
            customer = customers[(number * 3 + turn) % 8]
            (await insist([world], intent_of(customer, order(line(SEATS))))).ok()

    await asyncio.gather(*(buy(number) for number in range(48)))
    held = [(await worlds[1].seats(one))[0]["currentQuantity"] for one in customers]
    assert sum(held) == 48 * 6
    connection = await asyncpg.connect(pair.database_url)
    try:
        assert await connection.fetchval("SELECT sum(deadlocks) FROM pg_stat_database") == 0
    finally:
        await connection.close()


async def test_accounts_made_through_either_are_one_set(worlds: tuple[World, World]) -> None:
    reseller = await worlds[0].reseller()
    customers = await asyncio.gather(
        *(world.customer(reseller) for world, _ in zip(cycle(worlds), range(24), strict=False))
    )
    assert len(set(customers)) == 24
    for world in worlds:
        found = await asyncio.gather(*(world.read_customer(one) for one in customers))
        assert {one["status"] for one in found} == {"1000"}
