"""Tokens and secrets never reach a log (platform.md 2.4)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
import structlog

from seatledger import telemetry
from seatledger.settings import Settings
from tests.harness import World, line, order
from tests.wire import TOKEN_PATH, application, elsewhere, keys, listening, put_credential, send

pytestmark = pytest.mark.anyio


@contextmanager
def logging_as(log_format: Literal["json", "console"]) -> Iterator[None]:
    """Log as the service does; afterwards the test run's own logging is back."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    root.handlers = []
    telemetry.configure(Settings(log_format=log_format))
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)


async def _broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("broken on purpose")


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_no_secret_in_the_log(
    log_format: Literal["json", "console"],
    world: World,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(logging.getLogger("httpx"), "disabled", True)  # the caller's own log
    client_id, secret = f"{world.client_id}-s", "p8e-do-not-print-this-secret"
    await put_credential(world, database_url, client_id, secret)
    client = elsewhere(world.client)
    fields = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": secret,
        "scope": "openid",
    }
    token = (await client.post(TOKEN_PATH, data=fields)).json()["access_token"]
    sent = keys(world, X_Api_Key=client_id, Authorization=f"Bearer {token}")
    wrong = keys(world, X_Api_Key=client_id, Authorization=f"Bearer {token}-wrong")
    customer = await world.customer()
    body = order(line("80004567EA01A12"))

    async def everything() -> None:
        await client.post(TOKEN_PATH, data=fields)
        await client.post(TOKEN_PATH, params={**fields, "scope": "root"})
        await send(client, "POST", f"/v3/customers/{customer}/orders", sent, json=body)
        await send(client, "GET", f"/v3/customers/{customer}", sent)
        await send(client, "GET", f"/v3/customers/{customer}", wrong)
        await send(client, "GET", "/ping", sent)

    with logging_as(log_format):
        await everything()
        async with listening(application(client)) as (host, port):
            await send(client, "GET", f"http://{host}:{port}/v3/customers/{customer}", sent)
        for target in (
            "seatledger.store.accounts.customer",
            "seatledger.engine.credentials.Credentials.read",
            "seatledger.engine.orders.Orders.place",
            "seatledger.engine.world.Worlds.get",
        ):
            with monkeypatch.context() as patched:
                patched.setattr(target, _broken)
                await everything()
    said = "".join(capfd.readouterr())
    assert "unhandled error" in said
    assert "broken on purpose" in said
    for hidden in (secret, token, token[:60], token[-30:], world.secret, world.token):
        assert hidden not in said


def test_secrets_are_cut_to_their_ends() -> None:
    event = {
        "event": "x",
        "access_token": "abcdefghijklmnopqrstuvwxyz",
        "client_secret": "short",
        "headers": {"Authorization": "Bearer abcdefghijklmnop", "accept": "application/json"},
        "secrets": ["abcdefghijklmnopqrstuvwxyz"],
    }
    assert telemetry.mask_secrets(None, "info", event) == {
        "event": "x",
        "access_token": "abcd...wxyz",
        "client_secret": "***",
        "headers": {"Authorization": "Bear...mnop", "accept": "application/json"},
        "secrets": ["abcd...wxyz"],
    }
