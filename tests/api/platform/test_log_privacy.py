"""What callers put where it does not belong stays out of the log, as do their customers."""

import logging
from typing import Any, Literal

import asyncpg
import pytest

from seatledger import telemetry
from tests.api.platform.test_secrets import logging_as
from tests.harness import World, line, profile
from tests.wire import TOKEN_PATH, application, keys, listening, send

pytestmark = pytest.mark.anyio

OFFER = "80004567EA01A12"
MAIL = "grace.hopper+seats@navy.example.org"
PEOPLE = ("Grace", "Hopper", "navy.example", "Hidden Figures")


async def refused_row(*_: Any, **__: Any) -> Any:
    """PostgreSQL shows the rows it refuses."""
    error = asyncpg.CheckViolationError("new row violates check constraint")
    error.detail = f"Failing row contains (1, {MAIL}, Grace, Hopper, Hidden Figures)."
    raise error


def misplaced(world: World) -> list[tuple[str, str, dict[str, str]]]:
    """Calls with secrets and people in path, query and headers."""
    secret, token = world.secret, world.token
    return [
        ("GET", f"/v3/customers/{token}", {}),
        ("GET", f"/v3/customers/{MAIL}/orders/{secret}", {}),
        ("GET", f"/v3/customers/{MAIL.replace('@', '%40')}", {}),
        ("GET", f"/nowhere/{secret}/{token}", {}),
        ("GET", f"/v3/flex-discounts?{token}=1&{MAIL}=2&access_token={token}", {}),
        ("POST", f"{TOKEN_PATH}?client_secret={secret}&Bearer {token}", {}),
        ("GET", "/v3/customers/1", {"User-Agent": f"curl {token} {secret} <{MAIL}>"}),
        ("GET", "/v3/customers/1", {"X-Correlation-Id": f"Bearer {token} for {MAIL}"}),
        ("GET", "/v3/customers/1", {"X-Request-Id": secret}),
        ("GET", "/v3/customers/1", {"X-Api-Key": secret}),
        ("GET", "/v3/customers/1", {"Authorization": f"Basic {token}"}),
        ("GET", "/ping", {"Authorization": token, "traceparent": token}),
        ("GET", "/metrics", {"Authorization": f"Bearer {token}", "X-Admin-Token": secret}),
    ]


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_hostile_calls(
    log_format: Literal["json", "console"],
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(logging.getLogger("httpx"), "disabled", True)  # the caller's own log
    reseller = await world.reseller()
    people = profile(
        companyName="Hidden Figures Ltd",
        contacts=[{"firstName": "Grace", "lastName": "Hopper", "email": MAIL}],
    )
    with logging_as(log_format):
        async with listening(application(world.client)) as (host, port):
            for method, path, headers in misplaced(world):
                sent = dict(keys(world)) | headers
                await send(world.client, method, f"http://{host}:{port}{path}", sent)
                await send(world.client, method, path, sent)
        body = {"resellerId": reseller, "companyProfile": people}
        customer = (await world.post("/v3/customers", body)).ok()["customerId"]
        with monkeypatch.context() as patched:
            patched.setattr("seatledger.engine.writes.Writes._attempt", refused_row)
            patched.setattr("seatledger.store.placing.write", refused_row)
            (await world.post("/v3/customers", body)).refused(500, "1124")
            (await world.order(customer, line(OFFER))).refused(500, "1124")
        telemetry.get_logger("test").error("work failed", reason=f"KeyError: {MAIL}")
    said = "".join(capfd.readouterr())
    assert said.count("call") > 2 * len(misplaced(world))
    assert said.count("new row violates check constraint") >= 2, "what failed is told"
    for hidden in (world.secret, world.token, world.token[:60], world.token[-30:], *PEOPLE):
        assert hidden not in said, hidden


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/v3/customers/1005001234/orders/7120001234567", None),
        ("client/1.0 (x86; rv:1)", None),
        ("intent 4711: renewal of customer 12", None),
        ("from a@b.example, to c", "from ***, to c"),
        ("x eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl y", "x *** y"),
        ("p8e-seatledger-demo-secret", "***"),
        ("refused\nDETAIL:  Key (email)=(Ann)\nmore", "refused\nDETAIL:  ***\nmore"),
    ],
)
def test_what_is_cut_out(text: str, shown: str | None) -> None:
    assert telemetry.without_hidden(text) == (shown or text)
