"""Deployments over HTTP (accounts.md 9)."""

import re
from typing import Any

import pytest

from tests.accounts import DRESDEN, LONDON, PARIS, Body, us_address, without
from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

GLOBAL: Body = {"globalSalesEnabled": True}
FOLIO = "65304479CA01A12"
HONG_KONG = {"country": "HK", "region": "00", "city": "Hong Kong", "addressLine1": "1 Quay"}


def at(address: Any) -> Body:
    """The body of a deployment at an address."""
    return {"companyProfile": {"address": address}}


async def post(world: World, customer: str, body: Body) -> Reply:
    return await world.post(f"/v3/customers/{customer}/deployments", body)


async def patch(world: World, customer: str, deployment: str, body: Body) -> Reply:
    return await world.patch(f"/v3/customers/{customer}/deployments/{deployment}", body)


@pytest.mark.proves("accounts.md 27", "1141")
async def test_a_branch_in_another_country(world: World) -> None:
    customer = await world.customer(top=GLOBAL)
    (await post(world, customer, at(us_address()))).refused(400, "1141")
    made = (await post(world, customer, at(DRESDEN))).ok()
    path = f"/v3/customers/{customer}/deployments/{made['deploymentId']}"
    assert re.fullmatch(r"14\d{8}", made["deploymentId"])
    assert made.body == {
        "deploymentId": made["deploymentId"],
        "companyProfile": {"address": {**DRESDEN, "addressLine2": "", "phoneNumber": ""}},
        "creationDate": "2025-07-07T18:00:00Z",
        "status": "1000",
        "links": {"self": {"uri": path, "method": "GET", "headers": []}},
    }
    read = (await world.get(path)).ok(200)
    assert read.content == made.content
    (await world.patch(path, at(PARIS))).refused(400, "1119", "companyProfile.address.country")
    # Several in one country are allowed.
    (await post(world, customer, at(DRESDEN))).ok()


@pytest.mark.proves("1139", "1140", "1142", "1118", "1141")
async def test_the_order_of_checks(new_world: MakeWorld) -> None:
    world = await new_world(globalSalesEnabled=False)
    customer = await world.customer(marketSegment="GOV")
    bad = at(us_address(region="00"))
    (await post(world, customer, {**bad, "foo": 1})).refused(400, "1121", "foo")
    bare = at(without(us_address(), "city", "postalCode"))
    (await post(world, customer, bare)).refused(
        400, "1122", "companyProfile.address.city", "companyProfile.address.postalCode"
    )
    (await post(world, customer, bad)).refused(400, "1139")
    await world.set(globalSalesEnabled=True)
    (await post(world, customer, bad)).refused(400, "1140")
    path = f"/sandbox/customers/{customer}"
    (await world.patch(path, {"globalSalesEnabled": True, "force": True})).ok(200)
    (await post(world, customer, bad)).refused(400, "1142")

    company = await world.customer(top=GLOBAL)
    (await post(world, company, bad)).refused(400, "1118", "companyProfile.address.region")
    (await post(world, company, at(us_address()))).refused(400, "1141")


FAULTS: dict[str, tuple[Any, str, list[str]]] = {
    "nothing": ({}, "1122", ["companyProfile"]),
    "no address": ({"companyProfile": {}}, "1122", ["companyProfile.address"]),
    "more than an address": (
        {"status": "1000", "companyProfile": {"companyName": "Acme", "address": DRESDEN}},
        "1121", ["status", "companyProfile.companyName"],
    ),
    "a country nobody sells in": (at(HONG_KONG), "1118", ["companyProfile.address.country"]),
    "no address at all": (at("Dresden"), "1117", ["companyProfile.address"]),
}  # fmt: skip


@pytest.mark.proves("1117", "1118", "1121", "1122")
@pytest.mark.parametrize(("body", "code", "details"), FAULTS.values(), ids=FAULTS)
async def test_faults_of_the_form(world: World, body: Any, code: str, details: list[str]) -> None:
    customer = await world.customer(top=GLOBAL)
    (await post(world, customer, body)).refused(400, code, *details)


async def test_every_region_of_the_partner_is_open(new_world: MakeWorld) -> None:
    world = await new_world(regions=["NA", "AP"])
    customer = await world.customer(top=GLOBAL)
    made = (await post(world, customer, at(HONG_KONG))).ok()
    assert made["companyProfile"]["address"]["postalCode"] == ""
    (await post(world, customer, at(LONDON))).refused(400, "1118", "companyProfile.address.country")


async def test_what_was_read_can_be_sent_back(world: World) -> None:
    customer = await world.customer(top=GLOBAL)
    deployment = await world.deployment(customer)
    path = f"/v3/customers/{customer}/deployments/{deployment}"
    read = (await world.get(path)).ok(200)
    assert (await world.patch(path, read.body)).ok(200).body == read.body
    other: Body = {"links": {}, "creationDate": "2020-01-01T00:00:00Z", "deploymentId": "1"}
    (await world.patch(path, {**other, "status": "1000"})).refused(400, "1119", *other)
    (await world.patch(path, {**dict.fromkeys(other), "status": "1000"})).ok(200)


async def test_address_and_status_may_change(world: World) -> None:
    customer = await world.customer(top=GLOBAL)
    deployment = await world.deployment(customer)
    address = {**DRESDEN, "city": "Leipzig", "region": "00", "postalCode": "04103"}
    moved = (await patch(world, customer, deployment, at(address))).ok(200)
    full = {**address, "addressLine2": "", "phoneNumber": ""}
    assert moved["companyProfile"]["address"] == full
    assert moved["status"] == "1000"
    both = {**at(DRESDEN), "status": "1004"}
    off = (await patch(world, customer, deployment, both)).ok(200)
    assert (off["status"], off["companyProfile"]["address"]["city"]) == ("1004", "Dresden")
    on = (await patch(world, customer, deployment, {"status": "1000"})).ok(200)
    assert on["companyProfile"] == off["companyProfile"]
    read = (await world.get(f"/v3/customers/{customer}/deployments/{deployment}")).ok(200)
    assert read.body == on.body


CHANGES: dict[str, tuple[Any, str, list[str]]] = {
    "nothing": ({}, "1122", ["companyProfile", "status"]),
    "nothing but nulls": (
        {"status": None, "companyProfile": None}, "1122", ["status", "companyProfile"],
    ),
    "nothing editable": ({"deploymentId": "1"}, "1122", ["companyProfile", "status"]),
    "no address": ({"companyProfile": {}}, "1122", ["companyProfile.address"]),
    "half an address": (
        at({"city": "Dresden", "country": "DE", "region": "SN"}),
        "1122", ["companyProfile.address.addressLine1", "companyProfile.address.postalCode"],
    ),
    "another status": ({"status": "1002"}, "1117", ["status"]),
    "a number": ({"status": 1004}, "1117", ["status"]),
    "unknown names": ({"status": "1000", "customerId": "1"}, "1121", ["customerId"]),
    "a postal code of another country": (
        at({**DRESDEN, "postalCode": "M5V 2T6"}), "1118", ["companyProfile.address.postalCode"],
    ),
    "address and status": (
        {**at({**DRESDEN, "postalCode": "0"}), "status": "x"},
        "1117", ["companyProfile.address.postalCode", "status"],
    ),
}  # fmt: skip


@pytest.mark.proves("1117", "1118", "1121", "1122")
@pytest.mark.parametrize(("body", "code", "details"), CHANGES.values(), ids=CHANGES)
async def test_faults_of_the_form_of_a_change(
    world: World, body: Any, code: str, details: list[str]
) -> None:
    customer = await world.customer(top=GLOBAL)
    deployment = await world.deployment(customer)
    (await patch(world, customer, deployment, body)).refused(400, code, *details)


@pytest.mark.proves("accounts.md 28", "1119")
async def test_a_deployment_in_use_stays_on(world: World) -> None:
    customer = await world.customer(top=GLOBAL)
    deployment = await world.deployment(customer)
    bought = line(FOLIO, 3, currencyCode="EUR", deploymentId=deployment)
    (await world.order(customer, bought, currencyCode=None)).ok()
    off = {"status": "1004"}
    (await patch(world, customer, deployment, off)).refused(400, "1119", "status")
    both = {**off, **at(PARIS)}
    (await patch(world, customer, deployment, both)).refused(
        400, "1119", "status", "companyProfile.address.country"
    )
    (seats,) = await world.seats(customer)
    path = f"/sandbox/customers/{customer}/subscriptions/{seats['subscriptionId']}"
    (await world.patch(path, {"status": "1004"})).ok(200)
    answer = (await patch(world, customer, deployment, off)).ok(200)
    assert answer["status"] == "1004"
    again = await world.order(customer, bought, currencyCode=None)
    again.refused(404, "2138", "Line Item: 1")


async def test_a_deployment_whose_seats_were_given_back_may_go(world: World) -> None:
    customer = await world.customer(top=GLOBAL)
    deployment = await world.deployment(customer)
    bought = line(FOLIO, 3, currencyCode="EUR", deploymentId=deployment)
    placed = (await world.order(customer, bought, currencyCode=None)).ok()
    (await world.give_back(customer, placed)).ok()
    (await patch(world, customer, deployment, {"status": "1004"})).ok(200)


@pytest.mark.proves("2138", "1116")
async def test_deployments_nobody_has(world: World, new_world: MakeWorld) -> None:
    customer = await world.customer(top=GLOBAL)
    sibling = await world.customer(top=GLOBAL)
    other = await new_world()
    stranger = await other.customer(top=GLOBAL)
    theirs = await other.deployment(stranger)
    for deployment in ("1499999999", "x", theirs, await world.deployment(sibling)):
        path = f"/v3/customers/{customer}/deployments/{deployment}"
        (await world.get(path)).refused(404, "2138")
        (await world.patch(path, {"status": "1004"})).refused(404, "2138")
        (await world.patch(path, content=b"{")).refused(404, "2138")
    for unknown in ("1999999999", stranger, "1234567890"):
        path = f"/v3/customers/{unknown}/deployments"
        (await world.get(path, params={"status": "1"})).refused(404, "1116")
        (await world.get(f"{path}/{theirs}")).refused(404, "1116")
        (await world.post(path, at(DRESDEN))).refused(404, "1116")
        (await world.patch(f"{path}/{theirs}", {"status": "1004"})).refused(404, "1116")


async def _thirty(world: World) -> str:
    customer = await world.customer(top=GLOBAL)
    for number in range(30):
        address = {**DRESDEN, "addressLine1": f"Street {number:02}"}
        (await post(world, customer, at(address))).ok()
    return customer


def _streets(page: Reply) -> list[str]:
    return [one["companyProfile"]["address"]["addressLine1"] for one in page["items"]]


@pytest.mark.proves("accounts.md 29")
async def test_paging(world: World) -> None:
    customer = await _thirty(world)
    path = f"/v3/customers/{customer}/deployments"
    first = (await world.get(path)).ok(200)
    assert list(first.body) == ["totalCount", "count", "offset", "limit", "items", "links"]
    counters = ("totalCount", "count", "offset", "limit")
    assert [first[name] for name in counters] == [30, 25, 0, 25]
    assert first["links"] == {
        "self": {"uri": f"{path}?limit=25&offset=0", "method": "GET", "headers": []},
        "next": {"uri": f"{path}?limit=25&offset=25", "method": "GET", "headers": []},
    }
    last = (await world.get(first["links"]["next"]["uri"])).ok(200)
    assert [last[name] for name in counters] == [30, 5, 25, 25]
    assert set(last["links"]) == {"self", "prev"}
    assert last["links"]["prev"]["uri"] == f"{path}?limit=25&offset=0"
    assert sorted(_streets(first) + _streets(last)) == [f"Street {n:02}" for n in range(30)]
    everything = (await world.get(path, params={"limit": 101})).ok(200)
    assert [everything[name] for name in counters] == [30, 30, 0, 100]
    assert _streets(everything) == _streets(first) + _streets(last)
    beyond = (await world.get(path, params={"offset": 30})).ok(200)
    assert [beyond[name] for name in counters] == [30, 0, 30, 25]
    assert set(beyond["links"]) == {"self", "prev"}


@pytest.mark.proves("1132", "1133")
async def test_pages_that_do_not_exist(world: World) -> None:
    customer = await world.customer(top=GLOBAL)
    await world.deployment(customer)
    path = f"/v3/customers/{customer}/deployments"
    (await world.get(path, params={"offset": 1})).ok(200)
    (await world.get(path, params={"offset": 2})).refused(400, "1133", "offset")
    for name, value in (
        ("limit", "0"), ("limit", "x"), ("offset", "-1"), ("offset", "1.0"), ("status", "1002"),
    ):  # fmt: skip
        (await world.get(path, params={name: value})).refused(400, "1132", name)
    bad = {"offset": "x", "status": "all", "limit": "-5"}
    (await world.get(path, params=bad)).refused(400, "1132", "offset", "status", "limit")
    (await world.get(path, params={"status": "", "foo": "1"})).ok(200)


async def test_lists_by_status(world: World) -> None:
    customer = await world.customer(top=GLOBAL)
    on, off = await world.deployment(customer), await world.deployment(customer, "JP")
    (await patch(world, customer, off, {"status": "1004"})).ok(200)
    path = f"/v3/customers/{customer}/deployments"
    for status, found in (("1000", [on]), ("1004", [off])):
        page = (await world.get(path, params={"status": status})).ok(200)
        assert [one["deploymentId"] for one in page["items"]] == found
        assert page["links"]["self"]["uri"] == f"{path}?status={status}&limit=25&offset=0"
    both = (await world.get(path)).ok(200)
    assert [one["deploymentId"] for one in both["items"]] == [on, off]
    nothing = (await world.get(f"/v3/customers/{await world.customer()}/deployments")).ok(200)
    assert (nothing["totalCount"], nothing["items"]) == (0, [])
    assert set(nothing["links"]) == {"self"}
