"""What is measured: a server process in production mode, its database, and a partner with data.

The first customer is made over HTTP, as a partner would make it. The others are copies of its
rows under ids of their own, so every document in them is one the service wrote.
"""

import asyncio
import secrets
from datetime import datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
from msgspec import Struct

from bench import customers, load
from bench.accounts import Accounts, sound
from seatledger.engine import maintenance
from seatledger.store import partners

PARTNER = "100000001"
HELD_OFFERS = ("11073058CA01A12", "69804578CA01A12", "11083117CA01A12")
MAX_SEATS = 9  # one digit: bodies have one length, and no order earns a higher level
CUSTOMERS = 2_000  # a multiple of pgbench's clients, so that each has customers of its own
_CLIENT_ID = "seatledger-bench"
_WAIT_SECONDS = 120
_POLL_SECONDS = 0.02
_KEPT = ("customer", "orders", "subscription", "ledger_entry")
_EMPTIED = (*_KEPT, "idempotency", "request_id", "redemption", "event")

_SAMPLE = """
SELECT jsonb_array_length(o.lines) AS size, o.partner_id, o.reseller_id, o.quantity::text,
  o.external_reference_id AS reference, o.lines::text, o.basis::text, o.created_at::text AS at,
  (o.created_at - interval '10 days')::text AS alive_since, i.body::text, i.fingerprint::text
FROM orders o JOIN idempotency i ON i.partner_id = o.partner_id
  AND convert_from(i.body, 'UTF8')::jsonb ->> 'orderId' = o.order_id
"""


class StageError(Exception):
    """The stage could not be set; the message says what went wrong."""


class Sums(Struct, frozen=True):
    """What the database holds: orders, seats of subscriptions, seats in the ledger, unsettled."""

    orders: int
    seats: int
    ledger: int
    pending: int

    def since(self, start: "Sums") -> "Sums":
        """What has been added since `start`."""
        return Sums(
            self.orders - start.orders,
            self.seats - start.seats,
            self.ledger - start.ledger,
            self.pending - start.pending,
        )


class Stage:
    """The partner's data and keys, and ways to put it back to its first state."""

    def __init__(self, url: str, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.url = url
        self.connection = connection
        self.address = ""
        self.customers: list[str] = []
        self.start = Sums(0, 0, 0, 0)
        self.mark: datetime
        self._headers: dict[str, str] = {}

    async def build(self, address: str, folder: Path, count: int = CUSTOMERS) -> None:
        """Make the partner, its first customer with three subscriptions, and the copies."""
        self.address = address
        secret = await self._make_partner(folder)
        async with Accounts(address, PARTNER, _CLIENT_ID, secret) as accounts:
            self._headers = accounts.headers
            template = await accounts.customer(await accounts.reseller())
            await accounts.order(template, order_body(HELD_OFFERS))
        await self.drained()
        self.customers = await customers.copy(self.connection, template, count)
        await self.connection.execute("CREATE SCHEMA bench")
        for table in _KEPT:
            await self.connection.execute(f"CREATE TABLE bench.{table} AS TABLE {table}")
        await self.connection.execute(f"CREATE TABLE bench.sample AS {_SAMPLE} WITH NO DATA")
        await self.settle("manual")

    @property
    def buyers(self) -> list[str]:
        """As many customers as every load has, spread over all there are."""
        return self.customers[:: max(1, len(self.customers) // CUSTOMERS)][:CUSTOMERS]

    def orders(self, lines: int = 1) -> load.Orders:
        """NEW orders of `lines` lines, for all customers in turn."""
        paths = [f"/v3/customers/{one}/orders" for one in self.buyers]
        return load.Orders(self.address, paths, self._headers, bodies(lines))

    def previews(self, lines: int) -> load.Orders:
        """PREVIEW orders of `lines` lines with prices, for all customers in turn."""
        paths = [f"/v3/customers/{one}/orders?fetch-price=true" for one in self.buyers]
        body = msgspec.json.encode({**order_body(offers(lines)), "orderType": "PREVIEW"})
        return load.Orders(self.address, paths, self._headers, [(body, 0)])

    async def answer(self, requests: load.Requests) -> bytes:
        """The body of the answer to one of `requests`."""
        head, _, body = requests.next()[0].partition(b"\r\n\r\n")
        line, *rest = head.decode().split("\r\n")
        headers = dict(one.split(": ", 1) for one in rest)
        async with httpx.AsyncClient(base_url=self.address, timeout=60) as http:
            reply = await http.post(line.split(" ")[1], content=body, headers=headers)
        sound(reply)
        return reply.content

    async def keep_sample(self, lines: int) -> None:
        """Place one order of `lines` lines and keep what the service made of it, as text."""
        order_id = msgspec.json.decode(await self.answer(self.orders(lines)))["orderId"]
        await self.connection.execute(
            f"INSERT INTO bench.sample {_SAMPLE} WHERE o.order_id = $1", order_id
        )

    async def settle(self, mode: str) -> None:
        """Set how accepted orders settle: `manual` holds them, `auto` lets the worker at them."""
        await partners.set_settlement(self.connection, PARTNER, mode, 0)

    async def reset(self) -> None:
        """Put everything back to how it began.

        Only tables with rows get statistics: for one that was vacuumed while empty the planner
        would prefer to scan it, and keep that plan while it grows.
        """
        await self.connection.execute(f"TRUNCATE {', '.join(_EMPTIED)}")
        for table in _KEPT:
            await self.connection.execute(f"INSERT INTO {table} SELECT * FROM bench.{table}")
        await self.connection.execute(f"VACUUM ANALYZE {', '.join(_KEPT)}")
        self.start = await self.sums()

    async def take_back(self) -> None:
        """Remove the orders that loads placed since `mark`, leaving what else is stored."""
        await self.connection.execute("DELETE FROM orders WHERE status = '1002'")
        for table, column in (("idempotency", "completed_at"), ("request_id", "seen_at")):
            await self.connection.execute(f"DELETE FROM {table} WHERE {column} > $1", self.mark)
        await self.connection.execute("VACUUM orders, idempotency, request_id, customer")
        self.start = await self.sums()

    async def sums(self) -> Sums:
        """Count what the database holds."""
        row = await self.connection.fetchrow(
            """SELECT (SELECT count(*) FROM orders),
                 (SELECT COALESCE(sum(current_quantity), 0) FROM subscription),
                 (SELECT COALESCE(sum(delta), 0) FROM ledger_entry),
                 (SELECT count(*) FROM orders WHERE status = '1002')"""
        )
        assert row is not None
        return Sums(*row)

    async def drained(self) -> None:
        """Wait until no order is unsettled; StageError when that takes too long."""
        sql = "SELECT EXISTS (SELECT 1 FROM orders WHERE status = '1002')"
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                while await self.connection.fetchval(sql):
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            raise StageError(f"orders are unsettled after {_WAIT_SECONDS} seconds") from error

    async def violations(self) -> list[str]:
        """The service's own invariants over every customer."""
        report = await maintenance.check(self.url)
        return report.violations

    async def _make_partner(self, folder: Path) -> str:
        secret = secrets.token_urlsafe(24)
        file = folder / "partner.json"
        contract = {
            "distributorId": PARTNER,
            "name": "Bench",
            "regions": ["NA"],
            "currencies": {"NA": ["USD"]},
            "marketSegments": ["COM"],
            "clientId": _CLIENT_ID,
            "clientSecret": secret,
        }
        file.write_bytes(msgspec.json.encode(contract))
        await maintenance.apply_partner(self.url, file)
        return secret


def offers(count: int) -> tuple[str, ...]:
    """What orders of so many lines buy: more seats of what every customer holds."""
    return tuple(islice(cycle(HELD_OFFERS), count))


def bodies(lines: int) -> list[tuple[bytes, int]]:
    """Bodies of orders of `lines` lines, each with its seats; of one line in several sizes."""
    body = order_body(offers(lines))
    if lines > 1:
        return [(msgspec.json.encode(body), lines)]
    sizes = range(1, MAX_SEATS + 1)
    text = msgspec.json.encode(body)
    return [(text.replace(b'"quantity":1', b'"quantity":%d' % seats), seats) for seats in sizes]


def order_body(offers: tuple[str, ...]) -> dict[str, Any]:
    """A NEW order of one seat per offer."""
    return {
        "orderType": "NEW",
        "externalReferenceId": "bench-order",
        "currencyCode": "USD",
        "lineItems": [
            {"extLineItemNumber": number, "offerId": offer, "quantity": 1}
            for number, offer in enumerate(offers, 1)
        ],
    }
