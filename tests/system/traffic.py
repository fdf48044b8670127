"""Clients at work: orders with correlation ids, and what became of each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import asyncpg
import httpx

from tests.harness import Reply, World, line, order
from tests.system.server import PATIENCE_SECONDS

SEATS = "80004567EA01A12"
DISCOUNTED = "11073058CA01A12"
DISCOUNT = "BLACK_FRIDAY_10_PERCENT_OFF"

# What must not be there: answers without their order, orders without their answer, redemptions
# that are nobody's or missing, settled orders without ledger entries.
_HALVES = """
WITH answered AS (
  SELECT convert_from(body, 'UTF8')::jsonb ->> 'orderId' AS order_id, correlation_id
  FROM idempotency WHERE http_status = 201 AND path LIKE '%/orders')
SELECT 'answer without order', correlation_id FROM answered
  WHERE order_id NOT IN (SELECT order_id FROM orders)
UNION ALL SELECT 'answer given twice', order_id FROM answered GROUP BY order_id HAVING count(*) > 1
UNION ALL SELECT 'order without answer', order_id FROM orders
  WHERE order_id NOT IN (SELECT order_id FROM answered)
UNION ALL SELECT 'redemption without order', order_id FROM redemption
  WHERE order_id NOT IN (SELECT order_id FROM orders)
UNION ALL SELECT 'discount without redemption', o.order_id FROM orders o
  WHERE jsonb_path_exists(o.lines, '$[*].flex[*]')
    AND o.order_id NOT IN (SELECT order_id FROM redemption)
UNION ALL SELECT 'ledger does not match status', o.order_id FROM orders o
  WHERE (o.status = '1000') <> (o.order_id IN (SELECT order_id FROM ledger_entry))
"""


@dataclass
class Attempt:
    """One intent: what was sent, and the answer if one came."""

    customer: str
    correlation_id: str
    body: dict[str, Any]
    reply: Reply | None = None


@dataclass
class Traffic:
    """Clients that order for shared customers until they are stopped or cut off."""

    customers: Sequence[str]
    attempts: list[Attempt] = field(default_factory=list)
    is_over: bool = False
    put_off: int = 0  # how often a 503 was answered
    cut_off: int = 0  # how often no answer came
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _numbers: "count[int]" = field(default_factory=count)

    @property
    def acknowledged(self) -> list[Attempt]:
        """Attempts that were answered with 201."""
        return [one for one in self.attempts if one.reply is not None and one.reply.status == 201]

    async def run(self, world: World, clients: int) -> None:
        """Order from many clients until it is over.

        What is not answered, or with 503, is sent again with its correlation id, until then.
        """
        await asyncio.gather(*(self._client(world) for _ in range(clients)))

    async def _client(self, world: World) -> None:
        while not self.is_over:
            number = next(self._numbers)
            attempt = Attempt(
                self.customers[number % len(self.customers)],
                f"intent {number}",
                order(
                    line(SEATS, 1 + number % 3),
                    line(DISCOUNTED, number=2, flexDiscountCodes=[DISCOUNT]),
                ),
            )
            self.attempts.append(attempt)
            reply = await self._answer(world, attempt)
            if reply is not None:
                attempt.reply = reply.ok()
                async with self._news:
                    self._news.notify_all()

    async def _answer(self, world: World, attempt: Attempt) -> Reply | None:
        while True:
            try:
                reply = await send(world, attempt)
            except httpx.TransportError:
                self.cut_off += 1
                if self.is_over:
                    return None
                continue
            if reply.status != 503:
                return reply
            assert reply.headers["Retry-After"]
            self.put_off += 1

    async def has_acknowledged(self, number: int) -> None:
        """Let the clients work until that many orders are acknowledged."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.acknowledged) >= number)

    async def prove(self, world: World) -> None:
        """Repeat every intent, and show that each has become exactly one order.

        What had been acknowledged is answered with the same bytes, what had not with 201 now.
        """
        for attempt in self.attempts:
            again = (await insist(world, attempt)).ok()
            if attempt.reply is not None:
                assert again.content == attempt.reply.content
                assert again.headers["Seatledger-Replayed"] == "true"
            attempt.reply = again
        for customer in self.customers:
            ordered = [one.reply for one in self.attempts if one.customer == customer]
            found = await history(world, customer)
            assert sorted(one["orderId"] for one in found) == sorted(
                reply["orderId"] for reply in ordered if reply is not None
            )

    async def is_settled(self, world: World) -> None:
        """Wait until no order is pending, and compare the seats with what was ordered."""
        for customer in self.customers:
            while {one["status"] for one in await history(world, customer)} != {"1000"}:
                pass
            bodies = [one.body for one in self.attempts if one.customer == customer]
            held = {one["offerId"]: one["currentQuantity"] for one in await world.seats(customer)}
            assert held == {
                SEATS: sum(body["lineItems"][0]["quantity"] for body in bodies),
                DISCOUNTED: len(bodies),
            }
        await world.is_sound()


async def send(world: World, attempt: Attempt) -> Reply:
    """POST an order once."""
    path = f"/v3/customers/{attempt.customer}/orders"
    return await world.post(path, attempt.body, correlation_id=attempt.correlation_id)


async def insist(world: World, attempt: Attempt) -> Reply:
    """POST an order; a 503 is repeated with its correlation id until it is another answer."""
    while True:
        reply = await send(world, attempt)
        if reply.status != 503:
            return reply
        assert reply.headers["Retry-After"]


async def history(world: World, customer: str) -> list[dict[str, Any]]:
    """Every order of a customer."""
    items: list[dict[str, Any]] = []
    while True:
        page = await world.get(
            f"/v3/customers/{customer}/orders", params={"limit": 100, "offset": len(items)}
        )
        items += page.ok(200)["items"]
        if len(items) == page["totalCount"]:
            return items


async def half_orders(database_url: str) -> list[tuple[str, str]]:
    """What a crash left half done, by kind; for databases that hold nothing but traffic."""
    connection = await asyncpg.connect(database_url)
    try:
        return [(record[0], record[1]) for record in await connection.fetch(_HALVES)]
    finally:
        await connection.close()
