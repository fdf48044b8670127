"""`seatledger serve`: what it says at start, and how it ends."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.harness import fetch_token, line, make_world
from tests.system.server import (
    ADMIN_TOKEN,
    PATIENCE_SECONDS,
    database_process,
    run,
    serving,
)

pytestmark = pytest.mark.anyio


async def test_what_it_prints_is_what_a_newcomer_needs(place: Path) -> None:
    with serving(place) as server:
        shown = server.banner
        assert shown["Listening on"] == server.url
        assert shown["Mode"] == "sandbox"
        assert shown["Data directory"] == str(place / "data")
        assert shown["Token URL"] == f"{server.url}/ims/token/v3"
        assert shown["Admin token"] == "as set by SEATLEDGER_ADMIN_TOKEN"
        async with httpx.AsyncClient(base_url=server.url) as client:
            token = await fetch_token(client, shown["Client id"], shown["Client secret"])
            headers = {"X-Api-Key": shown["Client id"], "Authorization": f"Bearer {token}"}
            pong = await client.get("/ping", headers=headers)
            assert (pong.status_code, pong.text) == (200, "pong")
            # Nobody said that a proxy stands in front: what a caller says of itself is nothing.
            claimed = await client.get("/livez", headers={"X-Forwarded-Proto": "https"})
            assert "Strict-Transport-Security" not in claimed.headers
            seller = await client.get("/sandbox/partner", headers=headers)
            assert seller.json()["distributorId"] == shown["Demo partner"]
            partners = await client.get("/sandbox/partners", headers={"X-Admin-Token": ADMIN_TOKEN})
            assert partners.json()["totalCount"] == 1


async def test_an_admin_token_made_at_start_is_shown(place: Path) -> None:
    with serving(place, SEATLEDGER_ADMIN_TOKEN="") as server:
        made = server.banner["Admin token"]
        async with server.client() as client:
            partners = await client.get("/sandbox/partners", headers={"X-Admin-Token": made})
        assert partners.status_code == 200
    assert made not in server.errors.read_text()


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


async def test_processes_end_when_nobody_supervises_them_any_more(place: Path) -> None:
    with serving(place, "--workers", "2") as server:
        processes = server.api_processes()
        assert len(processes) == 2
        server.process.kill()
        server.process.wait(PATIENCE_SECONDS)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while any(map(_is_running, processes)):
                await asyncio.sleep(0)
        assert server.errors.read_text().count("supervisor gone") == 2
    with serving(place) as again:
        assert again.end() == 0


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_the_spans_of_the_last_calls_are_exported(place: Path) -> None:
    with serving(place, "--workers", "2", OTEL_TRACES_EXPORTER="console") as server:
        async with server.world() as world:
            await world.reseller()
        assert await asyncio.to_thread(server.end) == 0
        assert '"name": "POST /v3/resellers"' in server.output.read_text()


@pytest.mark.parametrize("files", ["empty", "missing"])
def test_files_that_are_no_pair_for_tls_are_refused_in_one_line(place: Path, files: str) -> None:
    pem = place / f"{files}.pem"
    if files == "empty":
        pem.touch()
    ended = run("serve", "--data-dir", place / "data", "--tls-cert", pem, "--tls-key", pem)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "TLS_CERT" in ended.stderr or "--tls-cert" in ended.stderr
    assert not (place / "data").exists()


def test_an_empty_folder_name_is_not_the_current_folder() -> None:
    ended = run("serve", "--data-dir", "")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--data-dir" in ended.stderr


def test_an_address_that_cannot_be_read_keeps_its_password(place: Path) -> None:
    for address in ("postgresql://u:sek?rit@h/db", "postgresql://u:sek/rit@h/db"):
        ended = run("db", "check", "--database-url", address)
        assert ended.returncode == 1
        assert "sek" not in ended.stderr
        assert "rit" not in ended.stderr


async def test_it_tells_that_it_goes_before_it_goes(place: Path) -> None:
    """Told to stop, it is not ready at once, and serves on for the time a balancer needs to see."""
    with serving(place, "--workers", "2", SEATLEDGER_DRAIN_SECONDS="2") as server:

        def told(event: str) -> int:
            return server.errors.read_text().count(f"] {event} ")

        async with server.client() as client, asyncio.timeout(PATIENCE_SECONDS):
            while told("serving") < 2:
                await client.get("/livez")
            server.process.send_signal(signal.SIGTERM)
            ready = await client.get("/readyz")
            while ready.status_code == 200:
                ready = await client.get("/readyz")
            alive = await client.get("/livez")
        assert (ready.status_code, alive.status_code) == (503, 200)
        assert ready.headers["Connection"] == alive.headers["Connection"] == "close"
        assert await asyncio.to_thread(server.process.wait, PATIENCE_SECONDS) == 0
        assert [told(event) for event in ("serving", "draining", "stopped")] == [2, 2, 2]
