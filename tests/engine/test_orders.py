"""Orders that arrive together: batches, twins, neighbours, connections."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from seatledger.app import Application, prepare
from seatledger.clock import ManualClock
from seatledger.domain.orders import new
from seatledger.settings import Settings
from tests.harness import Reply, World, line, make_world, order

pytestmark = pytest.mark.anyio

SEATS = "80004567EA01A12"


async def together(*calls: Any) -> list[Reply]:
    """Answers to calls sent at once."""
    return list(await asyncio.gather(*calls))


def outcomes(replies: list[Reply]) -> Counter[tuple[int, str]]:
    """How often which status and code was answered."""
    return Counter((reply.status, reply.code) for reply in replies)


class TestTwins:
    @pytest.mark.proves("platform.md 16")
    async def test_by_correlation_id_are_one_order(self, world: World) -> None:
        customer = await world.customer()
        path, body = f"/v3/customers/{customer}/orders", order(line(SEATS, 3))
        replies = await together(
            *(world.post(path, body, correlation_id="one intent") for _ in range(20))
        )
        accepted = [reply for reply in replies if reply.status == 201]
        assert len({reply.content for reply in accepted}) == 1
        assert sum("Seatledger-Replayed" not in reply.headers for reply in accepted) == 1
        for reply in replies:
            if reply.status != 201:
                reply.refused(400, "4122")
        assert (await world.get(path)).ok(200)["totalCount"] == 1
        assert [one["currentQuantity"] for one in await world.seats(customer)] == [3]

    @pytest.mark.proves("platform.md 17", "4120")
    async def test_by_request_id_are_one_order(self, world: World) -> None:
        customers = [await world.customer() for _ in range(3)]
        replies = await together(
            *(
                world.order(customer, line(SEATS), headers={"X-Request-Id": "one request"})
                for customer in customers * 5
            )
        )
        assert Counter((one.status, one.code) for one in replies) == {
            (201, ""): 1,
            (400, "4120"): 14,
        }
        held = [await world.seats(customer) for customer in customers]
        assert sum(len(seats) for seats in held) == 1


class TestOneCustomer:
    @pytest.mark.proves("orders.md 10")
    async def test_gets_every_order_of_many_clients(self, world: World) -> None:
        customer = await world.customer()
        replies = await together(*(world.order(customer, line(SEATS, n)) for n in range(1, 33)))
        assert len({reply.ok()["orderId"] for reply in replies}) == 32
        (seats,) = await world.seats(customer)
        assert seats["currentQuantity"] == sum(range(1, 33))

    @pytest.mark.proves("orders.md 19", "3117")
    async def test_is_judged_order_by_order(self, world: World) -> None:
        customer = await world.customer()
        (await world.order(customer, line("11073058CA01A12", 9_990))).ok()
        replies = await together(
            *(world.order(customer, line("11073058CA01A12", 4)) for _ in range(10))
        )
        assert Counter((one.status, one.code) for one in replies) == {
            (201, ""): 2,
            (400, "3117"): 8,
        }
        (seats,) = await world.seats(customer)
        assert seats["currentQuantity"] == 9_998


class TestNeighbours:
    async def test_of_an_order_that_breaks_us_are_served(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        decide = new.decide

        def breaking(request: Any, *others: Any) -> Any:
            if request.external_reference_id == "broken":
                raise ZeroDivisionError
            return decide(request, *others)

        monkeypatch.setattr(new, "decide", breaking)
        customers = [await world.customer() for _ in range(4)]
        names = ["", "broken"] * 6
        replies = await together(
            *(
                world.order(customers[n % 4], line(SEATS), externalReferenceId=name)
                for n, name in enumerate(names)
            )
        )
        assert [reply.status for reply in replies] == [500 if name else 201 for name in names]
        assert {reply.code for reply in replies if reply.status == 500} == {"1124"}

    async def test_of_an_order_whose_write_fails_are_served(self, world: World) -> None:
        customers = [await world.customer() for _ in range(4)]
        fails = {"X-Sandbox-Fault": "internal_error;when=after_write"}
        replies = await together(
            *(
                world.order(customers[n // 2], line(SEATS), headers=fails if n % 2 else None)
                for n in range(8)
            )
        )
        assert [reply.status for reply in replies] == [201, 500] * 4
        for customer in customers:
            assert [one["currentQuantity"] for one in await world.seats(customer)] == [1]

    async def test_of_another_partner_are_none_of_its_business(
        self, world: World, client: httpx.AsyncClient, settings: Settings
    ) -> None:
        assert settings.admin_token is not None
        other = await make_world(client, settings.admin_token)
        customer = await world.customer()
        replies = await together(*(one.order(customer, line(SEATS)) for one in (world, other) * 6))
        assert [(reply.status, reply.code) for reply in replies] == [(201, ""), (404, "1116")] * 6
        await other.is_sound()


class TestOneConnection:
    """A process whose pool holds a single connection: whoever waits for a second waits for ever."""

    @pytest.fixture
    async def narrow(self, settings: Settings, real_clock: ManualClock) -> AsyncIterator[World]:
        """A partner on such a process."""
        url, token = settings.database_url, settings.admin_token
        assert url is not None
        assert token is not None
        await prepare(settings, url)
        application = Application(settings.model_copy(update={"pool_size": 1}), real_clock)
        async with application.running():
            transport = httpx.ASGITransport(app=application)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                yield await make_world(client, token)

    async def test_is_enough_for_everything(self, narrow: World) -> None:
        async with asyncio.timeout(30):
            resellers = await asyncio.gather(*(narrow.reseller() for _ in range(8)))
            customers = await asyncio.gather(
                *(narrow.customer(one, top={"globalSalesEnabled": True}) for one in resellers)
            )
            await asyncio.gather(*(narrow.deployment(one) for one in customers))
            placed = await together(*(narrow.order(one, line(SEATS)) for one in customers * 4))
            for reply in placed:
                reply.ok()
            await narrow.settlement("delay", delaySeconds=60)
            await together(
                *(narrow.give_back(one, placed[n].body) for n, one in enumerate(customers))
            )
            moved, *_ = await together(
                narrow.post("/sandbox/clock/advance", {"days": 1}),
                *(narrow.order(one, line(SEATS)) for one in customers),
                narrow.post("/sandbox/settle", {}),
                narrow.set(flags={"strict_idempotency": True}),
            )
            moved.ok(200)
            await narrow.settle()
            await narrow.is_sound()

    async def test_serves_partners_that_move_their_clocks_at_once(
        self, narrow: World, settings: Settings
    ) -> None:
        assert settings.admin_token is not None
        worlds = [
            narrow,
            *[await make_world(narrow.client, settings.admin_token) for _ in range(4)],
        ]
        async with asyncio.timeout(30):
            for world in worlds:
                customer = await world.customer()
                await world.settlement("delay", delaySeconds=60)
                (await world.order(customer, line(SEATS))).ok()
            await asyncio.gather(*(world.at("2025-07-09T18:00:00Z") for world in worlds))
        for world in worlds:
            assert (await world.get("/sandbox/clock"))["now"] == "2025-07-09T18:00:00Z"
            await world.is_sound()
