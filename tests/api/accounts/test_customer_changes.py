"""PATCH of a customer over HTTP (accounts.md 5.6)."""

from typing import Any

import pytest

from tests.accounts import Body, changed, commit, contact, moved, reseller_body, without
from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

EDU_OFFER = "30001760CB01A12"


async def patch(world: World, customer: str, body: Body) -> Reply:
    return await world.patch(f"/v3/customers/{customer}", body)


async def edit(world: World, customer: str, **changes: Any) -> None:
    """Change a customer by the control API."""
    (await world.patch(f"/sandbox/customers/{customer}", changes)).ok(200)


@pytest.mark.proves("accounts.md 19")
async def test_what_was_read_can_be_sent_back(world: World) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    (await world.order(customer, line("65304479CA02A12", 10))).ok()
    read = await world.read_customer(customer)
    assert (await patch(world, customer, read.body)).ok(200).body == read.body
    body = {**read.body, **moved(read, city="Fresno", postalCode="93650")}
    answer = (await patch(world, customer, body)).ok(200)
    assert answer["companyProfile"]["address"]["city"] == "Fresno"
    assert (await world.read_customer(customer)).body == answer.body


async def test_sub_segments_and_tags_can_be_sent_back(world: World) -> None:
    customer = await world.customer(marketSegment="EDU")
    await edit(world, customer, marketSubSegments=["K_12"], tags=["HVD_MIGRATED_CUSTOMER"])
    read = await world.read_customer(customer)
    assert read["companyProfile"]["marketSubSegments"] == ["K_12"]
    assert (await patch(world, customer, read.body)).ok(200).body == read.body
    (await patch(world, customer, {**changed(read), "tags": []})).refused(400, "1119", "tags")
    body = changed(read, marketSubSegments=[])
    (await patch(world, customer, body)).refused(400, "1119", "companyProfile.marketSubSegments")
    body = changed(read, marketSubSegments=None)
    answer = (await patch(world, customer, body)).ok(200)
    assert answer["companyProfile"]["marketSubSegments"] == ["K_12"]


async def test_what_may_change(world: World) -> None:
    customer = await world.customer(top={"externalReferenceId": "old"})
    read = await world.read_customer(customer)
    new_contacts = [contact(phoneNumber="1"), contact(phoneNumber="")]
    body = {
        **changed(read, preferredLanguage="fr-CA", contacts=new_contacts),
        "externalReferenceId": "new",
        "globalSalesEnabled": True,
    }
    answer = (await patch(world, customer, body)).ok(200)
    assert answer["externalReferenceId"] == "new"
    assert answer["globalSalesEnabled"] is True
    assert answer["companyProfile"]["preferredLanguage"] == "fr-CA"
    assert answer["companyProfile"]["contacts"] == new_contacts
    assert (await world.read_customer(customer)).body == answer.body
    # Not sent, null: not changed. Sent as "": cleared.
    same = {**changed(read), "externalReferenceId": None, "globalSalesEnabled": None}
    answer = (await patch(world, customer, same)).ok(200)
    assert (answer["externalReferenceId"], answer["globalSalesEnabled"]) == ("new", True)
    answer = (await patch(world, customer, {**changed(read), "externalReferenceId": ""})).ok(200)
    assert answer["externalReferenceId"] == ""


@pytest.mark.parametrize("contacts", [[], None, "absent"])
async def test_contacts_stay_unless_sent(world: World, contacts: Any) -> None:
    customer = await world.customer()
    read = await world.read_customer(customer)
    body = changed(read, contacts=contacts)
    if contacts == "absent":
        del body["companyProfile"]["contacts"]
    answer = (await patch(world, customer, body)).ok(200)
    assert answer["companyProfile"]["contacts"] == read["companyProfile"]["contacts"]


async def test_a_change_echoes_names_and_keeps_the_known_ones(world: World) -> None:
    customer = await world.customer()
    read = await world.read_customer(customer)
    (ann,) = read["companyProfile"]["contacts"]
    bob = {**ann, "firstName": "Bob", "phoneNumber": "99"}
    answer = (await patch(world, customer, changed(read, contacts=[bob]))).ok(200)
    assert answer["companyProfile"]["contacts"] == [bob]
    shown = (await world.read_customer(customer))["companyProfile"]["contacts"]
    assert shown == [{**ann, "phoneNumber": "99"}]


@pytest.mark.proves("accounts.md 19", "1119")
async def test_fixed_fields(world: World) -> None:
    customer = await world.customer()
    read = await world.read_customer(customer)
    (await patch(world, customer, changed(read, companyName="Another"))).refused(
        400, "1119", "companyProfile.companyName"
    )
    read_only: Body = {
        "status": "1004", "customerId": "1", "resellerId": "1", "discounts": [], "tags": ["x"],
        "cotermDate": "2026-01-01", "creationDate": "", "links": {},
    }  # fmt: skip
    body = {"links": {}, **moved(read, region="NY", country="CA", postalCode="M5V 2T6"),
            **without(read_only, "links")}  # fmt: skip
    body["companyProfile"]["address"] = {
        **body["companyProfile"]["address"], "country": "VI", "postalCode": "00802",
    }  # fmt: skip
    (await patch(world, customer, body)).refused(
        400, "1119", "links", "companyProfile.address.country", "companyProfile.address.region",
        "status", "customerId", "resellerId", "discounts", "tags", "cotermDate", "creationDate",
    )  # fmt: skip
    body = {**changed(read), **dict.fromkeys(read_only)}
    (await patch(world, customer, body)).ok(200)
    assert (await world.read_customer(customer)).body == read.body


@pytest.mark.proves("1119")
async def test_name_country_and_region_must_be_sent(world: World) -> None:
    customer = await world.customer()
    read = await world.read_customer(customer)
    address = without(read["companyProfile"]["address"], "country", "region")
    body = changed(read, address=address, companyName=None)
    (await patch(world, customer, body)).refused(
        400, "1119", "companyProfile.companyName", "companyProfile.address.country",
        "companyProfile.address.region",
    )  # fmt: skip


@pytest.mark.proves("1117", "1118", "1121", "1122", "2126")
async def test_faults_of_the_form(world: World) -> None:
    customer = await world.customer()
    path = f"/v3/customers/{customer}"
    read = await world.read_customer(customer)
    (await world.patch(path, content=b"[]")).refused(400, "400")
    (await world.patch(path, content=b"")).refused(400, "1122", "companyProfile")
    (await world.patch(path, {"externalReferenceId": "x"})).refused(400, "1122", "companyProfile")
    bare = {"companyProfile": {"address": {"postalCode": None}, "contacts": [{"email": ""}]}}
    (await patch(world, customer, bare)).refused(
        400, "1122", "companyProfile.address.city", "companyProfile.address.addressLine1",
        "companyProfile.contacts[0].email", "companyProfile.contacts[0].firstName",
        "companyProfile.contacts[0].lastName", "companyProfile.preferredLanguage",
    )  # fmt: skip
    (await patch(world, customer, {**bare, "foo": 1, "distributorId": "1"})).refused(
        400, "1121", "foo", "distributorId"
    )
    body = moved(read, postalCode="", city="")
    (await patch(world, customer, body)).refused(
        400, "1122", "companyProfile.address.city", "companyProfile.address.postalCode"
    )
    body = moved(read, postalCode="1234", city="x" * 41)
    (await patch(world, customer, body)).refused(
        400, "1118", "companyProfile.address.city", "companyProfile.address.postalCode"
    )
    body |= {"globalSalesEnabled": 1, "benefits": "none"}
    (await patch(world, customer, body)).refused(
        400, "1117", "companyProfile.address.city", "companyProfile.address.postalCode",
        "globalSalesEnabled", "benefits",
    )  # fmt: skip
    (await patch(world, customer, {**body, "externalReferenceId": "x" * 36})).refused(400, "2126")
    # Values come before what is fixed.
    body = changed(read, companyName="Abc", preferredLanguage="de-AT")
    (await patch(world, customer, body)).refused(
        400, "1117", "companyProfile.companyName", "companyProfile.preferredLanguage"
    )


@pytest.mark.proves("accounts.md 18", "1125")
async def test_pending_and_blocked_customers_do_not_change(world: World) -> None:
    reseller_id = await world.reseller()
    await world.settlement("manual")
    customer = await world.customer(reseller_id)
    read = await world.read_customer(customer)
    assert read["status"] == "1002"
    (await patch(world, customer, read.body)).refused(400, "1125")
    # After the form, before fixed fields, segments and programs.
    (await patch(world, customer, changed(read, preferredLanguage="de-AT"))).refused(
        400, "1117", "companyProfile.preferredLanguage"
    )
    body = {**changed(read, companyName="Another", marketSegment="GOV"), **commit()}
    (await patch(world, customer, body)).refused(400, "1125")
    await world.settle()
    await edit(world, customer, status="1012")
    (await patch(world, customer, changed(read))).refused(400, "1125")


@pytest.mark.parametrize("status", ["1004", "1010", "1014"])
async def test_inactive_customers_may_change(world: World, status: str) -> None:
    customer = await world.customer()
    await edit(world, customer, status=status)
    read = await world.read_customer(customer)
    answer = (await patch(world, customer, changed(read, preferredLanguage="fr-CA"))).ok(200)
    assert (answer["status"], answer["companyProfile"]["preferredLanguage"]) == (status, "fr-CA")


@pytest.mark.proves("accounts.md 20")
async def test_the_segment_changes_only_without_running_subscriptions(world: World) -> None:
    customer = await world.customer(marketSegment="EDU")
    await edit(world, customer, marketSubSegments=["K_12"])
    placed = (await world.order(customer, line(EDU_OFFER))).ok()
    read = await world.read_customer(customer)
    body = changed(read, marketSegment="COM", companyName="Another")
    (await patch(world, customer, body)).refused(
        400, "1119", *_in_order(read, "companyName", "marketSegment")
    )
    body = changed(read, marketSegment="COM")
    (await patch(world, customer, body)).refused(400, "1119", "companyProfile.marketSegment")
    (await patch(world, customer, changed(read, marketSegment=None))).ok(200)
    (await world.give_back(customer, placed)).ok()
    answer = (await patch(world, customer, body)).ok(200)
    assert answer["companyProfile"]["marketSegment"] == "COM"
    assert answer["companyProfile"]["marketSubSegments"] == []
    assert (await world.read_customer(customer)).body == answer.body


def _in_order(read: Reply, *names: str) -> list[str]:
    known = list(read["companyProfile"])
    return [f"companyProfile.{name}" for name in sorted(names, key=known.index)]


@pytest.mark.proves("2135")
async def test_a_new_segment_must_be_the_resellers(world: World) -> None:
    body = reseller_body(world, marketSegments=["COM", "EDU"])
    reseller = (await world.post("/v3/resellers", body)).ok()
    customer = await world.customer(reseller["resellerId"])
    read = await world.read_customer(customer)
    gov = {**changed(read, marketSegment="GOV"), "globalSalesEnabled": True, **commit()}
    (await patch(world, customer, gov)).refused(400, "2135")
    (await patch(world, customer, changed(read, marketSegment="EDU"))).ok(200)


@pytest.mark.proves("accounts.md 26", "1139", "1142")
async def test_global_sales(new_world: MakeWorld) -> None:
    world = await new_world(globalSalesEnabled=False)
    reseller_id = await world.reseller()
    company = await world.customer(reseller_id)
    agency = await world.customer(reseller_id, marketSegment="GOV")
    on: Body = {"globalSalesEnabled": True}
    company_body = {**changed(await world.read_customer(company)), **on}
    agency_body = {**changed(await world.read_customer(agency)), **on}
    (await patch(world, company, company_body)).refused(400, "1139")
    (await patch(world, agency, agency_body)).refused(400, "1139")
    await world.set(globalSalesEnabled=True)
    (await patch(world, agency, agency_body)).refused(400, "1142")
    answer = (await patch(world, company, company_body)).ok(200)
    assert answer["globalSalesEnabled"] is True
    # A global customer stays a company, and what it has it may send back.
    gov = changed(await world.read_customer(company), marketSegment="GOV")
    (await patch(world, company, gov)).refused(400, "1142")
    (await patch(world, company, {**gov, "globalSalesEnabled": False})).ok(200)
    await edit(world, company, globalSalesEnabled=True, force=True)
    await world.set(globalSalesEnabled=False)
    read = await world.read_customer(company)
    assert (await patch(world, company, read.body)).ok(200)["globalSalesEnabled"] is True


async def test_global_sales_stay_on_while_a_deployment_is_active(world: World) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    deployment = await world.deployment(customer)
    read = await world.read_customer(customer)
    off = {**changed(read), "globalSalesEnabled": False}
    (await patch(world, customer, off)).refused(400, "1119", "globalSalesEnabled")
    path = f"/v3/customers/{customer}/deployments/{deployment}"
    (await world.patch(path, {"status": "1004"})).ok(200)
    assert (await patch(world, customer, off)).ok(200)["globalSalesEnabled"] is False
    assert (await patch(world, customer, off)).ok(200)["globalSalesEnabled"] is False


async def test_programs_that_are_not_served_yet(world: World) -> None:
    customer = await world.customer()
    body = changed(await world.read_customer(customer))
    linked = {"type": "STANDARD", "name": "Group"}
    agency = {"type": "LARGE_GOVERNMENT_AGENCY"}
    for programs, names in (
        ({"linkedMembership": linked}, ["linkedMembership"]),
        ({"linkedMembership": linked, "benefits": [agency]}, ["linkedMembership", "benefits"]),
        ({"benefits": [agency], "globalSalesEnabled": True}, ["benefits"]),
    ):
        (await patch(world, customer, {**body, **programs})).refused(403, "4121", *names)
    nothing: Body = {"linkedMembership": None, "benefits": None}
    (await patch(world, customer, {**body, **nothing})).ok(200)
    (await patch(world, customer, {**body, "benefits": []})).ok(200)
