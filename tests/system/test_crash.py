"""kill -9 in the middle of writes: nothing acknowledged is lost, nothing is done by halves."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.harness import World
from tests.system.server import (
    Server,
    database_of,
    kill_database,
    run,
    serving,
)
from tests.system.traffic import Traffic, half_orders

pytestmark = pytest.mark.anyio

CLIENTS = 8
CUSTOMERS = 3
ORDERS_PER_LIFE = 40

Kill = Callable[[Server, Path], None]


def the_server(server: Server, _: Path) -> None:
    """Its PostgreSQL goes on with what it was sent."""
    server.kill()


def everything(server: Server, place: Path) -> None:
    """The server and its PostgreSQL."""
    kill_database(place)
    server.kill()


async def work_until_killed(
    server: Server, world: World, traffic: Traffic, kill: Callable[[], None]
) -> None:
    """Let the clients order, and strike in the middle of it."""
    enough = len(traffic.acknowledged) + ORDERS_PER_LIFE
    clients = asyncio.create_task(traffic.run(world, CLIENTS))
    await traffic.has_acknowledged(enough)
    traffic.is_over = True
    kill()
    await clients
    assert server.process.poll() is not None


async def assert_nothing_half(place: Path) -> None:
    """As `seatledger check` sees it, and row by row."""
    with database_of(place) as url:
        assert await half_orders(url) == []
        report = run("check", "--data-dir", place / "data")
    assert report.stdout == f"{CUSTOMERS} checked, 0 violated\n"
    assert report.returncode == 0


@pytest.mark.proves("platform.md 15", "orders.md 80")
@pytest.mark.parametrize("mode", ["auto", "immediate"])
@pytest.mark.parametrize("kill", [the_server, everything])
async def test_every_acknowledged_order_survives_as_one(place: Path, kill: Kill, mode: str) -> None:
    with serving(place) as server:
        async with server.world() as world:
            traffic = Traffic([await world.customer() for _ in range(CUSTOMERS)])
            await world.settlement(mode)
            await work_until_killed(server, world, traffic, lambda: kill(server, place))
    lost = [one for one in traffic.attempts if one.reply is None]
    assert lost, "it was killed in the middle"
    with serving(place) as server:
        async with server.client() as client:
            world = replace(world, client=client)
            await traffic.prove(world)
            await traffic.is_settled(world)
        await assert_nothing_half(place)


async def test_a_killed_database_comes_back_under_the_running_server(place: Path) -> None:
    with serving(place) as server:
        async with server.world() as world:
            traffic = Traffic([await world.customer() for _ in range(CUSTOMERS)])
            clients = asyncio.create_task(traffic.run(world, CLIENTS))
            for deaths in range(3):
                await traffic.has_acknowledged((deaths + 1) * ORDERS_PER_LIFE)
                kill_database(place)
            await traffic.has_acknowledged(4 * ORDERS_PER_LIFE)
            traffic.is_over = True
            await clients
            assert traffic.put_off > 0, "some calls met no database"
            await traffic.prove(world)
            await traffic.is_settled(world)
        await assert_nothing_half(place)


async def test_killed_api_processes_lose_nothing_and_are_replaced(place: Path) -> None:
    """Of two processes one dies again and again; their clients come back with their ids."""
    killed: set[int] = set()
    with serving(place, "--workers", "2") as server:
        async with server.world() as world:
            traffic = Traffic([await world.customer() for _ in range(CUSTOMERS)])
            clients = asyncio.create_task(traffic.run(world, CLIENTS))
            for _ in range(3):
                await traffic.has_acknowledged(len(traffic.acknowledged) + ORDERS_PER_LIFE)
                one, *_ = set(server.api_processes()) - killed
                os.kill(one, signal.SIGKILL)
                killed.add(one)
            await traffic.has_acknowledged(len(traffic.acknowledged) + ORDERS_PER_LIFE)
            traffic.is_over = True
            await clients
            assert len(killed) == 3, "the dead were replaced"
            assert traffic.cut_off > 0, "they died in the middle"
            await traffic.prove(world)
            await traffic.is_settled(world)
        await assert_nothing_half(place)
