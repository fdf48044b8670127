"""Many at once over two servers: one customer's clients, copies of one intent, several workers."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle

import asyncpg
import httpx

from tests.crash.recount import history, settled_history
from tests.crash.stage import new_worlds
from tests.crash.traffic import SEATS, Intent, insist, purchase
from tests.harness import World, line

_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)


async def clients_on_one_customer(
    clients: Sequence[httpx.AsyncClient], *, clients_at_once: int, orders_each: int
) -> str:
    """Prove that every 201 of clients that order for one customer is one order; in one line."""
    worlds = await new_worlds(clients)
    customer = await worlds[0].customer()

    async def buy(number: int) -> list[Intent]:
        bought = [
            purchase(customer, line(SEATS, 1 + (number + turn) % 5)) for turn in range(orders_each)
        ]
        for one in bought:
            one.reply = await insist(worlds, one)
        return bought

    parts = await asyncio.gather(*(buy(number) for number in range(clients_at_once)))
    bought = [one for part in parts for one in part]
    await _are_the_orders(worlds, customer, bought)
    return f"{clients_at_once} clients on one customer: {len(bought)} orders, each once"


async def copies_of_intents(
    clients: Sequence[httpx.AsyncClient], *, intents: int, copies: int
) -> str:
    """Prove that equal calls to both servers at once are one order with one answer; in one line.

    A copy may be told that another is at work (4122); everything else is the one answer.
    """
    worlds = await new_worlds(clients)
    customers = [await worlds[0].customer() for _ in range(5)]
    bought = [purchase(customers[n % 5], line(SEATS, 1 + n % 9)) for n in range(intents)]
    busy = 0
    async with _connections(worlds, copies) as connections:
        for one in bought:
            answers = Counter(await asyncio.gather(*(_copy(each, one) for each in connections)))
            told_busy = {body for body in answers if body.startswith(b'{"code":"4122"')}
            busy += sum(answers.pop(body) for body in told_busy)
            one.reply = await insist(worlds, one)
            assert set(answers) <= {one.acknowledged.content}, answers
    for customer in customers:
        await _are_the_orders(worlds, customer, [one for one in bought if one.customer == customer])
    return (
        f"{intents} correlation ids x {copies} copies over two servers: {intents} orders, one "
        f"answer each, {busy} copies told that another was at work"
    )


_Connection = tuple[World, asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def _connections(worlds: Sequence[World], number: int) -> AsyncIterator[list[_Connection]]:
    """Connections to the servers in turn: a client library would send one copy after another."""
    opened: list[_Connection] = []
    try:
        for world, _ in zip(cycle(worlds), range(number), strict=False):
            place = world.client.base_url
            opened.append((world, *await asyncio.open_connection(place.host, place.port)))
        yield opened
    finally:
        for _, _, writer in opened:
            writer.close()


async def _copy(connection: _Connection, intent: Intent) -> bytes:
    """Send an intent and give the body of the answer."""
    world, reader, writer = connection
    body = json.dumps(intent.body)
    head = (
        f"POST {intent.path} HTTP/1.1\r\nHost: test\r\nX-Api-Key: {world.client_id}\r\n"
        f"Authorization: Bearer {world.token}\r\nX-Correlation-Id: {intent.correlation_id}\r\n"
        f"Accept: application/json\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write((head + body).encode())
    found = _LENGTH.search(await reader.readuntil(b"\r\n\r\n"))
    assert found is not None
    return await reader.readexactly(int(found[1]))


async def workers_at_once(
    clients: Sequence[httpx.AsyncClient], database_url: str, *, customers: int, orders_each: int
) -> str:
    """Prove that the workers of all processes settle every order once; in one line."""
    worlds = await new_worlds(clients)
    await worlds[0].settlement("manual")
    ids = [await worlds[0].customer() for _ in range(customers)]
    bought = [purchase(one, line(SEATS, 2)) for one in ids for _ in range(orders_each)]

    async def place(one: Intent) -> None:
        one.reply = await insist(worlds, one)

    await asyncio.gather(*(place(one) for one in bought))
    await worlds[0].settlement("auto")
    for customer in ids:
        await settled_history(worlds[1], customer)
        await _are_the_orders(worlds, customer, [one for one in bought if one.customer == customer])
    connection = await asyncpg.connect(database_url)
    try:
        entries = await connection.fetchval(
            "SELECT count(*) FROM ledger_entry WHERE partner_id = $1", worlds[0].distributor_id
        )
        deadlocks = await connection.fetchval("SELECT sum(deadlocks) FROM pg_stat_database")
    finally:
        await connection.close()
    assert (entries, deadlocks) == (len(bought), 0)
    return f"workers of two servers on {len(bought)} orders: each settled once"


async def _are_the_orders(worlds: Sequence[World], customer: str, bought: Sequence[Intent]) -> None:
    found = await history(worlds[-1], customer)
    assert Counter(one["orderId"] for one in found) == Counter(
        one.acknowledged["orderId"] for one in bought
    )
    assert len({one.acknowledged["orderId"] for one in bought}) == len(bought)
    assert {one["status"] for one in found} == {"1000"}
    (seats,) = await worlds[0].seats(customer)
    assert seats["currentQuantity"] == sum(one.body["lineItems"][0]["quantity"] for one in bought)
    await worlds[-1].is_sound()
