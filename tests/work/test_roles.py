"""API and workers apart: what each role does and leaves (docs/how-to/production.md)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import httpx
import pytest
from pydantic import SecretStr

from seatledger import app
from seatledger.app import Application, prepare
from seatledger.clock import SystemClock
from seatledger.engine import maintenance
from seatledger.settings import Settings
from seatledger.work.loop import Worker
from tests.harness import World, fetch_token, line
from tests.wire import another_database

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 30
KEY, SECRET = "live-key", "a-secret-of-production"


@asynccontextmanager
async def serving(url: str, role: Literal["api", "worker"]) -> AsyncIterator[httpx.AsyncClient]:
    """A production process of a role."""
    settings = Settings(
        database_url=url, mode="production", role=role, signing_key=SecretStr("k" * 32),
        tls_proxies=("127.0.0.1",),
    )  # fmt: skip
    await prepare(settings, url)
    application = Application(settings, SystemClock())
    async with application.running():
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client


async def test_an_api_accepts_and_a_worker_carries_out(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds: list[Worker] = []

    class Counted(Worker):
        async def round(self) -> int:
            rounds.append(self)
            return await super().round()

    monkeypatch.setattr(app, "Worker", Counted)
    file = tmp_path / "partner.json"
    partner = {
        "distributorId": "1", "marketSegments": ["COM", "EDU", "GOV"], "clientId": KEY,
        "clientSecret": SECRET,
    }  # fmt: skip
    file.write_text(json.dumps(partner))
    async with another_database(database_url) as url:
        await maintenance.apply_partner(url, file)
        async with serving(url, "api") as client:
            world = World(client, "1", KEY, SECRET, await fetch_token(client, KEY, SECRET))
            reseller = await world.reseller()
            customer = await world.customer(reseller)
            placed = (await world.order(customer, line("80004567EA01A12"))).ok()["orderId"]
            assert (await world.read_order(customer, placed))["status"] == "1002"
            assert not rounds
            async with serving(url, "worker") as worker, asyncio.timeout(PATIENCE_SECONDS):
                while (await world.read_order(customer, placed))["status"] != "1000":
                    pass
                assert (await worker.get("/readyz")).status_code == 200
                elsewhere = replace(world, client=worker)
                (await elsewhere.get(f"/v3/customers/{customer}")).refused(404, "404")
                (await elsewhere.post("/ims/token/v3")).refused(404, "404")
