"""The token endpoint (platform.md 2)."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from seatledger.clock import ManualClock
from tests.conftest import MakeWorld
from tests.harness import World
from tests.wire import SCOPE, elsewhere, put_credential, with_credential

pytestmark = pytest.mark.anyio

V3, V2 = "/ims/token/v3", "/ims/token/v2"
INVALID_REQUEST = {
    "error": "invalid_request",
    "error_description": "missing grant_type parameter",
}
UNSUPPORTED = {
    "error": "unsupported_grant_type",
    "error_description": "unsupported grant_type parameter",
}
NO_CLIENT = {"error": "invalid_client", "error_description": "invalid client_id parameter"}
NO_SECRET = {"error": "invalid_client", "error_description": "invalid client_secret parameter"}
NO_SCOPE = {"error": "invalid_scope", "error_description": "invalid scope parameter"}
DISABLED = {"error": "access_denied", "error_description": "credential is disabled"}
TOO_MANY = {"error": "too_many_requests", "error_description": "too many failed attempts"}


def fields(world: World, **changes: str | None) -> dict[str, str]:
    """What a client sends for a token; None leaves a field out."""
    usual: dict[str, str | None] = {
        "grant_type": "client_credentials",
        "client_id": world.client_id,
        "client_secret": world.secret,
        "scope": SCOPE,
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


async def ask(client: httpx.AsyncClient, sent: Mapping[str, str], path: str = V3) -> httpx.Response:
    """Ask for a token by form, as the real client does."""
    return await client.post(path, data=dict(sent))


def refused(response: httpx.Response, status: int, body: Mapping[str, str]) -> None:
    """Assert an OAuth refusal to the byte."""
    assert response.status_code == status
    assert response.content == json.dumps(body, separators=(",", ":")).encode()
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"


async def works(world: World, token: str) -> bool:
    """Whether the API lets a token in."""
    headers = {"Authorization": f"Bearer {token}"}
    found = await world.get("/v3/customers/1005999999", headers=headers)
    assert found.code in ("1116", "4116")
    return found.code == "1116"


@pytest.mark.proves("platform.md 1")
async def test_token_by_form(world: World) -> None:
    response = await ask(elsewhere(world.client), fields(world))
    assert response.status_code == 200
    granted = response.json()
    assert set(granted) == {"access_token", "token_type", "expires_in"}
    assert (granted["token_type"], granted["expires_in"]) == ("bearer", 86399)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Type"] == "application/json"
    assert await works(world, granted["access_token"])


@pytest.mark.proves("platform.md 2")
async def test_token_by_query_counts_milliseconds_on_the_older_path(world: World) -> None:
    response = await elsewhere(world.client).post(V2, params=fields(world))
    assert response.status_code == 200
    granted = response.json()
    assert set(granted) == {"access_token", "token_type", "expires_in"}
    assert (granted["token_type"], granted["expires_in"]) == ("bearer", 86399000)
    assert await works(world, granted["access_token"])


async def test_both_paths_take_both_forms(world: World) -> None:
    client = elsewhere(world.client)
    by_query = await client.post(V3, params=fields(world))
    by_form = await ask(client, fields(world), V2)
    assert (by_query.json()["expires_in"], by_form.json()["expires_in"]) == (86399, 86399000)


async def test_the_body_wins_over_the_query(world: World) -> None:
    client = elsewhere(world.client)
    wrong = fields(world, client_secret="wrong")
    right_body = await client.post(V3, params=wrong, data=fields(world))
    wrong_body = await client.post(V3, params=fields(world), data=wrong)
    assert right_body.status_code == 200
    refused(wrong_body, 400, NO_SECRET)
    split = {"client_id": world.client_id, "grant_type": "client_credentials"}
    rest = {"client_secret": world.secret, "scope": "openid"}
    assert (await client.post(V3, params=split, data=rest)).status_code == 200


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        pytest.param(
            {"client_secret": "wrong"},
            NO_SECRET,
            marks=pytest.mark.proves("platform.md 3", "invalid_client"),
        ),
        pytest.param({"client_secret": None}, NO_SECRET),
        pytest.param({"client_secret": ""}, NO_SECRET),
        pytest.param(
            {"client_id": "nobody"},
            NO_CLIENT,
            marks=pytest.mark.proves("platform.md 3", "invalid_client"),
        ),
        pytest.param({"client_id": None}, NO_CLIENT),
        pytest.param({"client_id": "no\0body"}, NO_CLIENT),
        pytest.param({"client_id": "n" * 100_000}, NO_CLIENT),
        pytest.param(
            {"grant_type": "password"},
            UNSUPPORTED,
            marks=pytest.mark.proves("platform.md 3", "unsupported_grant_type"),
        ),
        pytest.param({"grant_type": "Client_Credentials"}, UNSUPPORTED),
        pytest.param(
            {"grant_type": None}, INVALID_REQUEST, marks=pytest.mark.proves("invalid_request")
        ),
        pytest.param({"grant_type": ""}, INVALID_REQUEST),
        pytest.param(
            {"scope": "openid,root"},
            NO_SCOPE,
            marks=pytest.mark.proves("platform.md 4", "invalid_scope"),
        ),
        pytest.param({"scope": "OpenID"}, NO_SCOPE),
        pytest.param({"scope": None}, NO_SCOPE),
        pytest.param({"scope": " , "}, NO_SCOPE),
    ],
)
async def test_refusals(world: World, changes: dict[str, Any], body: dict[str, str]) -> None:
    for path in (V3, V2):
        refused(await ask(elsewhere(world.client), fields(world, **changes), path), 400, body)


@pytest.mark.proves("platform.md 4")
@pytest.mark.parametrize(
    "scope",
    ["openid AdobeID", "openid,AdobeID", "openid, AdobeID", "ent_partners_sdk", SCOPE],
)
async def test_scopes_are_separated_by_commas_or_blanks(world: World, scope: str) -> None:
    response = await ask(elsewhere(world.client), fields(world, scope=scope))
    assert response.status_code == 200


@pytest.mark.proves("invalid_request")
async def test_a_json_body_is_no_token_request(world: World) -> None:
    client = elsewhere(world.client)
    refused(await client.post(V3, json=fields(world)), 400, INVALID_REQUEST)
    refused(await client.post(V3), 400, INVALID_REQUEST)
    refused(await client.post(V3, data={f"f{n}": "x" for n in range(500)}), 400, INVALID_REQUEST)


async def test_basic_authentication(world: World) -> None:
    client = elsewhere(world.client)
    rest = fields(world, client_id=None, client_secret=None)
    basic = httpx.BasicAuth(world.client_id, world.secret)
    assert (await client.post(V3, data=rest, auth=basic)).status_code == 200
    wrong = httpx.BasicAuth(world.client_id, "wrong")
    refused(await client.post(V3, data=rest, auth=wrong), 400, NO_SECRET)
    refused(
        await client.post(V3, data=rest, headers={"Authorization": "Basic %%%"}),
        400,
        INVALID_REQUEST,
    )


@pytest.mark.proves("invalid_request")
@pytest.mark.parametrize("twice", [{"client_secret": None}, {"client_id": None}, {}])
async def test_credentials_sent_twice(world: World, twice: dict[str, None]) -> None:
    basic = httpx.BasicAuth(world.client_id, world.secret)
    client = elsewhere(world.client)
    response = await client.post(V3, data=fields(world, **twice), auth=basic)
    refused(response, 400, INVALID_REQUEST)


@pytest.mark.proves("access_denied")
async def test_a_disabled_credential(world: World, database_url: str) -> None:
    other = await with_credential(world, database_url, status="disabled")
    client = elsewhere(world.client)
    refused(await ask(client, fields(other)), 403, DISABLED)
    refused(await ask(client, fields(other, client_secret="wrong")), 400, NO_SECRET)


async def test_a_suspended_credential_gets_tokens(world: World, database_url: str) -> None:
    other = await with_credential(world, database_url, status="suspended")
    assert (await ask(elsewhere(world.client), fields(other))).status_code == 200


async def test_two_secrets_during_rotation(world: World, database_url: str) -> None:
    client, client_id = elsewhere(world.client), f"{world.client_id}-rotating"
    await put_credential(world, database_url, client_id, "older-secret", "newer-secret")
    for secret in ("older-secret", "newer-secret"):
        sent = fields(world, client_id=client_id, client_secret=secret)
        assert (await ask(client, sent)).status_code == 200
    await put_credential(world, database_url, client_id, "newer-secret")
    sent = fields(world, client_id=client_id, client_secret="older-secret")
    refused(await ask(client, sent), 400, NO_SECRET)


async def test_secrets_are_stored_hashed(world: World, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    row = await connection.fetchval(
        "SELECT c::text FROM credential c WHERE client_id = $1", world.client_id
    )
    await connection.close()
    assert world.client_id in row
    assert world.secret not in row


@pytest.mark.proves("too_many_requests")
async def test_too_many_failures_of_a_client_id(world: World, real_clock: ManualClock) -> None:
    wrong = fields(world, client_secret="wrong")
    for _ in range(10):
        refused(await ask(elsewhere(world.client), wrong), 400, NO_SECRET)
    assert (await ask(elsewhere(world.client), fields(world))).status_code == 200
    real_clock.advance(timedelta(seconds=20))
    for sent in (wrong, wrong, fields(world)):
        blocked = await ask(elsewhere(world.client), sent)
        refused(blocked, 429, TOO_MANY)
        assert blocked.headers["Retry-After"] == "40"
    real_clock.advance(timedelta(seconds=40))
    assert (await ask(elsewhere(world.client), fields(world))).status_code == 200


@pytest.mark.proves("too_many_requests")
async def test_too_many_failures_of_an_address(world: World, real_clock: ManualClock) -> None:
    attacker = elsewhere(world.client)
    for number in range(10):
        sent = fields(world, client_id=f"guess-{number}")
        refused(await ask(attacker, sent), 400, NO_CLIENT)
    refused(await ask(attacker, fields(world, scope="root")), 429, TOO_MANY)
    refused(await ask(attacker, fields(world)), 429, TOO_MANY)
    assert (await ask(elsewhere(world.client), fields(world))).status_code == 200
    real_clock.advance(timedelta(seconds=60))
    assert (await ask(attacker, fields(world))).status_code == 200


async def test_an_address_cannot_be_blocked_by_naming_it(world: World) -> None:
    victim, attacker = elsewhere(world.client), elsewhere(world.client)
    transport = victim._transport
    assert isinstance(transport, httpx.ASGITransport)
    for _ in range(11):
        await ask(attacker, fields(world, client_id=transport.client[0]))
    assert (await ask(victim, fields(world))).status_code == 200


async def test_requests_that_check_no_credentials_are_no_failures(world: World) -> None:
    client = elsewhere(world.client)
    for _ in range(12):
        refused(await ask(client, fields(world, grant_type="password")), 400, UNSUPPORTED)
    assert (await ask(client, fields(world))).status_code == 200


@pytest.mark.proves("405")
@pytest.mark.parametrize("path", [V3, V2])
async def test_get_is_not_offered(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 405
    assert response.json() == {
        "code": "405",
        "message": "Method not allowed",
        "additionalDetails": [],
    }
    assert response.headers["Allow"] == "OPTIONS, POST"


@pytest.mark.proves("404")
async def test_the_signed_assertion_exchange_is_gone(client: httpx.AsyncClient) -> None:
    response = await client.post("/ims/exchange/jwt", data={"jwt_token": "x"})
    assert response.status_code == 404
    assert response.json() == {
        "code": "404",
        "message": "Resource not found",
        "additionalDetails": [],
    }


@pytest.mark.proves("413")
async def test_a_body_above_the_limit(client: httpx.AsyncClient) -> None:
    response = await client.post(V3, content=b"x" * (2 * 1024 * 1024 + 1))
    assert (response.status_code, response.json()["code"]) == (413, "413")


async def test_tokens_live_as_long_as_the_partner_says(
    world: World, real_clock: ManualClock
) -> None:
    await world.set(flags={"token_ttl_seconds": 60})
    client = elsewhere(world.client)
    seconds = (await ask(client, fields(world))).json()
    milliseconds = (await ask(client, fields(world), V2)).json()
    assert (seconds["expires_in"], milliseconds["expires_in"]) == (60, 60_000)
    real_clock.advance(timedelta(seconds=58))
    assert await works(world, seconds["access_token"])
    real_clock.advance(timedelta(seconds=2))
    assert not await works(world, seconds["access_token"])
    assert await works(world, world.token)  # issued while they lived a day


async def test_a_day_less_one_second(new_world: MakeWorld, real_clock: ManualClock) -> None:
    world = await new_world()
    real_clock.advance(timedelta(seconds=86_397))
    assert await works(world, world.token)
    real_clock.advance(timedelta(seconds=2))
    assert not await works(world, world.token)


async def test_a_new_token_leaves_older_ones_alone(world: World) -> None:
    client = elsewhere(world.client)
    newer = (await ask(client, fields(world))).json()["access_token"]
    assert newer != world.token
    assert await works(world, world.token)
    assert await works(world, newer)


@pytest.mark.proves("platform.md 7")
async def test_the_sandbox_clock_does_not_age_tokens(world: World) -> None:
    moved = await world.post("/sandbox/clock/advance", {"days": 40})
    assert moved.ok(200)["now"] == "2025-08-16T18:00:00Z"
    assert await works(world, world.token)
