"""Production mode: a partner from a file, the worker in charge, no control API, safe settings."""

import asyncio
from pathlib import Path

import pytest

from seatledger.app import prepare
from seatledger.settings import Settings
from seatledger.store.migrate import upgrade
from tests.harness import World, fetch_token, line
from tests.system.server import database_of, run, serving

pytestmark = pytest.mark.anyio

KEY = "a token-signing key of more than 32 bytes"
PARTNER = """
distributorId = "345434543"
name = "Contoso Distribution"
regions = ["NA"]
marketSegments = ["COM", "EDU", "GOV"]
clientId = "contoso"
clientSecret = "p8e-a-secret-of-contoso"
"""


async def until_active(world: World, path: str) -> None:
    """Wait until the worker has seen to what a path shows."""
    async with asyncio.timeout(10):
        while (await world.get(path)).ok(200)["status"] != "1000":
            pass


async def test_an_order_is_accepted_and_fulfilled_without_help(place: Path) -> None:
    file = place / "partner.toml"
    file.write_text(PARTNER, "utf-8")
    assert run("db", "upgrade", "--data-dir", place / "data").returncode == 0
    applied = run("partner", "apply", file, "--data-dir", place / "data")
    assert (applied.returncode, applied.stderr) == (0, "")
    with serving(
        place, "--mode", "production", "--tls-proxies", "127.0.0.1", SEATLEDGER_SIGNING_KEY=KEY
    ) as server:
        assert server.banner["Mode"] == "production"
        assert {"Client secret", "Admin token"}.isdisjoint(server.banner)
        async with server.client() as client:
            world = World(client, "345434543", "contoso", "p8e-a-secret-of-contoso")
            world.token = await fetch_token(client, world.client_id, world.secret)
            reseller = await world.reseller()
            customer = await world.customer(reseller)
            placed = (await world.order(customer, line("80004567EA01A12", 3))).ok()
            assert placed["status"] == "1002"
            await until_active(world, f"/v3/resellers/{reseller}")
            await until_active(world, f"/v3/customers/{customer}")
            await until_active(world, f"/v3/customers/{customer}/orders/{placed['orderId']}")
            (seats,) = await world.seats(customer)
            assert seats["currentQuantity"] == 3
            for path in ("/sandbox", "/sandbox/clock", "/sandbox/partners"):
                (await world.get(path)).refused(404, "404")
            ignored = {"X-Sandbox-Fault": "internal_error;when=before"}
            (await world.order(customer, line("80004567EA01A12"), headers=ignored)).ok()
            secure = await client.get("/livez", headers={"X-Forwarded-Proto": "https"})
            assert secure.headers["Strict-Transport-Security"] == "max-age=31536000"
            unknown = await client.get("/sandbox/partners", headers={"X-Admin-Token": "x"})
            assert (unknown.status_code, unknown.json()["code"]) == (403, "4115")
    report = run("check", "--data-dir", place / "data")
    assert (report.returncode, report.stdout) == (0, "1 checked, 0 violated\n")


async def test_unsafe_settings_are_refused_in_one_line(place: Path) -> None:
    def refusal(*arguments: str, key: str, proxies: str = "127.0.0.1") -> str:
        where = ("--data-dir", place / "data", "--mode", "production", "--port", "0")
        said = {"SEATLEDGER_SIGNING_KEY": key, "SEATLEDGER_TLS_PROXIES": proxies}
        ended = run("serve", *where, *arguments, **said)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr.count("\n") == 1
        return ended.stderr

    with database_of(place) as url:
        await asyncio.to_thread(upgrade, url)
        assert "token-signing key of at least 32 bytes" in refusal(key="short")
        assert "--sandbox-open" in refusal("--sandbox-open", key=KEY)
        assert "production needs TLS: --tls-cert" in refusal(key=KEY, proxies="")
        await prepare(Settings(database_url=url), url)
        assert "sandbox credentials" in refusal(key=KEY)
