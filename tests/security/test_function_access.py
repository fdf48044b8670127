"""Calls that are not for everybody: the instance's own, and writes of credentials that may only
read. OWASP API5. What such credentials may do at the public API: tests/api/platform.
"""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from seatledger.app import Application, prepare
from seatledger.clock import SystemClock
from seatledger.settings import Settings
from tests.conftest import ADMIN_TOKEN
from tests.harness import World
from tests.security.routes import ADMIN_ROUTES, control_routes, own_routes
from tests.tenants import fill, stored
from tests.wire import another_database, with_credential

pytestmark = pytest.mark.anyio

IDS = dict.fromkeys(
    ("reseller-id", "customer-id", "order-id", "subscription-id", "discount-id", "fault-id",
     "snapshot-id"), "1",
) | {"code": "1"}  # fmt: skip
WRONG_TOKENS = ("", " ", "x", ADMIN_TOKEN[:-1], ADMIN_TOKEN.upper(), f"{ADMIN_TOKEN} ", "\xe9")


def test_the_table_of_admin_routes_is_complete() -> None:
    assert set(control_routes()) >= ADMIN_ROUTES
    assert all("/sandbox/partners" not in one for one in own_routes())


@pytest.mark.proves("4116")
async def test_calls_on_the_instance_are_not_for_partners(world: World, database_url: str) -> None:
    """A partner's own key and token open nothing there, not even its own world."""
    before = await stored(database_url, world)
    for route in ADMIN_ROUTES:
        method, _, path = route.partition(" ")
        path = fill(path, {"distributor-id": world.distributor_id})
        sent: list[Mapping[str, str | None]] = [{}, {"Authorization": f"Bearer {ADMIN_TOKEN}"}]
        sent += [{"X-Admin-Token": one} for one in WRONG_TOKENS[:-2]]
        for headers in sent:
            found = await world.call(method, path, {"name": "x"}, headers=headers)
            assert (found.status, found.code) == (401, "4116"), (route, headers)
    assert await stored(database_url, world) == before


async def test_the_admin_token_is_no_key_to_a_world(world: World) -> None:
    headers = {"X-Admin-Token": ADMIN_TOKEN, "Authorization": None}
    for route in own_routes():
        method, _, path = route.partition(" ")
        assert (await world.call(method, fill(path, IDS), headers=headers)).code == "4117", route


@pytest.mark.proves("4121", "sandbox.md 1")
async def test_control_calls_of_credentials_that_may_not_write(
    world: World, database_url: str
) -> None:
    reader = await with_credential(world, database_url, role="read")
    suspended = await with_credential(world, database_url, status="suspended")
    before = await stored(database_url, world)
    for route in own_routes():
        method, _, path = route.partition(" ")
        path = fill(path, IDS)
        assert (await suspended.call(method, path)).code == "4121", route
        found = await reader.call(method, path)
        assert (found.status == 403) is (method != "GET"), route
    assert await stored(database_url, world) == before


@pytest.mark.proves("404")
async def test_production_has_no_control_route(database_url: str) -> None:
    async with another_database(database_url) as url:
        settings = Settings(
            database_url=url,
            mode="production",
            signing_key=SecretStr("k" * 32),
            tls_proxies=("127.0.0.1",),
            admin_token=ADMIN_TOKEN,
        )
        await prepare(settings, url)
        server = Application(settings, SystemClock())
        async with (
            server.running(),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=server), base_url="https://testserver"
            ) as client,
        ):
            for route in control_routes():
                method, _, path = route.partition(" ")
                found = await client.request(
                    method, fill(path, IDS | {"distributor-id": "1"}),
                    headers={"X-Admin-Token": ADMIN_TOKEN},
                )  # fmt: skip
                assert (found.status_code, found.json()["code"]) == (403, "4115"), route
        served = _paths_of(server)
    assert served
    assert not [path for path in served if path.startswith("/sandbox")]


def _paths_of(server: Application) -> list[str]:
    app: Any = server._serving
    while not hasattr(app, "routes"):
        app = app.app
    return [route.path for route in app.routes]
