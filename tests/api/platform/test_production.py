"""Production mode: what it refuses to start with, and what it does not serve (platform.md 1, 2)."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from seatledger.app import Application, UnsafeSettings, prepare
from seatledger.clock import SystemClock
from seatledger.engine import maintenance
from seatledger.settings import Settings
from tests.harness import World, fetch_token, line, profile
from tests.wire import another_database, keys, send

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
KEY = "k" * 32
SECRET = "a-secret-of-production"


def production(url: str, **changes: Any) -> Settings:
    """Settings a production server may start with, unless changed."""
    usual: dict[str, Any] = {
        "database_url": url,
        "mode": "production",
        "signing_key": SecretStr(KEY),
        "tls_proxies": ("127.0.0.1",),
    }
    return Settings(**(usual | changes))


@pytest.fixture
async def clean(database_url: str) -> AsyncIterator[str]:
    """A migrated database nobody has used."""
    async with another_database(database_url) as url:
        yield url


@pytest.fixture
async def live(clean: str, tmp_path: Path) -> AsyncIterator[World]:
    """A partner of a production server."""
    await prepare(production(clean), clean)
    file = tmp_path / "partner.json"
    partner = {"distributorId": "123456789", "clientId": "live-key", "clientSecret": SECRET}
    file.write_text(json.dumps({**partner, "regions": ["NA"], "marketSegments": ["COM"]}))
    await maintenance.apply_partner(clean, file)
    server = Application(production(clean), SystemClock())
    async with server.running():
        transport = httpx.ASGITransport(app=server)
        async with httpx.AsyncClient(transport=transport, base_url="https://testserver") as client:
            token = await fetch_token(client, "live-key", SECRET)
            yield World(client, "123456789", "live-key", SECRET, token)


async def starts(settings: Settings, url: str) -> str:
    """Why a server does not start, by its own words; neither command nor process may."""
    with pytest.raises(UnsafeSettings) as by_command:
        await prepare(settings, url)
    with pytest.raises(UnsafeSettings) as by_process:
        async with Application(settings, SystemClock()).running():
            pass
    assert str(by_command.value) == str(by_process.value)
    assert "\n" not in str(by_command.value)
    return str(by_command.value)


@pytest.mark.parametrize("key", [None, "", "k" * 31, " " * 32, "k" * 31 + " "])
async def test_no_start_without_a_signing_key(clean: str, key: str | None) -> None:
    given = None if key is None else SecretStr(key)
    reason = await starts(production(clean, signing_key=given), clean)
    assert "signing key of at least 32 bytes" in reason


async def test_a_signing_key_may_come_from_a_file(clean: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("k" * 31 + "\n")
    from_file = production(clean, signing_key=None, signing_key_file=file)
    assert "signing key of at least 32 bytes" in await starts(from_file, clean)
    file.write_text("k" * 32 + "\n")
    assert (await prepare(from_file, clean)).mode == "production"


async def test_no_start_without_tls(clean: str, tmp_path: Path) -> None:
    file = tmp_path / "pem"
    file.touch()
    assert "production needs TLS" in await starts(production(clean, tls_proxies=()), clean)
    own = production(clean, tls_proxies=(), tls_cert=file, tls_key=file)
    assert (await prepare(own, clean)).mode == "production"


@pytest.mark.parametrize("everybody", ["0.0.0.0/0", "::/0"])
async def test_no_start_with_every_address_as_a_proxy(clean: str, everybody: str) -> None:
    settings = production(clean, tls_proxies=("10.0.0.5", everybody))
    assert "name every address" in await starts(settings, clean)


async def test_no_sandbox_on_what_production_has_served(clean: str) -> None:
    """Its demo partner's secret is known to everybody."""
    await prepare(production(clean), clean)
    with pytest.raises(UnsafeSettings, match="production has served"):
        await prepare(Settings(database_url=clean), clean)
    assert (await prepare(production(clean), clean)).mode == "production"


async def test_no_start_with_an_admin_token_that_can_be_guessed(clean: str) -> None:
    assert "admin token" in await starts(production(clean, admin_token="a" * 15), clean)
    assert (await prepare(production(clean, admin_token="a" * 16), clean)).mode == "production"


async def test_no_start_with_the_demos_key_whoever_made_it(clean: str, tmp_path: Path) -> None:
    settings = production(clean)
    await prepare(settings, clean)
    file = tmp_path / "partner.json"
    file.write_text(json.dumps({"distributorId": "1", "clientId": "seatledger-demo"}))
    await maintenance.apply_partner(clean, file)
    assert "demo or sandbox credentials" in await starts(settings, clean)


async def test_no_start_with_an_open_sandbox(clean: str) -> None:
    assert "--sandbox-open" in await starts(production(clean, sandbox_open=True), clean)


async def test_no_start_with_demo_credentials(clean: str) -> None:
    sandbox = Settings(database_url=clean, mode="sandbox")
    assert (await prepare(sandbox, clean)).demo is not None
    assert "demo or sandbox credentials" in await starts(production(clean), clean)


async def test_no_start_with_credentials_of_a_sandbox(world: World, database_url: str) -> None:
    assert world.client_id
    assert "demo or sandbox credentials" in await starts(production(database_url), database_url)


@pytest.mark.parametrize(
    "changed",
    [
        "clock_mode = 'frozen'",
        "clock_mode = 'running'",
        "settlement_mode = 'immediate'",
        "settlement_mode = 'manual'",
        "settlement_mode = 'delay'",
        "faults_armed = true",
    ],
)
async def test_no_start_with_a_world_of_a_sandbox(clean: str, tmp_path: Path, changed: str) -> None:
    """Its orders would stay where they are, or be dated by a clock that stands still."""
    settings = production(clean)
    await prepare(settings, clean)
    file = tmp_path / "partner.json"
    for partner_id in ("123456789", "987654321"):
        file.write_text(json.dumps({"distributorId": partner_id}))
        await maintenance.apply_partner(clean, file)
    assert (await prepare(settings, clean)).mode == "production"
    connection = await asyncpg.connect(clean)
    await connection.execute(f"UPDATE partner SET {changed} WHERE partner_id = '987654321'")
    await connection.close()
    assert "sandbox worlds: partner 987654321" in await starts(settings, clean)


async def test_a_start_makes_no_credentials(clean: str) -> None:
    welcome = await prepare(production(clean), clean)
    assert (welcome.mode, welcome.demo, welcome.admin_token) == ("production", None, None)
    connection = await asyncpg.connect(clean)
    assert await connection.fetchval("SELECT count(*) FROM credential") == 0
    assert await connection.fetchval("SELECT count(*) FROM config WHERE key = 'signing_key'") == 0
    await connection.close()


@pytest.mark.proves("sandbox.md 1", "404")
async def test_the_control_api_is_unknown(live: World) -> None:
    for method, path in (
        ("GET", "/sandbox"),
        ("GET", "/sandbox/partner"),
        ("PATCH", "/sandbox/partner"),
        ("POST", "/sandbox/partners"),
        ("POST", "/sandbox/clock/advance"),
        ("POST", "/sandbox/faults"),
        ("OPTIONS", "/sandbox"),
    ):
        response = await send(live.client, method, path, keys(live))
        assert response.status_code == 404
        assert response.content == (
            b'{"code":"404","message":"Resource not found","additionalDetails":[]}'
        )
        without = await send(live.client, method, path)
        assert (without.status_code, without.json()["code"]) == (403, "4115")


async def test_the_api_is_served(live: World) -> None:
    reseller = {
        "distributorId": live.distributor_id,
        "companyProfile": profile(marketSegments=["COM"]),
    }
    made = (await live.post("/v3/resellers", reseller)).ok()
    assert made["status"] == "1002"
    body = {"resellerId": made["resellerId"], "companyProfile": profile()}
    customer = (await live.post("/v3/customers", body)).ok()["customerId"]
    placed = (await live.order(customer, line(OFFER))).ok()
    assert placed["status"] == "1002"
    assert (await live.get(f"/v3/customers/{customer}/orders/{placed['orderId']}")).status == 200
    assert (await live.get("/ping")).status == 200
    assert (await live.get("/readyz")).status == 200


async def test_faults_by_header_mean_nothing(live: World) -> None:
    for fault in ("internal_error", "nonsense", "timeout_before;seconds=1"):
        found = await live.get("/v3/customers/1005999999", headers={"X-Sandbox-Fault": fault})
        found.refused(404, "1116")


async def test_tls_is_remembered_by_clients(live: World) -> None:
    found = await live.get("/v3/customers/1005999999")
    assert found.headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_tokens_are_signed_with_the_key_given(live: World) -> None:
    header, payload, signature = live.token.split(".")
    digest = hmac.new(KEY.encode(), f"{header}.{payload}".encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == signature
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert claims["sub"] == "live-key"
    assert claims["exp"] - claims["iat"] == 86_399
    assert SECRET not in json.dumps(claims)
