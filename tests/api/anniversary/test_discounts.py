"""Flexible discounts on the anniversary, over HTTP (catalog.md 7.2, subscriptions.md 9.1)."""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

FOLIO, FOLIO_PRO, ALL_APPS = "65304479CA01A12", "65324918CA01A12", "11073058CA01A12"
TEN_PERCENT, EASTER = "BLACK_FRIDAY_10_PERCENT_OFF", "EASTER_26"
CLOSED = "H4SQ82RETAINVW6K3MPD7TZ1"


async def opt(world: World, customer: str, **settings: Any) -> None:
    """Change the renewal settings of a customer's only subscription."""
    (held,) = await world.seats(customer)
    path = held["links"]["self"]["uri"]
    (await world.patch(path, {"autoRenewal": {"enabled": True, **settings}})).ok(200)


async def renewal_of(world: World, customer: str) -> dict[str, Any]:
    """The line of the last renewal of a customer, with its price."""
    path = f"/v3/customers/{customer}/orders"
    params = {"order-type": "RENEWAL", "start-date": "2020-01-01", "fetch-price": "true"}
    newest = (await world.get(path, params=params)).ok(200)["items"][0]
    (found,) = newest["lineItems"]
    return dict(found)


async def previewed(world: World, customer: str) -> Reply:
    """PREVIEW_RENEWAL without lines."""
    path = f"/v3/customers/{customer}/orders"
    body = {"orderType": "PREVIEW_RENEWAL"}
    return (await world.post(path, body, params={"fetch-price": "true"})).ok()


def discounts(shown: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["code"], one["result"]) for one in shown.get("flexDiscounts", [])]


def prices(shown: dict[str, Any]) -> tuple[str, str]:
    pricing = shown["pricing"]
    return str(pricing["partnerPrice"]), str(pricing["discountedPartnerPrice"])


@pytest.mark.proves("catalog.md 31")
async def test_a_reusable_discount_comes_back_every_year_until_its_lock_date(
    new_world: MakeWorld,
) -> None:
    world = await new_world(clock={"now": "2026-04-01T12:00:00Z"})
    customer, other = await world.customer(), await world.customer()
    for one in (customer, other):
        (await world.order(one, line(FOLIO, 2, flexDiscountCodes=[EASTER]))).ok()
    await opt(world, other, flexDiscountCodes=["NEW YEAR"])
    (shown,) = (await previewed(world, customer))["lineItems"]
    assert (discounts(shown), prices(shown)) == ([(EASTER, "SUCCESS")], ("263.88", "237.88"))
    await world.at("2027-04-01T00:00:00Z")
    assert discounts(await renewal_of(world, customer)) == [(EASTER, "SUCCESS")]
    # the other chose another one, which has ended by then: that alone counts
    assert discounts(await renewal_of(world, other)) == [("NEW YEAR", "FAILURE")]
    (shown,) = (await previewed(world, customer))["lineItems"]
    assert discounts(shown) == []
    await world.at("2028-04-01T00:00:00Z")
    renewed = await renewal_of(world, customer)
    assert (discounts(renewed), prices(renewed)) == ([], ("263.88", "263.88"))


@pytest.mark.proves("S-118")
async def test_a_chosen_code_is_used_by_the_renewal(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(ALL_APPS, 10))).ok()
    await opt(world, customer, flexDiscountCodes=[TEN_PERCENT])
    (before,) = (await previewed(world, customer))["lineItems"]
    await world.at("2026-07-07T00:00:00Z")
    renewed = await renewal_of(world, customer)
    assert discounts(renewed) == [(TEN_PERCENT, "SUCCESS")]
    assert prices(renewed) == prices(before) == ("365.00", "328.50")
    (held,) = await world.seats(customer)
    assert "flexDiscountCodes" not in held["autoRenewal"]


@pytest.mark.parametrize("mode", ["immediate", "manual"])
async def test_a_one_time_code_chosen_by_two_customers_renews_one(world: World, mode: str) -> None:
    customers = [await world.customer() for _ in range(2)]
    for one in customers:
        (await world.order(one, line(FOLIO_PRO, 10))).ok()
        await opt(world, one, flexDiscountCodes=[CLOSED])
    await world.settlement(mode)
    await world.at("2026-07-07T00:00:00Z")
    await world.settle()
    renewed = [await renewal_of(world, one) for one in customers]
    results = sorted(result for one in renewed for _, result in discounts(one))
    assert results == ["FAILURE", "SUCCESS"]
    assert {one["status"] for one in renewed} == {"1000"}
    coded = line(FOLIO_PRO, 1, flexDiscountCodes=[CLOSED])
    (await world.preview(customers[0], coded)).refused(
        400, "2141", "Line Item: 1, Reason: Invalid Flexible Discount"
    )


async def test_a_use_counts_for_the_subscription_it_fed(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2026-04-01T12:00:00Z"})
    customer = await world.customer(top={"globalSalesEnabled": True})
    place = {"deploymentId": await world.deployment(customer, "CA")}
    ordered = [line(FOLIO, 2, 1), line(FOLIO, 2, 2, **place)]
    (await world.order(customer, *ordered)).ok()
    await world.settlement("manual")
    more = line(FOLIO, 1, flexDiscountCodes=[EASTER])
    (await world.order(customer, more)).ok()
    await world.settle()
    shown = (await previewed(world, customer))["lineItems"]
    assert [discounts(one) for one in shown] == [[(EASTER, "SUCCESS")], []]


async def test_what_was_given_back_does_not_come_back(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2026-04-01T12:00:00Z"})
    customer = await world.customer()
    (await world.order(customer, line(FOLIO, 2))).ok()
    placed = (await world.order(customer, line(FOLIO, 1, flexDiscountCodes=[EASTER]))).ok()
    (await world.give_back(customer, placed)).ok()
    (shown,) = (await previewed(world, customer))["lineItems"]
    assert discounts(shown) == []


@pytest.mark.proves("2141")
async def test_a_late_renewal_with_a_code(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(ALL_APPS, 10))).ok()
    await opt(world, customer, enabled=False)
    await world.at("2026-07-10T12:00:00Z")
    (held,) = await world.seats(customer)

    def asked(code: str, order_type: str) -> dict[str, Any]:
        renewing = {"subscriptionId": held["subscriptionId"], "flexDiscountCodes": [code]}
        return {"orderType": order_type, "lineItems": [line(ALL_APPS, 10, **renewing)]}

    path = f"/v3/customers/{customer}/orders"
    for order_type in ("PREVIEW_RENEWAL", "RENEWAL"):
        for code in ("UPSELL_PROMO_123", "SUMMER_SALE_123", "BLACK_FRIDAY_22_FAILURE_3"):
            refused = await world.post(path, asked(code, order_type))
            refused.refused(400, "2141", "Line Item: 1, Reason: Invalid Flexible Discount")
        (await world.post(path, asked(TEN_PERCENT, order_type))).ok()
    renewed = await renewal_of(world, customer)
    assert (discounts(renewed), prices(renewed)) == (
        [(TEN_PERCENT, "SUCCESS")],
        ("389.00", "350.10"),
    )
