"""Ready-made data sets, in every settlement mode (sandbox.md 2)."""

from typing import Any

import httpx
import pytest

from tests.conftest import ADMIN_TOKEN, MakeWorld
from tests.harness import World, line

pytestmark = pytest.mark.anyio

STORIES = (
    "coterm-mid-year", "global-customer", "education-k12", "returns-window", "hvd",
    "three-year-commit", "expired-yesterday", "growth-offer",
)  # fmt: skip
MODES = ("immediate", "manual", "auto", "delay")


async def make(world: World, name: str, **ids: str) -> dict[str, Any]:
    """The ids of a set."""
    made: dict[str, Any] = (await world.post("/sandbox/fixtures", {"set": name, **ids})).ok().body
    return made


async def statuses(world: World, made: dict[str, Any]) -> list[str]:
    """The statuses of a set's orders."""
    return [
        str((await world.read_order(made["customerId"], order_id))["status"])
        for order_id in made["orderIds"]
    ]


@pytest.mark.proves("sandbox.md 3")
@pytest.mark.parametrize("mode", MODES)
async def test_orders(world: World, mode: str) -> None:
    await world.settlement(mode, **({"delaySeconds": 60} if mode == "delay" else {}))
    made = await make(world, "orders")
    assert await statuses(world, made) == ["1000", "1004", "1008"]
    (seats,) = await world.seats(made["customerId"])
    assert made["subscriptionIds"] == [seats["subscriptionId"]]
    assert (seats["status"], seats["currentQuantity"]) == ("1000", 5)
    assert (await world.settle())["settled"] == []


@pytest.mark.parametrize("mode", MODES)
async def test_accounts(world: World, mode: str) -> None:
    await world.settlement(mode)
    alone = await make(world, "reseller")
    assert list(alone) == ["resellerId"]
    made = await make(world, "customer", resellerId=alone["resellerId"])
    assert made["resellerId"] == alone["resellerId"]
    shown = await world.read_customer(made["customerId"])
    assert (shown["status"], shown["resellerId"]) == ("1000", alone["resellerId"])
    reseller = (await world.get(f"/v3/resellers/{alone['resellerId']}")).ok(200)
    assert reseller["status"] == "1000"


async def test_sets_do_not_meet(world: World) -> None:
    made = [await make(world, "default") for _ in range(2)]
    assert made[0]["customerId"] != made[1]["customerId"]
    assert [await statuses(world, one) for one in made] == [["1000", "1004", "1008"]] * 2


async def test_given_customers_are_used(world: World) -> None:
    customer_id = await world.customer()
    made = await make(world, "orders", customerId=customer_id)
    assert made["customerId"] == customer_id
    assert await statuses(world, made) == ["1000", "1004", "1008"]


async def test_coterm_mid_year(world: World) -> None:
    made = await make(world, "coterm-mid-year")
    customer_id = made["customerId"]
    assert (await world.read_customer(customer_id))["cotermDate"] == "2026-01-05"
    (placed,) = made["orderIds"]
    read = await world.read_order(customer_id, placed)
    assert read["creationDate"] == "2025-01-05T18:00:00Z"
    listed = (await world.get(f"/v3/customers/{customer_id}/orders")).ok(200)
    assert listed["totalCount"] == 1
    (seats,) = await world.seats(customer_id)
    assert (seats["currentQuantity"], seats["renewalDate"]) == (10, "2026-01-05")
    offer_id = read["lineItems"][0]["offerId"]
    more = (await world.preview(customer_id, line(offer_id))).ok()
    assert more["lineItems"][0]["proratedDays"] == 182


@pytest.mark.parametrize("mode", MODES)
async def test_expired_yesterday(world: World, mode: str) -> None:
    await world.settlement(mode, **({"delaySeconds": 60} if mode == "delay" else {}))
    made = await make(world, "expired-yesterday")
    customer_id = made["customerId"]
    (seats,) = await world.seats(customer_id)
    assert (seats["status"], seats["renewalDate"]) == ("1004", "2025-07-06")
    assert seats["autoRenewal"]["enabled"] is False
    assert seats["allowedActions"] == ["MANUAL_RENEWAL"]
    assert seats["creationDate"] < seats["renewalDate"]
    (placed,) = made["orderIds"]
    read = await world.read_order(customer_id, placed)
    assert read["creationDate"] == "2024-07-06T00:00:00Z"
    late = {**line(seats["offerId"], 10), "subscriptionId": seats["subscriptionId"]}
    renewed = {"orderType": "RENEWAL", "currencyCode": "USD", "lineItems": [late]}
    (await world.post(f"/v3/customers/{customer_id}/orders", renewed)).ok()
    await world.is_sound()


async def test_expired_yesterday_on_the_day_after_a_leap_day(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2028-03-01T00:00:00Z"})
    made = await make(world, "expired-yesterday")
    (seats,) = await world.seats(made["customerId"])
    assert (seats["status"], seats["renewalDate"]) == ("1004", "2028-02-29")


async def test_growth_offer(world: World) -> None:
    made = await make(world, "growth-offer")
    path = f"/v3/customers/{made['customerId']}/orders"
    preview = (await world.post(path, {"orderType": "PREVIEW_RENEWAL"})).ok()
    listed = [(one["offerId"], one["renewalCode"]) for one in preview["eligibleOffers"]]
    assert listed == [
        ("65324918CA14X12", "MOQ_100"),
        ("65324918CA14Y12", "MOQ_250"),
        ("65324918CA14Z12", "MOQ_500"),
    ]


async def test_returns_window(world: World) -> None:
    made = await make(world, "returns-window")
    customer_id = made["customerId"]
    orders = [await world.read_order(customer_id, one) for one in made["orderIds"]]
    assert [one["creationDate"] for one in orders] == [
        "2025-07-07T18:00:00Z",
        "2025-06-23T18:00:00Z",
        "2025-06-22T18:00:00Z",
    ]
    replies = [await world.give_back(customer_id, one) for one in orders]
    assert [reply.status for reply in replies] == [201, 201, 400]
    replies[2].refused(400, "2117")


async def test_global_customer(world: World) -> None:
    made = await make(world, "global-customer")
    customer_id, deployment_id = made["customerId"], made["deploymentId"]
    assert (await world.read_customer(customer_id))["globalSalesEnabled"] is True
    path = f"/v3/customers/{customer_id}/deployments/{deployment_id}"
    assert (await world.get(path)).ok(200)["status"] == "1000"
    seats = await world.seats(customer_id)
    assert sorted(one.get("deploymentId", "") for one in seats) == ["", deployment_id]


async def test_education_k12(world: World) -> None:
    made = await make(world, "education-k12")
    shown = await world.read_customer(made["customerId"])
    assert shown["companyProfile"]["marketSegment"] == "EDU"
    assert shown["companyProfile"]["marketSubSegments"] == ["K_12"]
    read = await world.read_order(made["customerId"], made["orderIds"][0])
    assert read["lineItems"][0]["offerId"] == "30001772CB01A12"


async def test_three_year_commit(world: World) -> None:
    made = await make(world, "three-year-commit")
    shown = await world.read_customer(made["customerId"])
    (benefit,) = shown["benefits"]
    assert benefit["commitment"] == {
        "startDate": "2025-07-07",
        "endDate": "2028-07-06",
        "status": "COMMITTED",
        "minimumQuantities": [{"offerType": "LICENSE", "quantity": 10}],
    }
    assert (shown["discounts"][0]["level"], shown["cotermDate"]) == ("12", "2026-07-07")
    (seats,) = await world.seats(made["customerId"])
    assert seats["currentQuantity"] == 12
    again = {"set": "three-year-commit", "customerId": made["customerId"]}
    assert (await world.post("/sandbox/fixtures", again)).status == 409


async def test_hvd(world: World) -> None:
    made = await make(world, "hvd")
    shown = await world.read_customer(made["customerId"])
    code = shown["discounts"][0]["discountCode"]
    assert shown["tags"] == ["HVD_MIGRATED_CUSTOMER"]
    assert shown["discounts"][0]["level"] == "14"
    read = await world.read_order(made["customerId"], made["orderIds"][0])
    assert (read["status"], read["lineItems"][0]["discountCode"]) == ("1000", code)


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("mode", ["manual", "delay"])
async def test_stories_are_settled_in_every_mode(world: World, name: str, mode: str) -> None:
    await world.settlement(mode, delaySeconds=3600)
    made = await make(world, name)
    assert set(await statuses(world, made)) == {"1000"}


@pytest.mark.parametrize(
    ("regions", "currencies"),
    [
        (["WE"], {"WE": ["EUR", "GBP"]}),
        (["PA"], {"PA": ["AUD"]}),
        (["JP"], {"JP": ["JPY"]}),
        (["JP", "NA"], {"JP": ["JPY"], "NA": ["USD"]}),
    ],
)
async def test_sets_sell_what_the_contract_covers(
    new_world: MakeWorld, regions: list[str], currencies: dict[str, list[str]]
) -> None:
    world = await new_world(regions=regions, currencies=currencies, marketSegments=["COM"])
    made = await make(world, "orders")
    assert await statuses(world, made) == ["1000", "1004", "1008"]
    await world.is_sound()


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"globalSalesEnabled": False}, "global-customer"),
        ({"marketSegments": ["COM"]}, "education-k12"),
        ({"marketSegments": ["GOV"]}, "hvd"),
        (
            {"regions": ["JP"], "currencies": {"JP": ["JPY"]}, "marketSegments": ["EDU"]},
            "default",
        ),
    ],
)
async def test_sets_the_contract_does_not_allow(
    new_world: MakeWorld, changes: dict[str, Any], name: str
) -> None:
    world = await new_world(**changes)
    reply = await world.post("/sandbox/fixtures", {"set": name})
    assert (reply.status, reply.code) == (409, "409")


async def test_bad_requests(world: World) -> None:
    path = "/sandbox/fixtures"
    (await world.post(path, {})).refused(400, "1122", "set")
    (await world.post(path, {"set": "moon"})).refused(400, "1117", "set")
    (await world.post(path, {"set": "reseller", "foo": 1})).refused(400, "1121", "foo")
    (await world.post(path, {"set": "customer", "resellerId": "1009"})).refused(404, "1115")
    (await world.post(path, {"set": "orders", "customerId": "1009"})).refused(404, "1116")


async def test_new_worlds_come_with_sets(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/sandbox/partners",
        json={"name": "stocked", "fixtures": ["default", "coterm-mid-year"]},
        headers={"X-Admin-Token": ADMIN_TOKEN},
    )
    assert response.status_code == 201
    made = response.json()["fixtures"]
    assert list(made) == ["default", "coterm-mid-year"]
    assert len(made["default"]["orderIds"]) == 3
