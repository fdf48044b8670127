"""Direct edits and their effects; worlds are checked for soundness afterwards (sandbox.md 3)."""

from typing import Any

import pytest

from tests.accounts import ask, benefit, commit
from tests.conftest import MakeWorld
from tests.harness import World, line

pytestmark = pytest.mark.anyio

A = "11073058CA01A12"
B = "69804578CA01A12"


async def held(world: World, *, quantity: int = 10) -> tuple[str, str, str]:
    """Customer, completed order and its subscription."""
    customer_id = await world.customer()
    placed = (await world.order(customer_id, line(A, quantity))).ok()
    (seats,) = await world.seats(customer_id)
    return customer_id, str(placed["orderId"]), str(seats["subscriptionId"])


async def edit_order(world: World, customer_id: str, order_id: str, **fields: Any) -> Any:
    """A direct edit of an order; not asserted."""
    return await world.patch(f"/sandbox/customers/{customer_id}/orders/{order_id}", fields)


async def edit_seats(world: World, customer_id: str, subscription_id: str, **fields: Any) -> Any:
    """A direct edit of a subscription; not asserted."""
    path = f"/sandbox/customers/{customer_id}/subscriptions/{subscription_id}"
    return await world.patch(path, fields)


@pytest.mark.proves("sandbox.md 3")
async def test_seats_that_reach_an_accepted_minimum_commit_the_customer(world: World) -> None:
    customer_id, _, subscription_id = await held(world, quantity=5)
    (await ask(world, customer_id, commit(("LICENSE", 10)))).ok(200)
    (await world.three_year_commit(customer_id, "accept")).ok(200)
    await edit_seats(world, customer_id, subscription_id, currentQuantity=9)
    shown = await benefit(world, customer_id)
    assert (shown["commitment"], shown["commitmentRequest"]["status"]) == (None, "ACCEPTED")
    (await edit_seats(world, customer_id, subscription_id, currentQuantity=10)).ok(200)
    shown = await benefit(world, customer_id)
    assert (shown["commitment"]["status"], shown["commitmentRequest"]) == ("COMMITTED", None)
    assert (await world.read_customer(customer_id))["discounts"][0]["level"] == "12"
    (await edit_seats(world, customer_id, subscription_id, currentQuantity=2)).ok(200)
    assert (await benefit(world, customer_id))["commitment"]["status"] == "COMMITTED"


async def test_reseller_status(world: World) -> None:
    reseller_id = await world.reseller()
    customer_id = await world.customer(reseller_id)
    for status in ("1004", "1010", "1012", "1000"):
        path = f"/sandbox/resellers/{reseller_id}"
        shown = (await world.patch(path, {"status": status})).ok(200)
        assert shown["status"] == status
        assert shown.body == (await world.get(f"/v3/resellers/{reseller_id}")).ok(200).body
    (await world.patch(f"/sandbox/resellers/{reseller_id}", {"status": "1004"})).ok(200)
    placed = (await world.order(customer_id, line(A))).ok()
    assert (await world.read_order(customer_id, placed["orderId"]))["status"] == "1022"


async def test_a_pending_reseller_is_validated_by_hand(world: World) -> None:
    await world.settlement("manual")
    reseller_id = await world.reseller()
    (await world.patch(f"/sandbox/resellers/{reseller_id}", {"status": "1010"})).ok(200)
    await world.settle()
    assert (await world.get(f"/v3/resellers/{reseller_id}"))["status"] == "1010"


@pytest.mark.parametrize("status", ["1004", "1010", "1012", "1014"])
async def test_waiting_orders_fail_with_their_customer(world: World, status: str) -> None:
    customer_id = await world.customer()
    await world.settlement("manual")
    placed = (await world.order(customer_id, line(A))).ok()
    shown = (await world.patch(f"/sandbox/customers/{customer_id}", {"status": status})).ok(200)
    assert shown["status"] == status
    read = await world.read_order(customer_id, placed["orderId"])
    assert read["status"] == "1024"
    assert read["lineItems"][0]["status"] == "1024"
    assert await world.seats(customer_id) == []


async def test_the_anniversary_takes_coterm_subscriptions_along(world: World) -> None:
    customer_id, _, subscription_id = await held(world)
    path = f"/sandbox/customers/{customer_id}"
    shown = (await world.patch(path, {"cotermDate": "2025-12-31"})).ok(200)
    assert shown["cotermDate"] == "2025-12-31"
    (seats,) = await world.seats(customer_id)
    assert (seats["subscriptionId"], seats["renewalDate"]) == (subscription_id, "2025-12-31")


async def test_customer_fields(world: World) -> None:
    customer_id = await world.customer(marketSegment="EDU")
    body = {
        "marketSubSegments": ["K_12"],
        "tags": ["HVD_MIGRATED_CUSTOMER"],
        "discounts": [
            {"offerType": "LICENSE", "level": "14", "discountCode": "HVD_L18_PRE"},
            {"offerType": "CONSUMABLES", "level": "TC"},
        ],
    }
    path = f"/sandbox/customers/{customer_id}"
    shown = (await world.patch(path, body)).ok(200)
    assert shown["companyProfile"]["marketSubSegments"] == ["K_12"]
    assert shown["tags"] == body["tags"]
    assert shown["discounts"] == body["discounts"]
    assert shown.body == (await world.read_customer(customer_id)).body
    without = [{"offerType": "LICENSE", "discountCode": None}]
    shown = (await world.patch(path, {"discounts": without, "tags": []})).ok(200)
    assert shown["discounts"][0] == {"offerType": "LICENSE", "level": "14"}
    assert shown["tags"] == []


@pytest.mark.proves("1139", "1142")
async def test_global_sales(new_world: MakeWorld) -> None:
    world = await new_world(globalSalesEnabled=False)
    customer_id = await world.customer()
    path = f"/sandbox/customers/{customer_id}"
    (await world.patch(path, {"globalSalesEnabled": True})).refused(400, "1139")
    forced = (await world.patch(path, {"globalSalesEnabled": True, "force": True})).ok(200)
    assert forced["globalSalesEnabled"] is True
    assert (await world.patch(path, {"globalSalesEnabled": False}))["globalSalesEnabled"] is False
    await world.set(globalSalesEnabled=True)
    assert (await world.patch(path, {"globalSalesEnabled": True}))["globalSalesEnabled"] is True
    school = await world.customer(marketSegment="EDU")
    reply = await world.patch(f"/sandbox/customers/{school}", {"globalSalesEnabled": True})
    reply.refused(400, "1142")


async def test_settling_one_order_by_hand(world: World) -> None:
    customer_id = await world.customer()
    await world.settlement("manual")
    waiting = (await world.order(customer_id, line(A, 2))).ok()
    placed = (await world.order(customer_id, line(A, 5))).ok()
    shown = (await edit_order(world, customer_id, placed["orderId"], status="1000")).ok(200)
    assert shown["status"] == "1000"
    assert shown.body == (await world.read_order(customer_id, placed["orderId"])).body
    assert (await world.read_order(customer_id, waiting["orderId"]))["status"] == "1002"
    assert [one["currentQuantity"] for one in await world.seats(customer_id)] == [5]
    assert (await world.read_customer(customer_id))["cotermDate"] == "2026-07-07"
    events = (await world.get("/sandbox/events", params={"kind": "order_completed"})).ok(200)
    assert [one["orderId"] for one in events["items"]] == [placed["orderId"]]


@pytest.mark.parametrize("status", ["1004", "1020", "1022", "1024", "1026"])
async def test_failing_one_order_by_hand(world: World, status: str) -> None:
    customer_id = await world.customer()
    await world.settlement("manual")
    placed = (await world.order(customer_id, line(A))).ok()
    shown = (await edit_order(world, customer_id, placed["orderId"], status=status)).ok(200)
    assert (shown["status"], shown["lineItems"][0]["status"]) == (status, status)
    assert (await world.settle())["settled"] == []
    assert await world.seats(customer_id) == []


async def test_a_failed_order_gives_its_discount_up(world: World) -> None:
    customer_id = await world.customer()
    await world.settlement("manual")
    intro = line("11083117CA01A12", flexDiscountCodes=["INTRO-PHOTON"])
    first = (await world.order(customer_id, intro)).ok()
    assert (await world.order(customer_id, intro)).code == "2141"
    (await edit_order(world, customer_id, first["orderId"], status="1004")).ok(200)
    (await world.order(customer_id, intro)).ok()


async def test_giving_an_order_back_by_hand(world: World) -> None:
    customer_id, order_id, _ = await held(world)
    await world.at("2025-12-01T00:00:00Z")
    shown = (await edit_order(world, customer_id, order_id, status="1008")).ok(200)
    assert (shown["status"], shown["lineItems"][0]["status"]) == ("1008", "1008")
    (seats,) = await world.seats(customer_id)
    assert (seats["status"], seats["currentQuantity"]) == ("1004", 0)
    query = {"order-type": "RETURN", "fetch-price": "true"}
    history = (await world.get(f"/v3/customers/{customer_id}/orders", params=query)).ok(200)
    (credit,) = history["items"]
    assert (credit["status"], credit["source"]) == ("1000", "System")
    assert credit["referenceOrderId"] == order_id
    priced = await world.read_order(customer_id, order_id, **{"fetch-price": "true"})
    assert credit["pricingSummary"] == priced["pricingSummary"]


async def test_giving_back_takes_only_the_lines_that_are_left(world: World) -> None:
    customer_id = await world.customer()
    placed = (await world.order(customer_id, line(A, 2, 1), line(B, 3, 2))).ok()
    (await world.give_back(customer_id, placed, 1)).ok()
    (await edit_order(world, customer_id, placed["orderId"], status="1008")).ok(200)
    assert [one["currentQuantity"] for one in await world.seats(customer_id)] == [0, 0]


@pytest.mark.parametrize(
    ("prepare", "status"),
    [(None, "1004"), (None, "1022"), ("1008", "1000"), ("1008", "1004")],
)
@pytest.mark.proves("409")
async def test_other_changes_of_status_need_force(
    world: World, prepare: str | None, status: str
) -> None:
    customer_id, order_id, _ = await held(world)
    if prepare is not None:
        (await edit_order(world, customer_id, order_id, status=prepare)).ok(200)
    before = await world.seats(customer_id)
    reply = await edit_order(world, customer_id, order_id, status=status)
    assert (reply.status, reply.code) == (409, "409")
    assert (await world.read_order(customer_id, order_id))["status"] == (prepare or "1000")
    if prepare is None:
        forced = await edit_order(world, customer_id, order_id, status=status, force=True)
        assert forced.ok(200)["status"] == status
        assert await world.seats(customer_id) == before


async def test_an_order_edited_by_force_has_no_effects_any_more(world: World) -> None:
    customer_id = await world.customer()
    await world.settlement("manual")
    placed = (await world.order(customer_id, line(A))).ok()
    order_id = placed["orderId"]
    (await edit_order(world, customer_id, order_id, status="1008", force=True)).ok(200)
    (await edit_order(world, customer_id, order_id, status="1000", force=True)).ok(200)
    assert (await edit_order(world, customer_id, order_id, status="1008")).status == 409
    assert await world.seats(customer_id) == []


async def test_the_present_status_changes_nothing(world: World) -> None:
    customer_id, order_id, _ = await held(world)
    (await edit_order(world, customer_id, order_id, status="1000")).ok(200)
    assert len(await world.seats(customer_id)) == 1


async def test_a_credit_settles_and_fails_by_hand(world: World) -> None:
    customer_id = await world.customer()
    placed = (await world.order(customer_id, line(A, 2, 1), line(B, 3, 2))).ok()
    await world.settlement("manual")
    refused = (await world.give_back(customer_id, placed, 1)).ok()
    granted = (await world.give_back(customer_id, placed, 2)).ok()
    assert (await edit_order(world, customer_id, refused["orderId"], status="1022")).status == 409
    (await edit_order(world, customer_id, refused["orderId"], status="1004")).ok(200)
    (await edit_order(world, customer_id, granted["orderId"], status="1000")).ok(200)
    read = await world.read_order(customer_id, placed["orderId"])
    assert [one["status"] for one in read["lineItems"]] == ["1000", "1008"]


async def test_an_order_with_a_waiting_credit_is_not_given_back_again(world: World) -> None:
    customer_id, order_id, _ = await held(world)
    placed = await world.read_order(customer_id, order_id)
    await world.settlement("manual")
    (await world.give_back(customer_id, placed)).ok()
    assert (await edit_order(world, customer_id, order_id, status="1008")).status == 409
    await world.settle()
    assert (await world.read_order(customer_id, order_id))["status"] == "1008"


async def test_seats_that_are_gone_are_not_given_back(world: World) -> None:
    customer_id, order_id, subscription_id = await held(world)
    placed = await world.read_order(customer_id, order_id)
    await world.settlement("manual")
    credit = (await world.give_back(customer_id, placed)).ok()
    (await edit_seats(world, customer_id, subscription_id, currentQuantity=9)).ok(200)
    assert (await edit_order(world, customer_id, credit["orderId"], status="1000")).status == 409
    await world.settle()
    assert (await world.read_order(customer_id, credit["orderId"]))["status"] == "1004"
    assert (await edit_order(world, customer_id, order_id, status="1008")).status == 409


@pytest.mark.proves("sandbox.md 17", "2117")
async def test_creation_date_moves_the_return_window(world: World) -> None:
    customer_id, order_id, _ = await held(world)
    placed = await world.read_order(customer_id, order_id)
    late = "2025-06-22T10:00:00Z"
    shown = (await edit_order(world, customer_id, order_id, creationDate=late)).ok(200)
    assert shown["creationDate"] == late
    (await world.give_back(customer_id, placed)).refused(400, "2117")
    (await edit_order(world, customer_id, order_id, creationDate="2025-06-23T10:00:00Z")).ok(200)
    (await world.give_back(customer_id, placed)).ok()


async def test_what_began_with_an_order_moves_along(world: World) -> None:
    customer_id, order_id, _ = await held(world)
    more = (await world.order(customer_id, line(A))).ok()
    young = (await world.read_customer(customer_id))["creationDate"]

    async def born() -> list[str]:
        (seats,) = await world.seats(customer_id)
        return [seats["creationDate"], (await world.read_customer(customer_id))["creationDate"]]

    assert await born() == [young, young]
    later, earlier = "2025-07-08T10:00:00Z", "2025-03-01T10:00:00Z"
    (await edit_order(world, customer_id, more["orderId"], creationDate=later)).ok(200)
    assert await born() == [young, young]
    (await edit_order(world, customer_id, order_id, creationDate=earlier)).ok(200)
    assert await born() == [earlier, earlier]


async def test_a_moved_order_stays_in_the_history_of_its_term(world: World) -> None:
    customer_id, order_id, _ = await held(world)
    moved = await edit_order(world, customer_id, order_id, creationDate="2025-03-01T00:00:00Z")
    moved.ok(200)
    listed = (await world.get(f"/v3/customers/{customer_id}/orders")).ok(200)
    assert [one["orderId"] for one in listed["items"]] == [order_id]


async def test_subscription_fields(world: World) -> None:
    customer_id, _, subscription_id = await held(world)
    shown = await edit_seats(
        world,
        customer_id,
        subscription_id,
        autoRenewal={"enabled": False, "renewalQuantity": 5},
        currentQuantity=12,
        usedQuantity=4,
    )
    shown.ok(200)
    assert shown["autoRenewal"] == {"enabled": False, "renewalQuantity": 5}
    assert (shown["currentQuantity"], shown["usedQuantity"]) == (12, 4)
    path = f"/v3/customers/{customer_id}/subscriptions/{subscription_id}"
    assert shown.body == (await world.get(path)).ok(200).body
    fewer = await edit_seats(world, customer_id, subscription_id, currentQuantity=3)
    assert (fewer["currentQuantity"], fewer["usedQuantity"]) == (3, 3)
    implicit = {"enabled": True}
    renewing = await edit_seats(world, customer_id, subscription_id, autoRenewal=implicit)
    assert renewing["autoRenewal"] == {"enabled": True, "renewalQuantity": 3}
    more = {"renewalQuantity": 8}
    explicit = await edit_seats(world, customer_id, subscription_id, autoRenewal=more)
    assert explicit["autoRenewal"] == {"enabled": True, "renewalQuantity": 8}
    everything = {"renewalQuantity": None}
    back = await edit_seats(world, customer_id, subscription_id, autoRenewal=everything)
    assert back["autoRenewal"] == {"enabled": True, "renewalQuantity": 3}


async def test_edited_seats_take_part_in_what_follows(world: World) -> None:
    customer_id, order_id, subscription_id = await held(world)
    (await edit_seats(world, customer_id, subscription_id, currentQuantity=25)).ok(200)
    (await world.order(customer_id, line(A, 5))).ok()
    assert [one["currentQuantity"] for one in await world.seats(customer_id)] == [30]
    placed = await world.read_order(customer_id, order_id)
    (await world.give_back(customer_id, placed)).ok()
    assert [one["currentQuantity"] for one in await world.seats(customer_id)] == [20]


async def test_an_inactive_subscription_frees_its_place(world: World) -> None:
    customer_id, _, subscription_id = await held(world)
    (await edit_seats(world, customer_id, subscription_id, status="1004")).ok(200)
    (await world.order(customer_id, line(A, 2))).ok()
    quantities = [one["currentQuantity"] for one in await world.seats(customer_id)]
    assert sorted(quantities) == [2, 10]
    reopened = await edit_seats(world, customer_id, subscription_id, status="1000")
    assert (reopened.status, reopened.code) == (409, "409")


@pytest.mark.parametrize(
    "fields",
    [
        {"currentQuantity": 0},
        {"usedQuantity": 11},
        {"renewalDate": "2026-02-10"},
        {"status": "1009"},
    ],
)
async def test_edits_that_could_not_exist(world: World, fields: dict[str, Any]) -> None:
    customer_id, _, subscription_id = await held(world)
    before = await world.seats(customer_id)
    reply = await edit_seats(world, customer_id, subscription_id, **fields)
    assert (reply.status, reply.code) == (409, "409")
    assert await world.seats(customer_id) == before


async def test_an_expired_subscription_keeps_its_date(world: World) -> None:
    customer_id, _, subscription_id = await held(world)
    fields = {"status": "1004", "renewalDate": "2025-07-01"}
    shown = (await edit_seats(world, customer_id, subscription_id, **fields)).ok(200)
    assert (shown["status"], shown["renewalDate"]) == ("1004", "2025-07-01")
    assert shown["currentQuantity"] == 10


@pytest.mark.proves("1115", "1116", "2115", "3115")
async def test_unknown_objects(world: World, new_world: MakeWorld) -> None:
    customer_id, order_id, subscription_id = await held(world)
    (await world.patch("/sandbox/resellers/1000099999", {})).refused(404, "1115")
    (await world.patch("/sandbox/customers/1000099999", {})).refused(404, "1116")
    (await edit_order(world, "1000099999", order_id)).refused(404, "2115")
    (await edit_order(world, customer_id, "920000009999")).refused(404, "2115")
    (await edit_seats(world, customer_id, "0" * 30 + "NA")).refused(404, "3115")
    other = await new_world()
    (await other.patch(f"/sandbox/customers/{customer_id}", {})).refused(404, "1116")
    (await edit_order(other, customer_id, order_id)).refused(404, "2115")
    (await edit_seats(other, customer_id, subscription_id)).refused(404, "3115")


@pytest.mark.parametrize(
    ("where", "body", "code", "details"),
    [
        ("reseller", {"status": "1014"}, "1117", ["status"]),
        ("reseller", {"foo": 1}, "1121", ["foo"]),
        ("customer", {"status": "1002"}, "1117", ["status"]),
        ("customer", {"cotermDate": "2026-02-30"}, "1117", ["cotermDate"]),
        ("customer", {"cotermDate": "2026-02-10T00:00:00Z"}, "1117", ["cotermDate"]),
        ("customer", {"cotermDate": "0001-01-01"}, "1117", ["cotermDate"]),
        ("customer", {"marketSubSegments": ["PRIMARY"]}, "1117", ["marketSubSegments[0]"]),
        (
            "customer",
            {"discounts": [{"offerType": "LICENSE", "level": "T1"}, {"offerType": "CONSUMABLES",
             "level": "T9", "discountCode": "X"}]},
            "1117",
            ["discounts[0].level", "discounts[1].level", "discounts[1].discountCode"],
        ),
        ("customer", {"discounts": [{"level": "01"}]}, "1122", ["discounts[0].offerType"]),
        ("order", {"status": "1002"}, "1117", ["status"]),
        ("order", {"creationDate": "yesterday"}, "1117", ["creationDate"]),
        ("subscription", {"currentQuantity": -1}, "1117", ["currentQuantity"]),
        ("subscription", {"status": "1008"}, "1117", ["status"]),
        ("subscription", {"autoRenewal": {"enabled": "no"}}, "1117", ["autoRenewal.enabled"]),
        ("subscription", {"renewalDate": "10.02.2026"}, "1117", ["renewalDate"]),
    ],
)  # fmt: skip
async def test_bad_edits(
    world: World, where: str, body: dict[str, Any], code: str, details: list[str]
) -> None:
    reseller_id = await world.reseller()
    customer_id = await world.customer(reseller_id)
    placed = (await world.order(customer_id, line(A))).ok()
    (seats,) = await world.seats(customer_id)
    customer_path = f"/sandbox/customers/{customer_id}"
    path = {
        "reseller": f"/sandbox/resellers/{reseller_id}",
        "customer": customer_path,
        "order": f"{customer_path}/orders/{placed['orderId']}",
        "subscription": f"{customer_path}/subscriptions/{seats['subscriptionId']}",
    }[where]
    (await world.patch(path, body)).refused(400, code, *details)
