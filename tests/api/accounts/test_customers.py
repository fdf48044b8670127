"""Creating and reading customers over HTTP (accounts.md 2, 4, 5.4, 5.5, 6)."""

import re

import pytest

from tests.accounts import (
    LONDON,
    Body,
    changed,
    commit,
    contact,
    customer_body,
    reseller_body,
    us_address,
    without,
)
from tests.conftest import MakeWorld
from tests.harness import Reply, World, profile

pytestmark = pytest.mark.anyio


async def post(world: World, body: Body) -> Reply:
    return await world.post("/v3/customers", body)


@pytest.mark.proves("accounts.md 14")
async def test_a_new_customer_shows_everything_clients_rely_on(world: World) -> None:
    reseller_id = await world.reseller()
    body = customer_body(reseller_id, top={"externalReferenceId": "342"}, marketSegment="EDU")
    made = (await post(world, body)).ok()
    assert list(made.body) == [
        "externalReferenceId", "customerId", "resellerId", "status", "companyProfile",
        "discounts", "tags", "cotermDate", "creationDate", "benefits", "globalSalesEnabled",
        "links",
    ]  # fmt: skip
    assert re.fullmatch(r"1\d{9}", made["customerId"])
    sent = body["companyProfile"]
    path = f"/v3/customers/{made['customerId']}"
    assert made.body == {
        "externalReferenceId": "342",
        "customerId": made["customerId"],
        "resellerId": reseller_id,
        "status": "1002",
        "companyProfile": {
            "companyName": sent["companyName"],
            "preferredLanguage": "en-US",
            "marketSegment": "EDU",
            "marketSubSegments": [],
            "address": {**sent["address"], "addressLine2": "", "phoneNumber": ""},
            "contacts": [{**sent["contacts"][0], "phoneNumber": ""}],
        },
        "discounts": [
            {"offerType": "LICENSE", "level": "01"},
            {"offerType": "CONSUMABLES", "level": "T1"},
        ],
        "tags": [],
        "cotermDate": "",
        "creationDate": "2025-07-07T18:00:00Z",
        "benefits": [],
        "globalSalesEnabled": False,
        "links": {"self": {"uri": path, "method": "GET", "headers": []}},
    }
    read = await world.read_customer(made["customerId"])
    assert read.body == {**made.body, "status": "1000"}
    assert "linkedMembership" not in read.body
    for name in ("companyProfile", "discounts"):
        assert list(read[name]) == list(made[name])
    assert list(read["companyProfile"]["address"]) == list(made["companyProfile"]["address"])


async def test_what_is_left_out_is_empty(world: World) -> None:
    country = {"country": "IE", "region": "00", "city": "Cork", "addressLine1": "1 Main Street"}
    hong_kong = {**country, "country": "AD", "postalCode": "AD500"}
    body = customer_body(await world.reseller(), address=hong_kong, marketSegment=None)
    body |= {"externalReferenceId": None, "globalSalesEnabled": None, "cotermDate": None,
             "benefits": None}  # fmt: skip
    made = (await post(world, body)).ok()
    assert made["externalReferenceId"] == ""
    assert made["companyProfile"]["marketSegment"] == "COM"
    assert made["companyProfile"]["address"]["addressLine2"] == ""
    assert made["companyProfile"]["contacts"][0]["phoneNumber"] == ""
    assert (made["globalSalesEnabled"], made["cotermDate"], made["benefits"]) == (False, "", [])


async def test_a_place_without_postal_codes(new_world: MakeWorld) -> None:
    world = await new_world(regions=["NA", "AP"])
    hong_kong = {"country": "HK", "region": "00", "city": "Hong Kong", "addressLine1": "1 Quay"}
    made = (await post(world, customer_body(await world.reseller(), address=hong_kong))).ok()
    assert made["companyProfile"]["address"]["postalCode"] == ""


@pytest.mark.proves("accounts.md 6", "1115")
@pytest.mark.parametrize(
    "reseller_id", ["1999999999", "x", "1" * 41, " 1", "1\x002345", "\ud800abc"]
)
async def test_the_reseller_comes_first(world: World, reseller_id: str) -> None:
    (await post(world, customer_body(reseller_id))).refused(404, "1115")
    (await post(world, {"resellerId": reseller_id, "foo": 1})).refused(404, "1115")


@pytest.mark.proves("accounts.md 5", "1126")
@pytest.mark.parametrize("status", ["1004", "1010", "1012"])
async def test_no_customer_below_an_inactive_reseller(world: World, status: str) -> None:
    reseller_id = await world.reseller()
    edit = await world.patch(f"/sandbox/resellers/{reseller_id}", {"status": status})
    assert edit.ok(200)["status"] == status
    (await post(world, customer_body(reseller_id))).refused(400, "1126")
    # The form comes first, then the state, then segments.
    (await post(world, customer_body(reseller_id, companyName="Abc"))).refused(
        400, "1117", "companyProfile.companyName"
    )
    body = customer_body(reseller_id, top={"globalSalesEnabled": True}, marketSegment="GOV")
    (await post(world, body)).refused(400, "1126")


@pytest.mark.proves("accounts.md 7", "1117")
async def test_all_invalid_fields_are_named(world: World) -> None:
    body = customer_body(
        await world.reseller(), companyName="Abc", contacts=[contact(firstName="x" * 36)]
    )
    (await post(world, body)).refused(
        400, "1117", "companyProfile.companyName", "companyProfile.contacts[0].firstName"
    )


@pytest.mark.proves("accounts.md 8", "1117", "1118")
async def test_an_address_alone_or_with_others(world: World) -> None:
    reseller_id = await world.reseller()
    body = customer_body(reseller_id, address=us_address(postalCode="9511"))
    (await post(world, body)).refused(400, "1118", "companyProfile.address.postalCode")
    body["companyProfile"]["contacts"][0]["email"] = "nobody"
    (await post(world, body)).refused(
        400, "1117", "companyProfile.address.postalCode", "companyProfile.contacts[0].email"
    )


@pytest.mark.proves("accounts.md 9")
async def test_a_london_postal_code_in_madrid(world: World) -> None:
    body = customer_body(await world.reseller(), address={**LONDON, "city": "Madrid"})
    (await post(world, body)).ok()


PLACES: dict[str, tuple[Body, str, list[str]]] = {
    "no region in the US": ({"address": us_address(region="00")}, "1118", ["address.region"]),
    "an embargoed country": ({"address": us_address(country="CU")}, "1118", ["address.country"]),
    "a country elsewhere": ({"address": us_address(country="JP")}, "1118", ["address.country"]),
    "three letters": ({"address": us_address(country="USA")}, "1118", ["address.country"]),
    "lower case": ({"address": us_address(country="us")}, "1118", ["address.country"]),
    "an unknown language": ({"preferredLanguage": "de-AT"}, "1117", ["preferredLanguage"]),
    "a language in lower case": ({"preferredLanguage": "en-us"}, "1117", ["preferredLanguage"]),
    "an unknown segment": ({"marketSegment": "NGO"}, "1117", ["marketSegment"]),
    "long texts": (
        {"address": us_address(city="x" * 41, addressLine1="x" * 61, phoneNumber="5" * 41)},
        "1118", ["address.city", "address.addressLine1", "address.phoneNumber"],
    ),
    "markup and the unstorable": (
        {"address": us_address(city="a<b", addressLine2="a\x00b")},
        "1118", ["address.city", "address.addressLine2"],
    ),
    "a name with a lone surrogate": ({"companyName": "Acme \ud800"}, "1117", ["companyName"]),
}  # fmt: skip


@pytest.mark.proves("accounts.md 10", "1117", "1118")
@pytest.mark.parametrize(("fields", "code", "paths"), PLACES.values(), ids=PLACES)
async def test_values_outside_their_lists(
    new_world: MakeWorld, fields: Body, code: str, paths: list[str]
) -> None:
    world = await new_world(regions=["NA", "WE"])
    answer = await post(world, customer_body(await world.reseller(), **fields))
    answer.refused(400, code, *(f"companyProfile.{path}" for path in paths))


@pytest.mark.proves("accounts.md 11", "1121")
async def test_unexpected_before_missing(world: World) -> None:
    body = {**without(customer_body("1"), "resellerId"), "foo": 1}
    (await post(world, body)).refused(400, "1121", "foo")


FAULTS: dict[str, tuple[Body, str, list[str]]] = {
    "nothing": ({}, "1122", ["resellerId", "companyProfile"]),
    "empty values": (
        {"resellerId": "", "companyProfile": profile(address=None, contacts=[])},
        "1122", ["resellerId", "companyProfile.address", "companyProfile.contacts"],
    ),
    "no postal code where there is a rule": (
        {"resellerId": None,
         "companyProfile": profile(address=without(us_address(), "postalCode", "city"))},
        "1122", ["resellerId", "companyProfile.address.city", "companyProfile.address.postalCode"],
    ),
    "what only answers have": (
        {"customerId": "1", "status": "1000", "discounts": [], "tags": [], "links": {},
         "creationDate": "", "linkedMembership": None,
         "companyProfile": profile(marketSubSegments=[], marketSegments=["COM"])},
        "1121",
        ["customerId", "status", "discounts", "tags", "links", "creationDate", "linkedMembership",
         "companyProfile.marketSubSegments", "companyProfile.marketSegments"],
    ),
    "wrong types": (
        {"resellerId": 5, "globalSalesEnabled": "true", "benefits": {}, "cotermDate": 20260707,
         "companyProfile": profile(companyName=5, contacts={}, marketSegment=["COM"])},
        "1117",
        ["resellerId", "globalSalesEnabled", "benefits", "cotermDate", "companyProfile.companyName",
         "companyProfile.contacts", "companyProfile.marketSegment"],
    ),
}  # fmt: skip


@pytest.mark.proves("1117", "1121", "1122")
@pytest.mark.parametrize(("body", "code", "details"), FAULTS.values(), ids=FAULTS)
async def test_faults_of_the_form(world: World, body: Body, code: str, details: list[str]) -> None:
    (await post(world, body)).refused(400, code, *details)


@pytest.mark.parametrize("content", [b"{", b"[]", b'"x"', b'{"a":1,"a":2}', b"\xff\xfe{}"])
async def test_no_json_object(world: World, content: bytes) -> None:
    answer = await world.post("/v3/customers", content=content)
    assert (answer.status, answer.code) == (400, "400")


async def test_an_empty_body_lacks_everything(world: World) -> None:
    answer = await world.post("/v3/customers", content=b"")
    answer.refused(400, "1122", "resellerId", "companyProfile")


@pytest.mark.proves("accounts.md 12", "2126")
async def test_a_reference_has_35_characters_at_most(world: World) -> None:
    reseller_id = await world.reseller()
    body = customer_body(reseller_id, top={"externalReferenceId": "ü" * 36}, companyName="Abc")
    (await post(world, body)).refused(400, "2126")
    body = customer_body(reseller_id, top={"externalReferenceId": "ü" * 35})
    assert (await post(world, body)).ok()["externalReferenceId"] == "ü" * 35


@pytest.mark.proves("accounts.md 13", "2135")
async def test_a_customer_of_a_segment_its_reseller_does_not_serve(world: World) -> None:
    reseller = (await world.post("/v3/resellers", reseller_body(world))).ok()
    body = customer_body(reseller["resellerId"], marketSegment="EDU")
    (await post(world, body)).refused(400, "2135")
    # Before the rules of programs.
    (await post(world, {**body, "globalSalesEnabled": True})).refused(400, "2135")
    (await post(world, {**body, **commit()})).refused(400, "2135")


TERMS = [
    ("2026-01-10", "COM", False), ("2026-01-11", "COM", True), ("2028-01-10", "COM", True),
    ("2028-01-11", "COM", False), ("2028-01-11", "EDU", True), ("2029-01-10", "EDU", True),
    ("2029-01-11", "EDU", False), ("2028-01-11", "GOV", False), ("2026-1-11", "COM", False),
    ("20270111", "COM", False), ("2027-W02-7", "COM", False), ("2026-02-30", "COM", False),
    ("2027-01-11T00:00:00Z", "COM", False), ("soon", "COM", False),
]  # fmt: skip


@pytest.mark.proves("accounts.md 22", "1117")
@pytest.mark.parametrize(("coterm_date", "segment", "holds"), TERMS)
async def test_extended_terms(
    new_world: MakeWorld, coterm_date: str, segment: str, holds: bool
) -> None:
    world = await new_world(clock={"now": "2025-01-10T23:59:59Z"})
    top: Body = {"cotermDate": coterm_date}
    body = customer_body(await world.reseller(), top=top, marketSegment=segment)
    answer = await post(world, body)
    if not holds:
        answer.refused(400, "1117", "cotermDate")
        return
    assert answer.ok()["cotermDate"] == coterm_date
    read = await world.read_customer(answer["customerId"])
    assert read["cotermDate"] == coterm_date


async def test_an_empty_anniversary_is_none(world: World) -> None:
    customer = await world.customer(top={"cotermDate": ""})
    assert (await world.read_customer(customer))["cotermDate"] == ""


@pytest.mark.proves("1139", "1142")
async def test_global_sales_from_the_start(world: World) -> None:
    reseller_id = await world.reseller()
    on: Body = {"globalSalesEnabled": True}
    made = (await post(world, customer_body(reseller_id, top=on))).ok()
    assert made["globalSalesEnabled"] is True
    for segment in ("EDU", "GOV"):
        body = customer_body(reseller_id, top=on, marketSegment=segment)
        (await post(world, body)).refused(400, "1142")
    await world.set(globalSalesEnabled=False)
    (await post(world, customer_body(reseller_id, top=on))).refused(400, "1139")
    (await post(world, customer_body(reseller_id, top=on, marketSegment="GOV"))).refused(
        400, "1139"
    )
    off: Body = {"globalSalesEnabled": False}
    (await post(world, customer_body(reseller_id, top=off, marketSegment="GOV"))).ok()


async def test_programs_that_are_not_served_yet(world: World) -> None:
    reseller_id = await world.reseller()
    body = customer_body(reseller_id, top={"benefits": [{"type": "LARGE_GOVERNMENT_AGENCY"}]})
    (await post(world, body)).refused(403, "4121", "benefits")
    (await post(world, {**body, "benefits": []})).ok()


@pytest.mark.proves("accounts.md 47", "1116")
async def test_customers_nobody_has(world: World, new_world: MakeWorld) -> None:
    other = await new_world()
    theirs = await other.customer()
    unknown = await world.get("/v3/customers/1999999999")
    unknown.refused(404, "1116")
    for customer_id in (theirs, "1234567890", "1234567890COM", "abc", "1" * 41, "%00", "a%20b"):
        answer = await world.get(f"/v3/customers/{customer_id}")
        assert (answer.status, answer.content) == (unknown.status, unknown.content)
        path = f"/v3/customers/{customer_id}"
        (await world.patch(path, changed(await other.read_customer(theirs)))).refused(404, "1116")
        (await world.patch(path, content=b"{")).refused(404, "1116")
        (await world.post(f"{path}/deployments", content=b"{")).refused(404, "1116")
