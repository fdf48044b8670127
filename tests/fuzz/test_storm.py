"""Whole requests, damaged anywhere, over real connections (`make fuzz` sends many more)."""

from pathlib import Path

import httpx
import pytest

from seatledger.api.table import OPERATIONS
from seatledger.app import Application
from seatledger.clock import ManualClock, SystemClock
from seatledger.settings import Settings
from tests.conftest import ADMIN_TOKEN
from tests.fuzz.recorded import of_api
from tests.fuzz.scene import Scene
from tests.fuzz.storm import Storm
from tests.harness import World, make_world
from tests.wire import listening

pytestmark = pytest.mark.anyio

REQUESTS = 600
SEED = 20250707


@pytest.mark.proves("platform.md 35")
async def test_no_request_breaks_the_service(settings: Settings, tmp_path: Path) -> None:
    """On a server of its own: failed log-ins throttle nobody else."""
    server = Application(settings, ManualClock(SystemClock().now()))
    transport = httpx.ASGITransport(app=server, client=("192.0.2.1", 1))
    async with (
        server.running(),
        httpx.AsyncClient(transport=transport, base_url="http://testserver") as client,
        listening(server) as address,
    ):
        storm = Storm(
            address,
            lambda: make_world(client, ADMIN_TOKEN),
            SEED,
            connections=16,
            api_worlds=2,
            failures=tmp_path,
        )
        async for report in storm.blow(REQUESTS):
            assert report.failures == []
    assert report.sent == REQUESTS
    assert not [one for one in report.answers if one.startswith("5")]


async def test_every_operation_is_aimed_at(world: World) -> None:
    names = ("reseller-id", "customer-id", "deployment-id", "order-id", "subscription-id")
    recorded = {one.route for one in of_api(Scene(world, {name: name for name in names}), 1)}
    assert recorded == {f"{one.method} {one.path}" for one in OPERATIONS}
