"""What is measured: a server process in production mode, its database, and a partner with data.

The first customer is made over HTTP, as a partner would make it. The others are copies of its
rows under ids of their own, so every document in them is one the service wrote.
"""

import asyncio
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from seatledger.domain.invariants import History
from seatledger.domain.model import Customer, LedgerEntry, Order, Subscription
from seatledger.engine import maintenance
from seatledger.store import partners, rows
from seatledger.store.history import histories

PARTNER = "100000001"
FIRST_CUSTOMER = 1_500_000_000  # far beyond what the server's own ids reach here
HELD_OFFERS = ("11073058CA01A12", "69804578CA01A12", "11083117CA01A12")
OFFER = HELD_OFFERS[0]  # what the load buys: more seats of a product every customer holds
_CLIENT_ID = "seatledger-bench"
_WAIT_SECONDS = 60
_POLL_SECONDS = 0.02
_KEPT = ("customer", "orders", "subscription", "ledger_entry")
_EMPTIED = (*_KEPT, "idempotency", "request_id", "redemption", "event")


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


@contextmanager
def server(url: str, folder: Path) -> Iterator[tuple[str, int]]:
    """One `seatledger serve` process in production mode: its address and process id.

    It logs into `folder`; what it logged is shown when the bench fails.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("SEATLEDGER_")}
    command = [str(Path(sys.executable).with_name("seatledger")), "serve", "--port", "0"]
    log = folder / "server.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--mode", "production", "--database-url", url],
            env={**own, "SEATLEDGER_SIGNING_KEY": secrets.token_hex(32), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield address_of(process), process.pid
    except Exception as error:
        error.add_note(f"the server's log ends with:\n{log.read_text()[-2000:]}")
        raise
    finally:
        process.terminate()
        process.communicate(timeout=_WAIT_SECONDS)


def address_of(process: "subprocess.Popen[str]") -> str:
    """Read the server's lines until it says where it listens, then wait until it is ready."""
    assert process.stdout is not None
    for text in process.stdout:
        found = re.search(r"http://[\w.:\[\]]+:\d+", text)
        if found:
            with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=60) as probe:
                probe.get(f"{found.group()}/readyz").raise_for_status()
            return found.group()
    raise StageError("the server did not start")


class Stage:
    """The partner's data and keys, and ways to put it back to its first state."""

    def __init__(self, url: str, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.url = url
        self.connection = connection
        self.headers: dict[str, str] = {}
        self.customers: list[str] = []
        self.sample: dict[str, Any] = {}
        self.start = Sums(0, 0, 0, 0)

    async def build(self, address: str, folder: Path, customers: int) -> None:
        """Make the partner, its first customer with three subscriptions, and the copies."""
        secret = await self._make_partner(folder)
        async with httpx.AsyncClient(base_url=address, timeout=60) as http:
            await self._log_in(http, secret)
            template = await self._make_customer(http)
            await self._copy(template, customers)
            await self._keep()
            await self.settle("manual")
            self.sample = await self._take_sample(http)

    async def settle(self, mode: str) -> None:
        """Set how accepted orders settle: `manual` holds them, `auto` lets the worker at them."""
        await partners.set_settlement(self.connection, PARTNER, mode, 0)

    async def reset(self) -> None:
        """Put everything back to how it began, with a checkpoint behind it.

        Only tables with rows get statistics: for one that was vacuumed while empty the planner
        would prefer to scan it, and keep that plan while it grows.
        """
        await self.connection.execute(f"TRUNCATE {', '.join(_EMPTIED)}")
        for table in _KEPT:
            await self.connection.execute(f"INSERT INTO {table} SELECT * FROM bench.{table}")
        await self.connection.execute(f"VACUUM ANALYZE {', '.join(_KEPT)}")
        await self.connection.execute("CHECKPOINT")
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

    async def _log_in(self, http: httpx.AsyncClient, secret: str) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": _CLIENT_ID,
            "client_secret": secret,
            "scope": "openid",
        }
        token = _sound(await http.post("/ims/token/v3", data=form))["access_token"]
        self.headers = {
            "X-Api-Key": _CLIENT_ID,
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
        }

    async def _make_customer(self, http: httpx.AsyncClient) -> History:
        """The first customer, active, with one settled order of three products."""
        address = {
            "country": "US",
            "region": "CA",
            "city": "San Jose",
            "addressLine1": "200 Fairmont Ave",
            "postalCode": "95110-1234",
        }
        profile = {
            "companyName": "Bench Customer",
            "preferredLanguage": "en-US",
            "address": address,
            "contacts": [{"firstName": "Ann", "lastName": "Lee", "email": "ann.lee@example.com"}],
        }
        reseller = await self._post(
            http,
            "/v3/resellers",
            {"companyProfile": {**profile, "marketSegments": ["COM"]}, "distributorId": PARTNER},
        )
        customer = await self._post(
            http,
            "/v3/customers",
            {
                "resellerId": reseller["resellerId"],
                "companyProfile": {**profile, "marketSegment": "COM"},
            },
        )
        path = f"/v3/customers/{customer['customerId']}/orders"
        await self._post(http, path, order_body(HELD_OFFERS))
        await self.drained()
        found = await histories(self.connection, PARTNER, "", 1)
        if len(found[0].subscriptions) != len(HELD_OFFERS):
            raise StageError(f"the first order did not settle: {found[0].orders}")
        return found[0]

    async def _copy(self, template: History, count: int) -> None:
        """Store `count` customers like the template, each with its own ids."""
        customers: list[Customer] = []
        orders: list[Order] = []
        subscriptions: list[Subscription] = []
        entries: list[LedgerEntry] = []
        for number in range(FIRST_CUSTOMER, FIRST_CUSTOMER + count):
            copy = _copy_of(template, str(number))
            customers.append(copy.customer)
            orders += copy.orders
            subscriptions += copy.subscriptions
            entries += copy.entries
        await rows.insert(self.connection, "customer", customers)
        await rows.insert(self.connection, "orders", orders)
        await rows.insert(self.connection, "subscription", subscriptions)
        await rows.insert(self.connection, "ledger_entry", entries)
        self.customers = [one.customer_id for one in customers]

    async def _keep(self) -> None:
        await self.connection.execute("CREATE SCHEMA bench")
        for table in _KEPT:
            await self.connection.execute(f"CREATE TABLE bench.{table} AS TABLE {table}")

    async def _take_sample(self, http: httpx.AsyncClient) -> dict[str, Any]:
        """Place one order of the load and read what the service made of it, as text."""
        path = f"/v3/customers/{self.customers[0]}/orders"
        made = await self._post(http, path, order_body((OFFER,)))
        row = await self.connection.fetchrow(
            """SELECT o.partner_id, o.reseller_id, o.external_reference_id AS reference,
                 o.lines::text AS lines, o.basis::text AS basis, o.created_at::text AS at,
                 (o.created_at - interval '10 days')::text AS alive_since,
                 i.body::text AS body, i.fingerprint::text AS fingerprint
               FROM orders o JOIN idempotency i USING (partner_id)
               WHERE o.order_id = $1 AND i.path = $2""",
            made["orderId"],
            path,
        )
        assert row is not None
        return dict(row)

    async def _post(self, http: httpx.AsyncClient, path: str, body: object) -> Any:
        headers = {**self.headers, "X-Correlation-Id": secrets.token_hex(16)}
        return _sound(await http.post(path, json=body, headers=headers))


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


def _sound(reply: httpx.Response) -> Any:
    if not reply.is_success:
        raise StageError(f"{reply.request.url.path}: {reply.status_code} {reply.text}")
    return reply.json()


def _copy_of(template: History, customer_id: str) -> History:
    """A customer's history under ids made from another customer id."""
    seats = {
        one.subscription_id: f"{customer_id}{one.position:020d}NA" for one in template.subscriptions
    }
    ids = {one.order_id: f"91{customer_id}" for one in template.orders}
    return History(
        replace(template.customer, customer_id=customer_id),
        tuple(
            replace(
                one,
                order_id=ids[one.order_id],
                customer_id=customer_id,
                lines=tuple(
                    replace(line, subscription_id=seats[line.subscription_id]) for line in one.lines
                ),
            )
            for one in template.orders
        ),
        tuple(
            replace(one, subscription_id=seats[one.subscription_id], customer_id=customer_id)
            for one in template.subscriptions
        ),
        tuple(
            replace(
                one,
                customer_id=customer_id,
                subscription_id=seats[one.subscription_id],
                order_id=ids[one.order_id],
            )
            for one in template.entries
        ),
    )
