"""No body and no address makes a control call fail: it is refused in the envelope, or obeyed."""

import copy
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest

from seatledger.sandbox.routes import Sandbox
from seatledger.settings import Settings
from seatledger.store.rows import AnyConnection
from tests.accounts import commit
from tests.conftest import ADMIN_TOKEN
from tests.harness import Reply, World, line, order

pytestmark = pytest.mark.anyio

SEATS = "80004567EA01A12"
ADMIN = {"X-Admin-Token": ADMIN_TOKEN}

CUSTOMER = "/sandbox/customers/{customer_id}"
SUBSCRIPTION = CUSTOMER + "/subscriptions/{subscription_id}"
COMMIT = CUSTOMER + "/three-year-commit"
MATCH = {"method": "POST", "path": "/v3/*", "header": {"X-Any": "a*"}}
CONTRACT: dict[str, Any] = {
    "name": "changed", "status": "1000", "country": "US", "regions": ["NA"],
    "currencies": {"NA": ["USD"]}, "marketSegments": ["COM"], "programs": ["TEAM"],
    "globalSalesEnabled": True, "lgaEnabled": False,
    "flags": {"return_window_days": 14, "id_prefix": "A", "relaxed_3yc": False,
              "http_status_profile": "seed"},
    "quirks": ["null_ended_commitments"],
}  # fmt: skip
MINIMUMS = [{"offerType": "LICENSE", "quantity": 12}]

BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/sandbox/partners"): {
        **CONTRACT, "distributorId": "given", "clock": {"now": "2025-07-08"},
        "fixtures": ["reseller"],
    },
    ("PATCH", "/sandbox/partner"): CONTRACT,
    ("PUT", "/sandbox/catalog"): {"text": "a,b"},
    ("PUT", "/sandbox/flex-discounts"): {"text": "a,b"},
    ("PATCH", "/sandbox/flex-discounts/{discount_id}"): {"endDate": "2025-12-01T00:00:00Z"},
    ("POST", "/sandbox/closed-discounts"): {
        "marketSegment": "COM", "customerId": "{customer_id}", "templateId": "TPL_COM_SAVE_20",
        "expiryDate": "2025-12-01T00:00:00Z",
    },
    ("POST", "/sandbox/reset"): {"fixtures": ["reseller"], "clock": {"now": "2025-07-08"}},
    ("POST", "/sandbox/snapshots"): {"name": "before"},
    ("POST", "/sandbox/snapshots/{snapshot_id}/restore"): {},
    ("POST", "/sandbox/fixtures"): {
        "set": "customer", "resellerId": "{reseller_id}", "customerId": "{customer_id}",
    },
    ("PATCH", "/sandbox/resellers/{reseller_id}"): {"status": "1000"},
    ("PATCH", CUSTOMER): {
        "status": "1000", "cotermDate": "2026-07-01", "globalSalesEnabled": True,
        "marketSubSegments": [], "tags": ["A"], "force": True,
        "discounts": [{"offerType": "LICENSE", "level": "02", "discountCode": "HVD_L18_PRE"}],
    },
    ("PATCH", CUSTOMER + "/orders/{order_id}"): {
        "status": "1000", "creationDate": "2025-07-01T00:00:00Z", "force": False,
    },
    ("PATCH", SUBSCRIPTION): {
        "status": "1000", "autoRenewal": {"enabled": True, "renewalQuantity": 5},
        "currentQuantity": 12, "usedQuantity": 4, "renewalDate": "2026-07-01",
    },
    ("POST", CUSTOMER + "/renewal-run"): {"force": False},
    ("POST", SUBSCRIPTION + "/expire"): {},
    ("PATCH", COMMIT): {
        "kind": "commitmentRequest", "startDate": "2025-07-07", "endDate": "2028-07-06",
        "status": "REQUESTED", "minimumQuantities": MINIMUMS,
    },
    ("POST", COMMIT + "/accept"): {"kind": "commitmentRequest"},
    ("POST", COMMIT + "/decline"): {"kind": "commitmentRequest"},
    ("POST", COMMIT + "/enroll"): {"minimumQuantities": MINIMUMS},
    ("PUT", "/sandbox/clock"): {"mode": "running", "rate": 1, "now": "2025-07-07T18:00:00Z"},
    ("POST", "/sandbox/clock/advance"): {
        "seconds": 1, "stopOn": "renewal", "dryRun": False, "limit": 10,
    },
    ("PUT", "/sandbox/settlement"): {"mode": "delay", "delaySeconds": 1},
    ("POST", "/sandbox/settle"): {
        "customerId": "{customer_id}", "orderId": "{order_id}", "kinds": ["order"], "max": 5,
    },
    ("POST", "/sandbox/faults"): {
        "match": MATCH, "skip": 0, "times": 1, "probability": 0.5, "force": False,
        "expiresAt": "2025-12-01T00:00:00Z",
        "effect": {"type": "http_error", "status": 500, "code": "1", "message": "m",
                   "additionalDetails": ["d"], "force": False},
    },
    ("POST", "/sandbox/explain/preview"): {"customerId": "{customer_id}", **order(line(SEATS))},
    ("POST", "/sandbox/reconciliation-files"): {"month": "202506", "currency": "USD"},
}  # fmt: skip

DEEP: Any = 1
for _ in range(28):
    DEEP = [DEEP]
VALUES: tuple[Any, ...] = (
    None, True, -1, 1.5, 10**30, "\0", "a\ud800", [], [{}], {"\ud800": "\0"}, DEEP,
)  # fmt: skip
NAMES = ("", "\udfff")
WHOLE = (b"[]", b"null", b"5", b'"x"', b"{", b"\xff\xfe", b'{"a":1e999}', b'{"a":1,"a":2}',
         b"[" * 100_000, b'{"a":' * 40 + b"1" + b"}" * 40)  # fmt: skip
IDS = ("%00", "%ED%A0%80", "%F0%9F%98%80", "x" * 4_000, "%2f", "'", "-1")


def routes() -> list[tuple[str, str]]:
    """Every control call there is."""
    nothing = cast("Any", None)
    return [
        (method, route.path)
        for route in Sandbox(nothing, nothing, Settings(), "0").routes()
        for method in sorted(route.methods or ())
        if method != "HEAD"
    ]


WITH_BODY = [one for one in routes() if one[0] not in ("GET", "DELETE")]


def test_every_call_with_a_body_is_here() -> None:
    assert set(BODIES) == set(WITH_BODY)


def places(value: Any, *path: Any) -> Iterator[tuple[Any, ...]]:
    """Every place in a body, outermost first."""
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        yield (*path, key)
        if isinstance(member, dict | list):
            yield from places(member, *path, key)


def with_value(body: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """The body with another value at a place."""
    changed = copy.deepcopy(body)
    node: Any = changed
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return changed


def hostile(body: dict[str, Any]) -> Iterator[bytes]:
    """Bodies that are not what the call asks for."""
    yield from WHOLE
    known = list(places(body))
    for path in known:
        for value in VALUES:
            yield json.dumps(with_value(body, path, value)).encode()
    objects = [(), *(one for one in known if isinstance(_at(body, one), dict))]
    for path in objects:
        for name in NAMES:
            yield json.dumps(with_value(body, (*path, name), 1)).encode()


def _at(body: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        body = body[step]
    return body


class Scene:
    """A world with something of everything, and how to see whether it changed."""

    def __init__(self, world: World, database: AnyConnection) -> None:
        self.world = world
        self._database = database
        self._ids: dict[str, str] = {}
        self._state = ""
        self._before = ""

    async def build(self) -> None:
        """A customer with an order, its subscription, and a request for a commitment."""
        customer = await self.world.customer(top=commit(("LICENSE", 10)))
        placed = (await self.world.order(customer, line(SEATS, 5))).ok()
        shown = await self.world.read_customer(customer)
        snapshot = (await self.world.post("/sandbox/snapshots", {"name": "scene"})).ok()
        self._ids = {
            "{customer_id}": customer,
            "{reseller_id}": shown["resellerId"],
            "{order_id}": placed["orderId"],
            "{subscription_id}": (await self.world.seats(customer))[0]["subscriptionId"],
            "{discount_id}": "1",
            "{snapshot_id}": snapshot["id"],
        }
        tables = await self._database.fetch(
            """SELECT DISTINCT table_name::text FROM information_schema.columns
               WHERE table_schema = current_schema() AND column_name = 'partner_id'"""
        )
        self._state = "SELECT md5(concat_ws('|', {}))".format(
            ", ".join(
                f"(SELECT string_agg(t::text, '|' ORDER BY t::text) FROM {table} t"
                " WHERE partner_id = $1)"
                for (table,) in tables
            )
        )

    def filled(self, text: str) -> str:
        """A path or body with the ids of what there is."""
        for name, value in self._ids.items():
            text = text.replace(name, value)
        return text

    async def state(self) -> str:
        """A digest of every row of the world."""
        found: str = await self._database.fetchval(self._state, self.world.distributor_id)
        return found

    async def meets(self, method: str, path: str, content: bytes | None = None) -> Reply:
        """Send it; whatever is refused is refused in the envelope and has changed nothing."""
        if not self._before:
            self._before = await self.state()
        reply = await self.world.call(method, path, headers=ADMIN, content=content)
        told = (method, path, (content or b"")[:300], reply.status, reply.body)
        assert reply.status < 500, told
        if reply.status >= 400:
            assert set(reply.body) <= {"code", "message", "additionalDetails"}, told
            assert reply.code, told
            assert await self.state() == self._before, told
        else:
            self._before = ""
        return reply


@pytest.fixture
async def scene(world: World, database: AnyConnection) -> Scene:
    """Something of everything, in a world of the test's own."""
    made = Scene(world, database)
    await made.build()
    return made


@pytest.mark.parametrize(("method", "path"), WITH_BODY, ids=[" ".join(one) for one in WITH_BODY])
async def test_bodies(scene: Scene, method: str, path: str) -> None:
    plain = json.loads(scene.filled(json.dumps(BODIES[method, path])))
    for body in hostile(plain):
        await scene.meets(method, scene.filled(path), body)


async def test_addresses(scene: Scene) -> None:
    for method, path in routes():
        names = [part for part in path.split("/") if part.startswith("{")]
        for name in names:
            for one in IDS:
                reply = await scene.meets(method, scene.filled(path.replace(name, one)))
                assert reply.status >= 400


@pytest.mark.parametrize("query", ["since", "kind", "market-segment", "country", "order-type",
                                   "q", "status"])  # fmt: skip
async def test_queries(scene: Scene, query: str) -> None:
    for path in ("/sandbox/events", "/sandbox/flex-discounts", "/sandbox/closed-discounts"):
        for value in ("%00", "%ED%A0%80", "9" * 99, "-1", "x" * 5_000, "%", "a&" + query + "=b"):
            await scene.meets("GET", f"{path}?{query}={value}")
