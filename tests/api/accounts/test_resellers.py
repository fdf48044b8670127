"""Resellers over HTTP (accounts.md 5.1-5.3)."""

import re
from typing import Any

import pytest

from tests.accounts import (
    Body,
    changed,
    contact,
    customer_body,
    moved,
    read_reseller,
    reseller_body,
    us_address,
    without,
)
from tests.conftest import MakeWorld
from tests.harness import World, profile

pytestmark = pytest.mark.anyio

REMOVAL = "Reseller is not permitted to remove existing market segments"
UNKNOWN = ["1999999999", "abc", "1" * 41, "1000 0000", "$$$$", "1000000000\x00"]


async def test_the_answer_shows_the_whole_resource(world: World) -> None:
    body = reseller_body(world, top={"externalReferenceId": "342"})
    made = (await world.post("/v3/resellers", body)).ok()
    assert list(made.body) == [
        "externalReferenceId", "distributorId", "resellerId", "companyProfile", "creationDate",
        "status", "links",
    ]  # fmt: skip
    assert re.fullmatch(r"1\d{9}", made["resellerId"])
    assert made["distributorId"] == world.distributor_id
    assert made["externalReferenceId"] == "342"
    assert made["creationDate"] == "2025-07-07T18:00:00Z"
    sent = body["companyProfile"]
    assert made["companyProfile"] == {
        "companyName": sent["companyName"],
        "preferredLanguage": "en-US",
        "marketSegments": ["COM"],
        "address": {**sent["address"], "addressLine2": "", "phoneNumber": ""},
        "contacts": [{**sent["contacts"][0], "phoneNumber": ""}],
    }
    path = f"/v3/resellers/{made['resellerId']}"
    assert made["links"] == {"self": {"uri": path, "method": "GET", "headers": []}}
    read = await read_reseller(world, made["resellerId"])
    assert read.body == {**made.body, "status": "1000"}
    assert list(read["companyProfile"]) == list(made["companyProfile"])


@pytest.mark.proves("accounts.md 2")
async def test_a_reseller_sells_to_companies_unless_told_otherwise(world: World) -> None:
    made = (await world.post("/v3/resellers", reseller_body(world))).ok()
    assert made["status"] == "1002"
    assert made["companyProfile"]["marketSegments"] == ["COM"]
    assert (await read_reseller(world, made["resellerId"]))["status"] == "1000"


async def test_unset_texts_are_empty_strings(world: World) -> None:
    address = us_address(addressLine2=None, phoneNumber=None)
    body = reseller_body(world, top={"externalReferenceId": None}, marketSegments=None,
                         address=address, contacts=[contact(phoneNumber=None)])  # fmt: skip
    made = (await world.post("/v3/resellers", body)).ok()
    assert made["externalReferenceId"] == ""
    assert made["companyProfile"]["address"]["addressLine2"] == ""
    assert made["companyProfile"]["contacts"][0]["phoneNumber"] == ""


@pytest.mark.proves("accounts.md 1", "1114")
async def test_the_distributor_is_the_caller(world: World, new_world: MakeWorld) -> None:
    other = await new_world()
    for distributor_id in (other.distributor_id, "999", "x" * 41):
        body = reseller_body(world, top={"distributorId": distributor_id})
        (await world.post("/v3/resellers", body)).refused(400, "1114", "distributorId")


@pytest.mark.proves("2135")
async def test_a_reseller_sells_no_segment_its_partner_may_not(new_world: MakeWorld) -> None:
    world = await new_world(marketSegments=["COM", "EDU"])
    body = reseller_body(world, marketSegments=["COM", "GOV"])
    (await world.post("/v3/resellers", body)).refused(400, "2135")
    body = reseller_body(world, marketSegments=["EDU"])
    made = (await world.post("/v3/resellers", body)).ok()
    assert made["companyProfile"]["marketSegments"] == ["EDU"]
    read = await read_reseller(world, made["resellerId"])
    path = f"/v3/resellers/{made['resellerId']}"
    answer = await world.patch(path, changed(read, marketSegments=["EDU", "GOV"]))
    answer.refused(400, "2135")


FAULTS: dict[str, tuple[Body, str, list[str]]] = {
    "unknown and read-only names": (
        {"status": "1000", "resellerId": "1", "companyProfile": profile(foo=1)},
        "1121", ["status", "resellerId", "companyProfile.foo"],
    ),
    "unexpected before missing": ({"links": {}}, "1121", ["links"]),
    "nothing": ({}, "1122", ["distributorId", "companyProfile"]),
    "empty values": (
        {"distributorId": "", "companyProfile": profile(contacts=[], companyName=None)},
        "1122", ["distributorId", "companyProfile.companyName", "companyProfile.contacts"],
    ),
    "no postal code where there is a rule": (
        {"distributorId": "1", "companyProfile": profile(address=us_address(postalCode=""))},
        "1122", ["companyProfile.address.postalCode"],
    ),
    "segments": (
        {"distributorId": "1", "companyProfile": profile(marketSegments=["COM", "COM"])},
        "1117", ["companyProfile.marketSegments"],
    ),
    "no segment": (
        {"distributorId": "1", "companyProfile": profile(marketSegments=[])},
        "1117", ["companyProfile.marketSegments"],
    ),
    "wrong types": (
        {"distributorId": 1, "companyProfile": profile(marketSegments="COM", address=[])},
        "1117", ["distributorId", "companyProfile.address", "companyProfile.marketSegments"],
    ),
    "an address alone": (
        {"distributorId": "1", "companyProfile": profile(address=us_address(region="XX"))},
        "1118", ["companyProfile.address.region"],
    ),
    "a long reference before bad values": (
        {"externalReferenceId": "x" * 36, "distributorId": "1",
         "companyProfile": profile(companyName="Abc")},
        "2126", [],
    ),
}  # fmt: skip


@pytest.mark.proves("1117", "1118", "1121", "1122", "2126")
@pytest.mark.parametrize(("body", "code", "details"), FAULTS.values(), ids=FAULTS)
async def test_faults_of_the_form(world: World, body: Body, code: str, details: list[str]) -> None:
    (await world.post("/v3/resellers", body)).refused(400, code, *details)


@pytest.mark.proves("1115")
@pytest.mark.parametrize("reseller_id", UNKNOWN)
async def test_unknown_resellers(world: World, reseller_id: str) -> None:
    path = f"/v3/resellers/{reseller_id}".replace(" ", "%20").replace("\0", "%00")
    (await world.get(path)).refused(404, "1115")
    (await world.patch(path, {})).refused(404, "1115")
    (await world.patch(path, content=b"{")).refused(404, "1115")


async def test_a_reseller_of_another_partner_is_unknown(world: World, new_world: MakeWorld) -> None:
    theirs = await (await new_world()).reseller()
    foreign = await world.get(f"/v3/resellers/{theirs}")
    unknown = await world.get("/v3/resellers/1999999999")
    foreign.refused(404, "1115")
    assert foreign.content == unknown.content
    (await world.patch(f"/v3/resellers/{theirs}", {})).refused(404, "1115")
    (await world.post("/v3/customers", customer_body(theirs))).refused(404, "1115")


async def test_what_was_read_can_be_sent_back(world: World) -> None:
    reseller_id = await world.reseller()
    read = await read_reseller(world, reseller_id)
    again = (await world.patch(f"/v3/resellers/{reseller_id}", read.body)).ok(200)
    assert again.body == read.body


async def test_what_may_change(world: World) -> None:
    reseller_id = await world.reseller()
    read = await read_reseller(world, reseller_id)
    body = {
        **moved(read, city="Fresno", addressLine1="Elm 1", addressLine2="2nd floor",
                postalCode="93650", phoneNumber="555"),
        "externalReferenceId": "new",
    }  # fmt: skip
    body["companyProfile"] |= {"preferredLanguage": "fr-CA", "contacts": [contact(), contact()]}
    answer = (await world.patch(f"/v3/resellers/{reseller_id}", body)).ok(200)
    assert answer["externalReferenceId"] == "new"
    assert answer["companyProfile"]["address"] == body["companyProfile"]["address"]
    assert answer["companyProfile"]["preferredLanguage"] == "fr-CA"
    assert len(answer["companyProfile"]["contacts"]) == 2
    assert (await read_reseller(world, reseller_id)).body == answer.body
    # Not sent is not changed; what is replaced as a whole loses what is not sent.
    body = changed(read, address=without(read["companyProfile"]["address"], "phoneNumber"))
    answer = (await world.patch(f"/v3/resellers/{reseller_id}", body)).ok(200)
    assert answer["externalReferenceId"] == "new"
    assert answer["companyProfile"]["address"]["phoneNumber"] == ""
    cleared = {**body, "externalReferenceId": ""}
    answer = (await world.patch(f"/v3/resellers/{reseller_id}", cleared)).ok(200)
    assert answer["externalReferenceId"] == ""


@pytest.mark.proves("1119")
async def test_fixed_fields(world: World) -> None:
    reseller_id = await world.reseller()
    path = f"/v3/resellers/{reseller_id}"
    read = await read_reseller(world, reseller_id)
    address = {**read["companyProfile"]["address"], "region": "NY"}
    body = {
        "status": "1004",
        "companyProfile": {
            **read["companyProfile"], "address": address, "companyName": "Another Name",
        },
        "creationDate": "2020-01-01T00:00:00Z",
        "resellerId": "1",
        "links": {},
        "distributorId": "1",
    }  # fmt: skip
    (await world.patch(path, body)).refused(
        400, "1119", "status", "companyProfile.companyName", "companyProfile.address.region",
        "creationDate", "resellerId", "links", "distributorId",
    )  # fmt: skip
    bare = changed(read, address=without(address, "country", "region"))
    del bare["companyProfile"]["companyName"]
    (await world.patch(path, bare)).refused(
        400, "1119", "companyProfile.address.country", "companyProfile.address.region",
        "companyProfile.companyName",
    )  # fmt: skip
    nothing = dict.fromkeys(("status", "creationDate", "resellerId", "links", "distributorId"))
    (await world.patch(path, {**changed(read), **nothing})).ok(200)


@pytest.mark.proves("1121", "1122", "2126", "1117", "1118")
async def test_faults_of_the_form_of_a_change(world: World) -> None:
    reseller_id = await world.reseller()
    path = f"/v3/resellers/{reseller_id}"
    read = await read_reseller(world, reseller_id)
    (await world.patch(path, {})).refused(400, "1122", "companyProfile")
    (await world.patch(path, content=b"")).refused(400, "1122", "companyProfile")
    (await world.patch(path, content=b"[]")).refused(400, "400")
    (await world.patch(path, changed(read, tags=[]))).refused(400, "1121", "companyProfile.tags")
    bare = {"companyProfile": without(read["companyProfile"], "marketSegments", "contacts")}
    (await world.patch(path, bare)).refused(
        400, "1122", "companyProfile.marketSegments", "companyProfile.contacts"
    )
    body: Any = {**moved(read, postalCode="9511", city="<b>"), "externalReferenceId": "x" * 35}
    (await world.patch(path, body)).refused(
        400, "1118", "companyProfile.address.city", "companyProfile.address.postalCode"
    )
    body["companyProfile"]["preferredLanguage"] = "de-AT"
    (await world.patch(path, body)).refused(
        400, "1117", "companyProfile.preferredLanguage", "companyProfile.address.city",
        "companyProfile.address.postalCode",
    )  # fmt: skip
    body["externalReferenceId"] += "x"
    (await world.patch(path, body)).refused(400, "2126")


@pytest.mark.proves("accounts.md 3", "5122")
async def test_segments_only_grow(world: World) -> None:
    made = (await world.post("/v3/resellers", reseller_body(world))).ok()
    path = f"/v3/resellers/{made['resellerId']}"
    grown = (await world.patch(path, changed(made, marketSegments=["COM", "EDU"]))).ok(200)
    assert grown["companyProfile"]["marketSegments"] == ["COM", "EDU"]
    for fewer in (["COM"], ["EDU"], ["GOV"]):
        answer = await world.patch(path, changed(made, marketSegments=fewer))
        answer.refused(400, "5122", REMOVAL)
        assert answer["message"] == "Invalid Request"
    kept = (await world.get(path)).ok(200)
    assert kept["companyProfile"]["marketSegments"] == ["COM", "EDU"]
    swapped = await world.patch(path, changed(made, marketSegments=["EDU", "COM"]))
    assert swapped.ok(200)["companyProfile"]["marketSegments"] == ["EDU", "COM"]


@pytest.mark.proves("accounts.md 4", "1125")
async def test_a_pending_reseller_takes_customers_but_no_changes(world: World) -> None:
    await world.settlement("manual")
    made = (await world.post("/v3/resellers", reseller_body(world))).ok()
    path = f"/v3/resellers/{made['resellerId']}"
    assert (await world.get(path))["status"] == "1002"
    (await world.patch(path, changed(made))).refused(400, "1125")
    # The form and the values come first.
    (await world.patch(path, changed(made, companyName="Abc"))).refused(
        400, "1117", "companyProfile.companyName"
    )
    # State comes before fixed fields.
    (await world.patch(path, changed(made, companyName="Another"))).refused(400, "1125")
    (await world.post("/v3/customers", customer_body(made["resellerId"]))).ok()
    await world.settle()
    assert (await world.get(path))["status"] == "1000"
    (await world.patch(path, changed(made))).ok(200)
