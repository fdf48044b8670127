"""Objects of others through every call of the control API, and every call with a wrong identity.

What the public API says to ids of others, route by route, is in tests/api/platform/test_tenancy.py.
OWASP API1 and API2.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from seatledger.api.table import OPERATIONS
from seatledger.clock import ManualClock
from seatledger.store import partners
from seatledger.store.rows import AnyConnection
from tests.conftest import MakeWorld
from tests.fuzz.recorded import Request, of_edits
from tests.fuzz.scene import CALLS, Scene, furnish
from tests.harness import World, fetch_token
from tests.security.routes import own_routes
from tests.tenants import UNKNOWN, fill, seen, stored
from tests.wire import elsewhere, with_credential

pytestmark = pytest.mark.anyio

ANY = dict.fromkeys(
    ("reseller-id", "customer-id", "deployment-id", "order-id", "subscription-id",
     "distributor-id", "discount-id", "code", "fault-id", "snapshot-id"),
    "99999999",
)  # fmt: skip


@pytest.fixture
async def victim(new_world: MakeWorld) -> AsyncIterator[Scene]:
    """Another partner, with one of everything."""
    scene = Scene(await new_world(), {})
    await furnish(scene)
    yield scene
    await scene.world.is_sound()


# --- ids of others -----------------------------------------------------------------------------


def with_ids(scene: Scene) -> Iterator[Request]:
    """Control calls that name an object in their path."""
    return (one for one in of_edits(scene) if "-id}" in one.path)


async def test_every_control_route_with_an_id_of_a_customer_is_walked(victim: Scene) -> None:
    walked = {one.route for one in with_ids(victim)}
    of_worlds = re.compile(r"\{(distributor|discount|fault|snapshot)-id\}")
    assert walked == {
        route for route in own_routes() if "-id}" in route and not of_worlds.search(route)
    }


async def test_control_calls_take_ids_of_others_for_unknown_ones(
    world: World, victim: Scene, database_url: str
) -> None:
    before = await stored(database_url, victim.world)
    for one in with_ids(victim):
        told = []
        for ids in (victim.path_ids, UNKNOWN):
            body = one.of(victim).body if one.method != "GET" else None
            told.append(await world.call(one.method, fill(one.path, ids), body))
        assert seen(told[0]) == seen(told[1]), one.route
        assert told[0].status == 404, one.route
        allowed = await victim.world.call(one.method, fill(one.path, victim.path_ids), {"x": 1})
        assert allowed.status in (200, 400), one.route  # its owner comes further
    assert await stored(database_url, victim.world) == before


async def test_control_calls_take_ids_of_others_in_bodies_for_unknown_ones(
    world: World, victim: Scene, database_url: str
) -> None:
    closed = {
        "marketSegment": "COM", "templateId": "TPL_COM_SAVE_20",
        "expiryDate": "2026-09-10T23:59:59Z",
    }  # fmt: skip
    code = (await victim.world.post(
        "/sandbox/closed-discounts", {**closed, "customerId": victim.path_ids["customer-id"]}
    )).ok()["code"]  # fmt: skip
    fault = {"effect": {"type": "rate_limit"}, "match": {"path": "/v3/nothing"}}
    fault_id = (await victim.world.post("/sandbox/faults", fault)).ok()["id"]
    snapshot = (await victim.world.post("/sandbox/snapshots", {"name": "theirs"})).ok()["id"]
    before = await stored(database_url, victim.world)
    theirs = victim.path_ids
    calls: list[tuple[str, str, str, dict[str, Any]]] = [
        ("POST", "/sandbox/closed-discounts", "customer-id", closed),
        ("POST", "/sandbox/fixtures", "customer-id", {"set": "orders"}),
        ("POST", "/sandbox/fixtures", "reseller-id", {"set": "customer"}),
        ("POST", "/sandbox/settle", "customer-id", {}),
        ("POST", "/sandbox/settle", "order-id", {}),
        ("POST", "/sandbox/explain/preview", "customer-id", CALLS[7][2](victim)),
    ]
    names = {"customer-id": "customerId", "reseller-id": "resellerId", "order-id": "orderId"}
    for method, path, name, body in calls:
        told = [
            await world.call(method, path, {**body, names[name]: ids[name]})
            for ids in (theirs, UNKNOWN)
        ]
        assert seen(told[0]) == seen(told[1]), (path, name)
    names_of = {"closed-discounts": code, "faults": fault_id, "snapshots": snapshot}
    for kind, name in names_of.items():
        assert (await world.call("DELETE", f"/sandbox/{kind}/{name}")).status == 404
    (await world.get(f"/sandbox/snapshots/{snapshot}")).refused(404, "404")
    (await world.post(f"/sandbox/snapshots/{snapshot}/restore")).refused(404, "404")
    assert (await world.get("/sandbox/closed-discounts", params={"q": code})).body == []
    assert (await world.get("/sandbox/faults")).ok(200)["totalCount"] == 0
    for path in ("/sandbox/reset", "/sandbox/faults", "/sandbox/settle"):
        method = "DELETE" if path.endswith("faults") else "POST"
        assert (await world.call(method, path)).status in (200, 204)
    assert await stored(database_url, victim.world) == before


# --- wrong identities --------------------------------------------------------------------------


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def tokens(world: World, clock: ManualClock, database: AnyConnection) -> dict[str, str]:
    """Tokens that are none for this world, by what is wrong with them."""
    now = int(clock.now().timestamp())
    claims = {"sub": world.client_id, "iat": now, "exp": now + 3_600, "jti": "forged"}
    key = OctKey.import_key((await partners.config(database, "signing_key") or "").encode())
    strange = OctKey.import_key("k" * 64)
    header, payload, signature = world.token.split(".")
    return {
        "empty": "",
        "no algorithm": f"{_segment({'alg': 'none'})}.{_segment(claims)}.",
        "no algorithm, signed": f"{_segment({'alg': 'none'})}.{payload}.{signature}",
        "another key": jwt.encode({"alg": "HS256"}, claims, strange),
        "another's claims": f"{header}.{_segment({**claims, 'sub': 'x'})}.{signature}",
        "another algorithm": jwt.encode({"alg": "HS384"}, claims, key, algorithms=["HS384"]),
        "another audience": jwt.encode({"alg": "HS256"}, {**claims, "aud": "elsewhere"}, key),
        "not yet": jwt.encode({"alg": "HS256"}, {**claims, "nbf": now + 60}, key),
        "no end": jwt.encode({"alg": "HS256"}, {"sub": world.client_id}, key),
        "long over": jwt.encode({"alg": "HS256"}, {**claims, "exp": now - 1}, key),
        "a key by reference": jwt.encode(
            {"alg": "HS256", "jku": "https://evil.example", "kid": "../../dev/null"},
            claims,
            strange,
        ),
    }


@pytest.mark.proves("4115", "4116", "4117", "platform.md 6")
async def test_nothing_opens_to_a_wrong_identity(
    world: World,
    victim: Scene,
    real_clock: ManualClock,
    database: AnyConnection,
    database_url: str,
) -> None:
    """Not one route of either API, and not even to learn whether the route is there."""
    await victim.world.set(flags={"token_ttl_seconds": 60})
    short = await fetch_token(
        elsewhere(victim.world.client), victim.world.client_id, victim.world.secret
    )
    disabled = await with_credential(victim.world, database_url, status="disabled")
    real_clock.advance(timedelta(seconds=61))
    forged = await tokens(victim.world, real_clock, database)
    intruders = {
        **{name: (replace(victim.world, token=one), "4116") for name, one in forged.items()},
        "an expired token": (replace(victim.world, token=short), "4116"),
        "a token of another partner": (replace(victim.world, token=world.token), "4115"),
        "a key of another partner": (replace(victim.world, client_id=world.client_id), "4115"),
        "no key": (replace(victim.world, client_id=""), "4115"),
        "a disabled credential": (disabled, "4116"),
    }
    before = await stored(database_url, victim.world)
    ids = ANY | victim.path_ids
    routes = [f"{one.method} {one.path}" for one in OPERATIONS] + list(own_routes())
    for route in (*routes, "GET /v3/nothing"):
        method, _, path = route.partition(" ")
        for name, (intruder, code) in intruders.items():
            found = await intruder.call(method, fill(path, ids), {"x": 1})
            assert found.code == code, (route, name)
        bare = await victim.world.call(
            method, fill(path, ids), {"x": 1}, headers={"Authorization": None}
        )
        assert bare.code == "4117", route
    assert await stored(database_url, victim.world) == before
