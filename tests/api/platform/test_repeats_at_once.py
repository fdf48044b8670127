"""Repeats that meet the first call still running, or whose answer got lost (platform.md 5.3)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from seatledger.app import Application
from seatledger.clock import ManualClock
from seatledger.settings import Settings
from tests.harness import Reply, World, unique
from tests.repeats import WRITES, Write, fresh, is_repeat, order_write, orders_of
from tests.wire import application

pytestmark = pytest.mark.anyio

BUSY = (
    b'{"code":"4122","message":"This request is already being processed. '
    b'Please wait a moment and try again.","additionalDetails":[]}'
)


@pytest.fixture(params=list(WRITES))
async def write(request: pytest.FixtureRequest, world: World) -> Write:
    """Every kind of write in turn."""
    return await WRITES[request.param](world)


@asynccontextmanager
async def stuck(database_url: str) -> AsyncIterator[None]:
    """No answer can be stored, so no write can end."""
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE idempotency IN EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@pytest.mark.proves("4122")
async def test_a_repeat_of_a_running_call(write: Write, database_url: str) -> None:
    async with stuck(database_url):
        running = {asyncio.create_task(write.send("intent-1")) for _ in range(3)}
        while len(running) > 1:
            done, running = await asyncio.wait(running, return_when="FIRST_COMPLETED")
            for busy in (one.result() for one in done):
                assert (busy.status, busy.content) == (400, BUSY)
                assert busy.headers["Retry-After"] == "1"
                assert fresh(busy)
    first = (await running.pop()).ok(write.status)
    assert fresh(first)
    is_repeat(await write.send("intent-1"), first)


@pytest.mark.proves("4122")
async def test_a_call_told_to_wait_has_used_nothing_up(write: Write, database_url: str) -> None:
    async with stuck(database_url):
        first = asyncio.create_task(write.send("intent-1", request_id="request-1"))
        repeat = asyncio.create_task(write.send("intent-1", request_id="request-2"))
        done, _ = await asyncio.wait({first, repeat}, return_when="FIRST_COMPLETED")
        assert [one.result().code for one in done] == ["4122"]
    await asyncio.wait({first, repeat})
    used, free = ("request-1", "request-2") if repeat in done else ("request-2", "request-1")
    assert (await write.send("intent-2", write.other_body, used)).code == "4120"
    (await write.send("intent-2", write.other_body, free)).ok(write.status)


def one_effect(replies: list[Reply], status: int = 201) -> Reply:
    """Assert that of repeats at once one took effect; the answer it got."""
    accepted = [one for one in replies if one.status == status]
    others = [one for one in replies if one.status != status]
    assert all((one.status, one.code) == (400, "4122") for one in others)
    assert len({one.content for one in accepted}) == 1
    assert sum(fresh(one) for one in accepted) == 1
    return accepted[0]


@pytest.mark.proves("platform.md 16")
async def test_twenty_at_once(write: Write) -> None:
    replies = await asyncio.gather(*(write.send("intent-1") for _ in range(20)))
    is_repeat(await write.send("intent-1"), one_effect(replies, write.status))


@pytest.mark.proves("platform.md 16")
async def test_twenty_at_once_are_one_order(world: World) -> None:
    write = await order_write(world)
    replies = await asyncio.gather(*(write.send("intent-1") for _ in range(20)))
    placed = one_effect(replies)
    assert [one["orderId"] for one in await orders_of(write)] == [placed["orderId"]]


@pytest.fixture
async def other_process(settings: Settings, real_clock: ManualClock) -> AsyncIterator[World]:
    """A second server on the same database; its client in the shape of a world without keys."""
    server = Application(settings, real_clock)
    async with server.running():
        transport = httpx.ASGITransport(app=server)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield World(client, "", "", "")


@pytest.mark.proves("platform.md 16")
async def test_two_processes_at_once(write: Write, other_process: World) -> None:
    there = replace(write, world=replace(write.world, client=other_process.client))
    replies = await asyncio.gather(*(one.send("intent-1") for one in (write, there) * 10))
    first = one_effect(replies, write.status)
    is_repeat(await write.send("intent-1"), first)
    is_repeat(await there.send("intent-1"), first)


@pytest.mark.proves("platform.md 16")
async def test_two_processes_place_one_order(world: World, other_process: World) -> None:
    here = await order_write(world)
    there = replace(here, world=replace(world, client=other_process.client))
    placed = []
    for number in range(5):
        replies = await asyncio.gather(*(one.send(f"i-{number}") for one in (here, there) * 4))
        placed.append(one_effect(replies)["orderId"])
    assert sorted(one["orderId"] for one in await orders_of(here)) == sorted(placed)


@pytest.mark.proves("4120")
async def test_one_request_id_for_two_intents_at_once(world: World, other_process: World) -> None:
    here = await order_write(world)
    there = replace(here, world=replace(world, client=other_process.client))
    for number in range(3):
        request_id = f"request-{number}"
        replies = await asyncio.gather(
            *(one.send(unique(), request_id=request_id) for one in (here, there) * 3)
        )
        codes = sorted(one.code if one.status != 201 else "accepted" for one in replies)
        assert codes == ["4120"] * 5 + ["accepted"]
    assert len(await orders_of(here)) == 3


@pytest.mark.proves("platform.md 15")
async def test_an_answer_that_never_arrived(write: Write) -> None:
    lost: list[int] = []

    async def losing(scope: Scope, receive: Receive, send: Send) -> None:
        async def cut(message: Message) -> None:
            lost.append(message["status"])
            raise OSError("connection lost")

        await application(write.world.client)(scope, receive, cut)

    transport = httpx.ASGITransport(app=losing)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        unlucky = replace(write, world=replace(write.world, client=client))
        with pytest.raises(OSError, match="connection lost"):
            await unlucky.send("intent-1")
    assert lost == [write.status]
    retried = await write.send("intent-1")
    assert retried.status == write.status
    assert retried.headers["Seatledger-Replayed"] == "true"


@pytest.mark.proves("platform.md 15", "S-019")
async def test_an_order_whose_answer_got_lost_is_there(world: World) -> None:
    write = await order_write(world)
    await world.post("/sandbox/faults", {"effect": {"type": "gateway_timeout"}})
    assert (await write.send("intent-1")).status == 504
    retried = (await write.send("intent-1")).ok()
    assert retried.headers["Seatledger-Replayed"] == "true"
    assert [one["orderId"] for one in await orders_of(write)] == [retried["orderId"]]
