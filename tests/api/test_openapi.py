"""The OpenAPI document says what the service does: its operations, bodies and answers."""

import csv
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import msgspec
import pytest
import schemathesis
from typer.testing import CliRunner

from seatledger.api.openapi import document
from seatledger.cli import app
from tests.conftest import MakeWorld
from tests.fuzz.scene import CUSTOMER
from tests.fuzz.target import CHECKS, Target, aimed, check_envelope, reply_of
from tests.harness import World, line, order, profile

DOCUMENT = document()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OFFER = "65304479CA01A12"
PRICE_LIST = {
    "region": "NA",
    "marketSegment": "COM",
    "currency": "USD",
    "priceListMonth": "202507",
}
RESELLER = "/v3/resellers/{reseller-id}"
DEPLOYMENT = f"{CUSTOMER}/deployments/{{deployment-id}}"
ORDER = f"{CUSTOMER}/orders/{{order-id}}"
SUBSCRIPTION = f"{CUSTOMER}/subscriptions/{{subscription-id}}"


def core_endpoints() -> set[tuple[str, str]]:
    """Method and path of what the contract wants first."""
    text = files("seatledger.contract").joinpath("data", "endpoints.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    return {(row["method"], row["path"]) for row in rows if row["wave"] == "core"}


def documented() -> set[tuple[str, str]]:
    return {
        (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
    }


def test_document_is_openapi_3_1() -> None:
    SCHEMA.validate()
    assert DOCUMENT["openapi"] == "3.1.0"


def test_every_reference_leads_somewhere() -> None:
    for reference in set(
        re.findall(r'"\$ref":"#/(.+?)"', json.dumps(DOCUMENT, separators=(",", ":")))
    ):
        node: Any = DOCUMENT
        for name in reference.split("/"):
            node = node[name]


def test_document_is_the_same_every_time() -> None:
    assert msgspec.json.encode(document()) == msgspec.json.encode(DOCUMENT)


def test_command_prints_the_document() -> None:
    result = CliRunner().invoke(app, ["openapi"])
    assert json.loads(result.stdout) == DOCUMENT


def test_amounts_are_numbers() -> None:
    amounts = SCHEMAS["PricingOut"]["properties"] | SCHEMAS["PricingSummaryOut"]["properties"]
    assert amounts.pop("currencyCode") == {"type": "string"}
    assert all(one == {"type": "number"} for one in amounts.values())


def test_fields_sent_back_are_marked() -> None:
    body = SCHEMAS["NewOrderIn"]["properties"]
    assert body["orderId"]["readOnly"] is True
    assert "readOnly" not in body["externalReferenceId"]
    assert body["referenceOrderId"]["description"].startswith("Not allowed")
    assert "referenceOrderId" in SCHEMAS["ReturnOrderIn"]["required"]


def test_order_types_tell_bodies_apart() -> None:
    content = DOCUMENT["paths"][f"{CUSTOMER}/orders"]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"]
    named = {one["$ref"] for one in schema["oneOf"]}
    assert named == set(schema["discriminator"]["mapping"].values())
    for name, reference in schema["discriminator"]["mapping"].items():
        body = SCHEMAS[reference.rpartition("/")[2]]
        assert name in body["properties"]["orderType"]["enum"]


@pytest.mark.anyio
async def test_core_endpoints_are_documented_as_far_as_they_are_served(world: World) -> None:
    served = set()
    for method, path in core_endpoints():
        reply = await world.call(method, re.sub("{.+?}", "1000000000", path), content=b"")
        if not isinstance(reply.body, dict) or reply.body.get("code") not in ("404", "405"):
            served.add((method, path))
    assert served == documented() & core_endpoints()
    assert documented() - core_endpoints() == {("POST", "/ims/token/v2")}


@dataclass
class Witness:
    """Makes calls and holds every answer against the document."""

    target: Target

    async def see(
        self, status: int, operation: str, body: Any = None, code: str = "", **more: Any
    ) -> None:
        """Call an operation of the target's own resources, or with `ids` of others."""
        method, path = operation.split()
        ids = {**self.target.path_ids, **more.pop("ids", {})}
        headers = {**self.target.headers(), **more.pop("headers", {})}
        case = SCHEMA[path][method].Case(
            path_parameters={name: ids[name] for name in re.findall("{(.+?)}", path)},
            media_type="application/json" if body is not None else None,
        )
        response = await self.target.world.client.request(
            method,
            case.formatted_path,
            json=body,
            headers={name: value for name, value in headers.items() if value is not None},
            **more,
        )
        told = f"{operation}: {response.status_code} {response.text}"
        assert response.status_code == status, told
        if code:
            assert check_envelope(reply_of(response), told) == code
        case.validate_response(response, checks=CHECKS)


@pytest.fixture
async def witness(new_world: MakeWorld, database_url: str) -> AsyncIterator[Witness]:
    async with aimed(await new_world(), database_url) as target:
        yield Witness(target)


@pytest.mark.anyio
async def test_successes_are_as_documented(witness: Witness) -> None:
    see, target = witness.see, witness.target
    reseller = {
        "distributorId": target.world.distributor_id,
        "companyProfile": profile(marketSegments=["COM"]),
    }
    customer = {"resellerId": target.path_ids["reseller-id"], "companyProfile": profile()}
    address = {"country": "DE", "region": "SN", "city": "Dresden", "postalCode": "01067"}
    deployment = {"companyProfile": {"address": {**address, "addressLine1": "Street 1"}}}
    wanted = order(line(OFFER, 2, flexDiscountCodes=[]), line("11083117CA01A12", 1, number=2))
    priced: dict[str, Any] = {"params": {"fetch-price": "true"}}
    target.rows_expected.update(reseller=1, customer=1, deployment=1, orders=2)
    await see(201, "POST /v3/resellers", reseller)
    await see(200, f"GET {RESELLER}")
    await see(200, f"PATCH {RESELLER}", target.reseller)
    await see(201, "POST /v3/customers", customer)
    await see(200, f"GET {CUSTOMER}")
    await see(200, f"PATCH {CUSTOMER}", target.customer)
    await see(201, f"POST {CUSTOMER}/deployments", deployment)
    await see(200, f"GET {CUSTOMER}/deployments", params={"limit": 1, "offset": 1})
    await see(200, f"GET {DEPLOYMENT}")
    await see(200, f"PATCH {DEPLOYMENT}", {"status": "1000"})
    await see(201, f"POST {CUSTOMER}/orders", wanted)
    await see(201, f"POST {CUSTOMER}/orders", {**wanted, "orderType": "PREVIEW"}, **priced)
    await see(200, f"GET {CUSTOMER}/orders", params={"limit": 1, "fetch-price": "true"})
    await see(200, f"GET {ORDER}", **priced)
    await see(200, f"PATCH {ORDER}", {"externalReferenceId": "another"})
    codes = {"autoRenewal": {"flexDiscountCodes": ["SUMMER_SALE_12"], "renewalQuantity": None}}
    await see(200, f"PATCH {SUBSCRIPTION}", codes)
    reset = {"reset-flex-discount-codes": "true", "reset-renewal-code": "false"}
    await see(200, f"PATCH {SUBSCRIPTION}", {}, params=reset)
    returned = {"orderType": "RETURN", "referenceOrderId": target.path_ids["order-id"]}
    await see(201, f"POST {CUSTOMER}/orders", {**target.order, **returned})
    await see(200, f"GET {CUSTOMER}/subscriptions")
    await see(200, f"GET {SUBSCRIPTION}")
    every = SCHEMAS["PriceListOfferOut"]["properties"]
    wanted_list = {**PRICE_LIST, "includeOfferAttributes": list(every)}
    await see(200, "POST /v3/pricelist", wanted_list, params={"limit": 100})


SCHEDULED = {"offerId": OFFER, "autoRenewal": {"renewalQuantity": 1}, "currencyCode": "USD"}
NOBODY = {"customer-id": "9999999999", "reseller-id": "9999999999", "order-id": "9999999999"}
NOTHING = {"deployment-id": "9999999999", "subscription-id": "9999999999"}

REFUSALS: tuple[tuple[int, str, str, dict[str, Any]], ...] = (
    (404, "1115", f"GET {RESELLER}", {"ids": NOBODY}),
    (404, "1116", f"GET {CUSTOMER}", {"ids": NOBODY}),
    (404, "2115", f"GET {ORDER}", {"ids": NOBODY}),
    (404, "2138", f"GET {DEPLOYMENT}", {"ids": NOTHING}),
    (404, "3115", f"GET {SUBSCRIPTION}", {"ids": NOTHING}),
    (400, "3116", f"PATCH {SUBSCRIPTION}", {"body": {"autoRenewal": {"renewalQuantity": 0}}}),
    (400, "3122", f"POST {CUSTOMER}/subscriptions", {"body": SCHEDULED}),
    (400, "1132", f"GET {CUSTOMER}/orders", {"params": {"limit": "0"}}),
    (400, "1133", f"GET {CUSTOMER}/deployments", {"params": {"offset": "9"}}),
    (400, "1122", f"POST {CUSTOMER}/orders", {"body": {}}),
    (400, "1117", f"POST {CUSTOMER}/orders", {"body": {"orderType": "SELL"}}),
    (400, "1121", "POST /v3/customers", {"body": {"colour": "red"}}),
    (400, "2122", f"POST {CUSTOMER}/orders", {"body": order(line("unknown"))}),
    (400, "400", f"PATCH {ORDER}", {"body": []}),
    (400, "5122", "POST /v3/pricelist", {"body": {**PRICE_LIST, "region": "CA"}}),
    (404, "1162", "POST /v3/pricelist", {"body": {**PRICE_LIST, "priceListMonth": "209901"}}),
    (400, "4119", f"GET {CUSTOMER}", {"headers": {"X-Correlation-Id": None}}),
    (400, "1117", f"GET {CUSTOMER}", {"headers": {"X-Request-Id": "1" * 256}}),
    (403, "4115", f"GET {CUSTOMER}", {"headers": {"X-Api-Key": "nobody"}}),
    (403, "4117", f"GET {CUSTOMER}", {"headers": {"Authorization": None}}),
    (401, "4116", f"GET {CUSTOMER}", {"headers": {"Authorization": "Bearer x"}}),
    (406, "406", f"GET {CUSTOMER}", {"headers": {"Accept": "text/html"}}),
    (415, "415", f"PATCH {ORDER}", {"body": {}, "headers": {"Content-Type": "text/plain"}}),
    (414, "414", f"GET {CUSTOMER}/orders", {"params": {"status": "1" * 8_200}}),
    (431, "431", f"GET {CUSTOMER}", {"headers": {"X-Long": "1" * 33_000}}),
    (413, "413", "POST /v3/resellers", {"body": {"colour": "r" * 2_100_000}}),
)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "code", "operation", "more"),
    [pytest.param(*row, marks=pytest.mark.proves(row[1]), id=row[1]) for row in REFUSALS],
)
async def test_refusals_are_as_documented(
    witness: Witness, status: int, code: str, operation: str, more: dict[str, Any]
) -> None:
    await witness.see(status, operation, code=code, **more)


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/ping", "/partnerservice/ping"])
async def test_pings_are_as_documented(world: World, path: str) -> None:
    for key, status in ((world.client_id, 200), ("nobody", 403)):
        response = await world.client.get(path, headers={"X-Api-Key": key})
        assert response.status_code == status
        SCHEMA[path]["GET"].Case().validate_response(response, checks=CHECKS)


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/ims/token/v3", "/ims/token/v2"])
async def test_tokens_are_as_documented(world: World, path: str) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": world.client_id,
        "client_secret": world.secret,
        "scope": "openid",
    }
    # No wrong secret or scope: enough of them and the server would throttle the other tests.
    for changes, status in (({}, 200), ({"grant_type": "x"}, 400), ({"grant_type": ""}, 400)):
        response = await world.client.post(path, data={**form, **changes})
        assert response.status_code == status, response.text
        case = SCHEMA[path]["POST"].Case(media_type="application/x-www-form-urlencoded")
        case.validate_response(response, checks=CHECKS)
