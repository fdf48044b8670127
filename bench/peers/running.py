"""Peers set up on data of their own and served, each by one process, ready to be sent orders."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import asyncpg
import msgspec

from bench import load, servers
from bench.house import House
from bench.load import Load, Orders
from bench.peers.carts import Carts, Facts
from bench.peers.items import Items, make_table
from bench.stage import CUSTOMERS, HELD_OFFERS, bodies

REFERENCE_TOKEN = "reference-token"
OSCAR_TOKEN = "oscar-token"
MEDUSA = Path(sys.prefix) / "medusa"  # where `PEERS=1 make bench` installs it


class Peer(NamedTuple):
    """A peer that runs: how to keep it busy, and how many orders it has stored."""

    send: Callable[[int, float], Awaitable[Load]]
    stored: Callable[[], Awaitable[int]]


class Entry(NamedTuple):
    """A peer to be: its title, the connections that suit it best, and how to run it."""

    title: str
    connections: int
    opened: Callable[[House], AbstractAsyncContextManager[Peer]]


@asynccontextmanager
async def reference(house: House) -> AsyncIterator[Peer]:
    """The textbook stack, with as many customers and subscriptions as we have."""
    async with house.database("reference") as url:
        connection = await asyncpg.connect(url)
        command = _uvicorn("bench.peers.reference_stack:app")
        settings = {"REFERENCE_URL": url.replace("postgresql://", "postgresql+asyncpg://")}
        try:
            async with _served("reference", house, command, settings) as address:
                await connection.execute(
                    "INSERT INTO offer SELECT unnest($1::text[]), 389", HELD_OFFERS
                )
                await connection.execute(
                    """INSERT INTO customer
                       SELECT n::text, 'P1', '1000', 1 FROM generate_series(1, $1) n""",
                    CUSTOMERS,
                )
                await connection.execute(
                    """INSERT INTO subscription SELECT c.id || '-' || o, c.id, o, 1
                       FROM customer c, unnest($1::text[]) o""",
                    HELD_OFFERS,
                )
                await connection.execute("VACUUM ANALYZE offer, customer, subscription")
                yield Peer(
                    partial(load.send, _orders(address, REFERENCE_TOKEN)),
                    lambda: connection.fetchval("SELECT count(*) FROM orders"),
                )
        finally:
            await connection.close()


@asynccontextmanager
async def oscar(house: House) -> AsyncIterator[Peer]:
    """django-oscar under uvicorn with ten threads."""
    async with house.database("oscar") as url:
        place = urlsplit(url)
        query = parse_qs(place.query)
        settings = {
            "OSCAR_HOST": query["host"][0],
            "OSCAR_PORT": query["port"][0],
            "OSCAR_NAME": place.path.strip("/"),
            "OSCAR_USER": place.username or "",
            "OSCAR_UPCS": " ".join(HELD_OFFERS),
        }
        set_up = [servers.program("python"), "-m", "bench.peers.oscar_shop"]
        await servers.run(set_up, house.folder / "oscar-setup.log", settings)
        connection = await asyncpg.connect(url)
        try:
            await connection.execute("VACUUM ANALYZE")
            command = [*_uvicorn("bench.peers.oscar_shop:application"), "--interface", "wsgi"]
            async with _served("oscar", house, command, settings) as address:
                yield Peer(
                    partial(load.send, _orders(address, OSCAR_TOKEN)),
                    lambda: connection.fetchval("SELECT count(*) FROM order_order"),
                )
        finally:
            await connection.close()


@asynccontextmanager
async def moto(house: House) -> AsyncIterator[Peer]:
    """moto's server and its PutItem, in memory: the usual stand-in for a remote store."""
    command = [*_uvicorn("bench.peers.moto_store:application"), "--interface", "wsgi"]
    async with _served("moto", house, command, {}) as address:
        await make_table(address)
        items = Items(address)
        yield Peer(partial(load.send, items), items.stored)


@asynccontextmanager
async def medusa(house: House) -> AsyncIterator[Peer]:
    """Medusa's server in its production mode, one process."""
    async with house.database("medusa") as url:
        place = urlsplit(url)
        facts = house.folder / "medusa.json"
        settings = {
            # Its parts differ in which of the two places they look for the socket.
            "DATABASE_URL": place._replace(netloc=f"{place.username}@localhost").geturl(),
            "MEDUSA_SOCKETS": parse_qs(place.query)["host"][0],
            "MEDUSA_FACTS": str(facts),
            "MEDUSA_DISABLE_TELEMETRY": "true",
            "NODE_ENV": "production",
        }
        program: list[str | Path] = ["node", MEDUSA / "node_modules" / ".bin" / "medusa"]
        log = house.folder / "medusa-setup.log"
        await servers.run([*program, "db:migrate"], log, settings, MEDUSA)
        await servers.run([*program, "exec", "./seed.js"], log, settings, MEDUSA)
        connection = await asyncpg.connect(url)
        try:
            async with _served("medusa", house, [*program, "start"], settings, MEDUSA) as address:
                carts = Carts(address, msgspec.json.decode(facts.read_bytes(), type=Facts))
                yield Peer(carts.send, lambda: connection.fetchval('SELECT count(*) FROM "order"'))
        finally:
            await connection.close()


PEERS = {
    "reference": Entry("FastAPI + SQLAlchemy ORM, 32 connections", 32, reference),
    "oscar": Entry("django-oscar checkout, 10 connections", 10, oscar),
    "moto": Entry("moto PutItem (in memory), 32 connections", 32, moto),
    "medusa": Entry("Medusa checkout, 8 connections", 8, medusa),
}


def _uvicorn(application: str) -> list[str]:
    return [servers.program("uvicorn"), application, "--no-access-log"]


@asynccontextmanager
async def _served(
    name: str,
    house: House,
    command: Sequence[str | Path],
    settings: dict[str, str],
    folder: Path | None = None,
) -> AsyncIterator[str]:
    """A peer's server process on a free port: its address, once it answers."""
    port = servers.free_port()
    log = house.folder / f"{name}.log"
    words = [*command, "--port", str(port)]
    async with servers.process(words, log, settings, folder) as server:
        address = f"http://127.0.0.1:{port}"
        await servers.ready(server, f"{address}/ready")
        yield address


def _orders(address: str, token: str) -> Orders:
    paths = [f"/customers/{number}/orders" for number in range(1, CUSTOMERS + 1)]
    return Orders(address, paths, {"Authorization": f"Bearer {token}"}, bodies(1))
