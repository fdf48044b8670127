"""A world under fire: what it holds, and what no answer may ever be or do."""

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from seatledger.contract.errors import catalogue
from seatledger.store.rows import AnyConnection
from tests.fuzz.scene import CUSTOMER, Scene, furnish
from tests.harness import Reply, World, unique

WATCHED = (
    *("partner", "reseller", "customer", "contact", "deployment", "orders", "subscription"),
    *("ledger_entry", "redemption", "event"),
)
COMMITMENTS = ("commitment", "commitmentRequest", "recommitmentRequest")
ACCOUNT_TABLES = {"resellers": "reseller", "customers": "customer", "deployments": "deployment"}

# A row's xmin is new after every change: an update cannot hide behind equal counts.
FINGERPRINT = " UNION ALL ".join(
    f"SELECT '{table}', count(*), COALESCE(sum(xmin::text::bigint), 0)::bigint "
    f"FROM {table} WHERE partner_id = $1"
    for table in WATCHED
)
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
"""Status, media type and body are those the OpenAPI document names."""

CATALOGUED = frozenset((row.code, row.http_status, row.message) for row in catalogue())
WITHOUT_DETAILS = frozenset({"4115", "4116", "4117", "4118"})


@dataclass(kw_only=True)
class Target(Scene):
    """A sound world with one of everything, and the tables behind it."""

    database: AnyConnection
    before: list[tuple[str, int, int]] = field(default_factory=list)
    rows_expected: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)

    @property
    def anchors(self) -> dict[str, tuple[Any, ...]]:
        """Values of body fields that name something of this world."""
        return {
            "distributorId": (self.world.distributor_id,),
            "resellerId": (self.path_ids["reseller-id"],),
            "deploymentId": ("", "", self.path_ids["deployment-id"]),
            "referenceOrderId": (self.path_ids["order-id"],),
            "subscriptionId": (self.path_ids["subscription-id"],),
        }

    def headers(self) -> dict[str, str]:
        """Good keys and a correlation id of this call's own."""
        return {
            "X-Api-Key": self.world.client_id,
            "Authorization": f"Bearer {self.world.token}",
            "X-Correlation-Id": unique("fuzz"),
        }

    async def fire(self, method: str, path: str, content: bytes) -> httpx.Response:
        """Send a body as it is."""
        headers = {**self.headers(), "Content-Type": "application/json"}
        return await self.world.client.request(method, path, content=content, headers=headers)

    async def place_order(self) -> None:
        """Make a new order the one that `order` and `path_ids` mean."""
        await super().place_order()
        self.rows_expected["orders"] += 1
        self.before = await self.fingerprint()

    async def fingerprint(self) -> list[tuple[str, int, int]]:
        """Number of rows and state of every table, of this world alone."""
        rows = await self.database.fetch(FINGERPRINT, self.world.distributor_id)
        return [(str(table), int(count), int(state)) for table, count, state in rows]

    async def judge(self, response: httpx.Response, sent: object) -> None:
        """Assert what holds for every answer; `sent` explains a failure.

        No server error; refusals are rows of the catalogue in the envelope, and change nothing.
        """
        method, path = response.request.method, response.request.url.path
        told = f"{method} {response.request.url} {sent!r}: {response.status_code} {response.text}"
        assert response.status_code < 500, told
        reply = reply_of(response)
        if reply.status < 300:
            self.answers["accepted"] += 1
            assert not has_null(reply.body), told
            if method != "GET":
                self._expect_rows(reply, method, path)
                self.before = await self.fingerprint()
        else:
            self.answers[check_envelope(reply, told)] += 1
            assert await self.fingerprint() == self.before, told

    def _expect_rows(self, reply: Reply, method: str, path: str) -> None:
        resource = path.rpartition("/")[2]
        if method != "POST":
            return
        if resource in ACCOUNT_TABLES:
            self.rows_expected[ACCOUNT_TABLES[resource]] += 1
        elif resource == "orders" and reply["orderType"] not in ("PREVIEW", "PREVIEW_RENEWAL"):
            self.rows_expected["orders"] += 1

    async def check_rows(self) -> None:
        """Assert that there is one row for every accepted call, and none besides."""
        counts = {table: count for table, count, _ in await self.fingerprint()}
        wanted = {
            table: self.rows_expected[table] for table in (*ACCOUNT_TABLES.values(), "orders")
        }
        assert {table: counts[table] for table in wanted} == wanted

    async def read_everything(self) -> None:
        """Assert that every resource and list can still be read."""
        for path in (
            *("/v3/resellers/{reseller-id}", CUSTOMER, f"{CUSTOMER}/deployments"),
            *(f"{CUSTOMER}/orders", f"{CUSTOMER}/orders/{{order-id}}"),
            *(f"{CUSTOMER}/subscriptions", f"{CUSTOMER}/subscriptions/{{subscription-id}}"),
        ):
            read = (await self.world.get(self.filled(path))).ok(200)
            assert not has_null(read.body), (path, read.body)


@asynccontextmanager
async def aimed(world: World, database_url: str) -> AsyncIterator[Target]:
    """A target with a reseller, a customer, a deployment and a settled order.

    On leaving, its rows are counted and its invariants checked.
    """
    database = await asyncpg.connect(database_url)
    try:
        target = Target(world, {}, database=database)
        await furnish(target)
        target.rows_expected.update(reseller=1, customer=1, deployment=1)
        yield target
        await target.check_rows()
        await target.read_everything()
        await world.is_sound()
    finally:
        await database.close()


def reply_of(response: httpx.Response) -> Reply:
    """An answer with its JSON; one that claims to be JSON and is not fails here."""
    is_json = response.headers["content-type"] == "application/json"
    body = json.loads(response.content, parse_float=Decimal) if is_json else response.text
    return Reply(response.status_code, body, response.headers, response.content)


def has_null(node: Any) -> bool:
    """Whether a null is anywhere in an answer: there never is one, except for the parts that a
    three-year commit does not have (platform.md 6)."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and node.get("type") == "THREE_YEAR_COMMIT":
        inner = [node[name] for name in COMMITMENTS if node[name] is not None]
    return node is None or any(has_null(one) for one in inner)


def check_envelope(reply: Reply, told: str) -> str:
    """Assert that a refusal is one of the catalogue in the envelope; gives its code."""
    assert isinstance(reply.body, dict), told
    code = reply.code
    assert (code, reply.status, reply.body.get("message")) in CATALOGUED, told
    details = set() if code in WITHOUT_DETAILS else {"additionalDetails"}
    assert set(reply.body) == {"code", "message"} | details, told
    assert all(isinstance(one, str) for one in reply.body.get("additionalDetails", [])), told
    return code
