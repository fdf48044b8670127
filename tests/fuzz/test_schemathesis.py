"""The OpenAPI document turned against the service: requests valid and invalid by its schemas."""

import re
from collections.abc import AsyncIterator, Mapping
from random import Random
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode

from seatledger.api.openapi import document
from seatledger.app import Application
from seatledger.clock import ManualClock, SystemClock
from seatledger.settings import Settings
from tests.conftest import MakeWorld
from tests.fuzz.target import CATALOGUED, CHECKS, aimed, check_envelope, reply_of

pytestmark = pytest.mark.anyio

SEED = 20250707
BASE_URL = "http://testserver"
SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in document()["paths"].items()
    for method in methods
]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
REQUESTS_IN_ALL = 5_000
STRANGE_IDS_SHARE = 0.2
# Every one is sent twice: to resources that exist with known values in its body, then as it is.
DRAWN_EACH = -(-REQUESTS_IN_ALL // (2 * len(OPERATIONS) * len(MODES)))
ANCHORED_SHARE = {GenerationMode.POSITIVE: 0.97, GenerationMode.NEGATIVE: 0.6}

# Values that get a body past its form; generated ones alone would rarely reach a rule. A field
# without any is left out.
ANCHORS: dict[str, tuple[Any, ...]] = {
    "offerId": ("65304479CA01A12", "11073058CA01A12", "65304479CA03A12", "30005893CA01A12"),
    "currencyCode": ("USD", "USD", "EUR"),
    "quantity": (1, 2, 5, 12, 200),
    "flexDiscountCodes": (["BLACK_FRIDAY_10_PERCENT_OFF"], []),
    "promotionCodes": (),
    "extLineItemNumber": tuple(range(1, 1_000)),
    "discountCode": ("", "HVD_L17_PRE"),
    "externalReferenceId": ("reference",),
    "companyName": tuple(f"Company {number}" for number in range(1_000)),
    "country": ("US",),
    "region": ("CA",),
    "city": ("San Jose",),
    "addressLine1": ("200 Fairmont Ave",),
    "addressLine2": ("",),
    "postalCode": ("95110-1234",),
    "phoneNumber": ("", "408-123-4567"),
    "preferredLanguage": ("en-US",),
    "email": ("ann@example.com",),
    "firstName": ("Ann",),
    "lastName": ("Lee",),
    "marketSegments": (["COM"], ["COM", "EDU", "GOV"]),
    "marketSegment": ("COM", "EDU"),
    "cotermDate": ("2026-01-31", "2025-08-01", ""),
    "globalSalesEnabled": (True, False),
}


def drawn(operation: str, mode: GenerationMode, count: int) -> list[Case[Any]]:
    """The same requests in every run."""
    method, path = operation.split()
    strategy = SCHEMA[path][method].as_strategy(generation_mode=mode)
    found: list[Case[Any]] = []

    @seed(SEED)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: Case[Any]) -> None:
        found.append(case)

    collect()
    return found


def anchored(
    value: Any, anchors: Mapping[str, tuple[Any, ...]], random: Random, share: float
) -> Any:
    """A body with a share of its known fields set to values that mean something."""
    if isinstance(value, list):
        return [anchored(one, anchors, random, share) for one in value]
    if not isinstance(value, dict):
        return value
    chosen = {}
    for name, one in value.items():
        inner = {**anchors, "currencyCode": ()} if name == "lineItems" else anchors
        if name not in anchors or one in (None, "") or random.random() >= share:
            chosen[name] = anchored(one, inner, random, share)
        elif anchors[name]:
            chosen[name] = random.choice(anchors[name])
    return chosen


class Sender:
    """Sends cases as they would go over the wire."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._request_ids: set[str] = set()

    async def send(
        self, case: Case[Any], headers: Mapping[str, str], body: Any = None
    ) -> httpx.Response:
        """Send a case with our headers instead of generated ones, and with `body` if given.

        A request id used before is left out: its refusal would hide what else is wrong.
        """
        parts = case.as_transport_kwargs(base_url=BASE_URL)
        if body is not None:
            parts["json"] = body
        for name in headers:
            parts["headers"].pop(name, None)
        if parts["headers"].get("X-Request-Id") in self._request_ids:
            del parts["headers"]["X-Request-Id"]
        self._request_ids.add(parts["headers"].get("X-Request-Id", ""))
        wire = requests.Request(**{**parts, "cookies": None}).prepare()
        assert wire.method
        assert wire.url
        sent = [(name.encode("latin-1"), _bytes(value)) for name, value in wire.headers.items()]
        sent += [(name.encode(), value.encode()) for name, value in headers.items()]
        content = None if wire.body is None else _bytes(wire.body)
        return await self._client.request(wire.method, wire.url, headers=sent, content=content)


def _bytes(value: Any) -> bytes:
    return value.encode("utf-8") if isinstance(value, str) else bytes(value)


@pytest.fixture
async def lone_client(
    settings: Settings, client: httpx.AsyncClient
) -> AsyncIterator[httpx.AsyncClient]:
    """A server of the test's own on the same database: failed log-ins throttle nobody else."""
    application = Application(settings, ManualClock(SystemClock().now()))
    async with application.running():
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as opened:
            yield opened


@pytest.mark.proves("platform.md 35")
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", [one for one in OPERATIONS if " /v3/" in one])
async def test_no_request_breaks_the_service(
    operation: str, mode: GenerationMode, new_world: MakeWorld, database_url: str
) -> None:
    async with aimed(await new_world(), database_url) as target:
        random, sender = Random(SEED), Sender(target.world.client)
        anchors = ANCHORS | target.anchors
        for case in drawn(operation, mode, DRAWN_EACH):
            generated_ids = case.path_parameters
            names = re.findall("{(.+?)}", case.path)
            case.path_parameters = {name: target.path_ids[name] for name in names}
            is_json = isinstance(case.body, dict) and case.media_type == "application/json"
            body = anchored(case.body, anchors, random, ANCHORED_SHARE[mode]) if is_json else None
            response = await sender.send(case, target.headers(), body)
            await target.judge(response, body)
            case.validate_response(response, checks=CHECKS)
            if not is_json or random.random() < STRANGE_IDS_SHARE:
                case.path_parameters = generated_ids
            response = await sender.send(case, target.headers())
            await target.judge(response, case.body)


@pytest.mark.proves("platform.md 35")
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", [one for one in OPERATIONS if " /v3/" not in one])
async def test_nor_does_one_to_tokens_and_pings(
    operation: str, mode: GenerationMode, new_world: MakeWorld, lone_client: httpx.AsyncClient
) -> None:
    world = await new_world()
    random, sender = Random(SEED), Sender(lone_client)
    anchors = {
        "client_id": (world.client_id,),
        "client_secret": (world.secret,),
        "scope": ("openid",),
    }
    key = {} if "token" in operation else {"X-Api-Key": world.client_id}
    for case in drawn(operation, mode, 2 * DRAWN_EACH):
        if isinstance(case.body, dict):
            case.body = anchored(case.body, anchors, random, ANCHORED_SHARE[mode])
        response = await sender.send(case, key)
        told = f"{case.body!r} {response.request.headers}: {response.status_code} {response.text}"
        assert response.status_code < 500, told
        reply = reply_of(response)
        if isinstance(reply.body, dict) and "error" in reply.body:
            row = (reply["error"], reply.status, reply["error_description"])
            assert row in CATALOGUED, told
        elif reply.status >= 300:
            check_envelope(reply, told)
        case.validate_response(response, checks=CHECKS)
