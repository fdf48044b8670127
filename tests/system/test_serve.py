"""`seatledger serve`: what it says at start, and how it ends."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.harness import fetch_token, line, make_world
from tests.system.server import ADMIN_TOKEN, database_process, run, serving

pytestmark = pytest.mark.anyio


async def test_what_it_prints_is_what_a_newcomer_needs(place: Path) -> None:
    with serving(place) as server:
        shown = server.banner
        assert shown["Listening on"] == server.url
        assert shown["Mode"] == "sandbox"
        assert shown["Data directory"] == str(place / "data")
        assert shown["Token URL"] == f"{server.url}/ims/token/v3"
        assert shown["Admin token"] == ADMIN_TOKEN
        async with httpx.AsyncClient(base_url=server.url) as client:
            token = await fetch_token(client, shown["Client id"], shown["Client secret"])
            headers = {"X-Api-Key": shown["Client id"], "Authorization": f"Bearer {token}"}
            pong = await client.get("/ping", headers=headers)
            assert (pong.status_code, pong.text) == (200, "pong")
            seller = await client.get("/sandbox/partner", headers=headers)
            assert seller.json()["distributorId"] == shown["Demo partner"]
            partners = await client.get(
                "/sandbox/partners", headers={"X-Admin-Token": shown["Admin token"]}
            )
            assert partners.json()["totalCount"] == 1


@pytest.mark.parametrize(("how", "workers"), [(signal.SIGTERM, "1"), (signal.SIGINT, "2")])
async def test_it_finishes_its_calls_and_leaves_nothing_running(
    place: Path, how: signal.Signals, workers: str
) -> None:
    with serving(place, "--workers", workers) as server:
        async with server.client() as client:
            world = await make_world(client, ADMIN_TOKEN)
            customer = await world.customer()
            running = asyncio.create_task(
                world.order(
                    customer,
                    line("80004567EA01A12"),
                    headers={"X-Sandbox-Fault": "latency;seconds=0.5"},
                )
            )
            assert (await client.get("/livez")).status_code == 200  # so the order has arrived, too
            code = await asyncio.to_thread(server.end, how)
            (await running).ok()
    assert code == 0
    assert database_process(place) is None
    report = run("check", "--data-dir", place / "data")
    assert (report.returncode, report.stdout) == (0, "1 checked, 0 violated\n")
