"""Codes on lines: flexible discounts, their older name, and HVD codes (orders.md 2.4, 2.6)."""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A, E, PHOTON = "11073058CA01A12", "80004567EA01A12", "11083117CA01A12"
FOLIO, FOLIO_PRO, ADD_ON = "65304479CA01A12", "65324918CA01A12", "30005893CA01A12"
TEN_PERCENT = "BLACK_FRIDAY_10_PERCENT_OFF"
FAILING = "BLACK_FRIDAY_22_FAILURE_3"
CLOSED = "H4SQ82RETAINVW6K3MPD7TZ1"
INVALID = "Line Item: 1, Reason: Invalid Flexible Discount"
GRANTED = {
    "id": "55555555-5bb8-4476-bd3f-5562299ab3f5",
    "code": TEN_PERCENT,
    "result": "SUCCESS",
}
BOTH = ("PREVIEW", "NEW")


def coded(offer_id: str, *codes: str, number: int = 1, quantity: int = 1) -> dict[str, Any]:
    return line(offer_id, quantity, number, flexDiscountCodes=list(codes))


def units(reply: Reply) -> list[str]:
    """discountedPartnerPrice of each line as printed."""
    return [str(one["pricing"]["discountedPartnerPrice"]) for one in reply["lineItems"]]


async def migrated(world: World, code: str = "HVD_L18_PRE") -> str:
    """A customer of the older program with an HVD code."""
    customer = await world.customer()
    changes = {
        "tags": ["HVD_MIGRATED_CUSTOMER"],
        "discounts": [{"offerType": "LICENSE", "level": "14", "discountCode": code}],
    }
    (await world.patch(f"/sandbox/customers/{customer}", changes)).ok(200)
    return customer


async def charged(world: World, customer: str, placed: Reply) -> Reply:
    """The order with prices."""
    order_id = placed.ok()["orderId"]
    return await world.read_order(customer, order_id, **{"fetch-price": "true"})


@pytest.mark.proves("orders.md 49", "2147", "2146", "2141", "S-091", "S-110", "S-013", "S-106")
@pytest.mark.parametrize("order_type", BOTH)
async def test_codes_that_are_refused(world: World, order_type: str) -> None:
    customer = await world.customer()

    async def ask(*lines: dict[str, Any]) -> Reply:
        return await world.order(customer, *lines, orderType=order_type)

    (await ask(coded(A, TEN_PERCENT, "NEW YEAR"))).refused(400, "2147", "Line Item: 1")
    (await ask(coded(A, "NOPE"))).refused(400, "2146", "Line Item: 1, Reason: NOT_FOUND")
    other = await ask(line(A), coded(FOLIO, TEN_PERCENT, number=3))
    other.refused(400, "2141", "Line Item: 3, Reason: Invalid Flexible Discount")


@pytest.mark.proves("2147", "2146", "2145", "2141")
@pytest.mark.parametrize("order_type", BOTH)
async def test_each_check_runs_over_all_lines_before_the_next(
    world: World, order_type: str
) -> None:
    customer = await world.customer()
    lines = [
        coded(A, FAILING, number=1),
        coded(ADD_ON, TEN_PERCENT, number=2),
        coded(FOLIO, "NOPE", number=3),
        coded(E, "NO", number=4),
        coded(PHOTON, "A", "B", number=5),
        coded(FOLIO_PRO, "GOV_ALLAPPS_7", number=6),
    ]

    async def ask() -> Reply:
        return await world.order(customer, *lines, orderType=order_type)

    (await ask()).refused(400, "2147", "Line Item: 5")
    lines[4]["flexDiscountCodes"] = []
    unknown = [f"Line Item: {number}, Reason: NOT_FOUND" for number in (3, 4)]
    (await ask()).refused(400, "2146", *unknown)
    lines[2]["flexDiscountCodes"] = lines[3]["flexDiscountCodes"] = None
    (await ask()).refused(400, "2145", "Line Item: 2")
    del lines[1]["flexDiscountCodes"]
    mismatch = "Line Item: 6, Reason: MARKET_SEGMENT_MISMATCH"
    (await ask()).refused(400, "2141", INVALID, mismatch)
    lines[0]["flexDiscountCodes"] = [TEN_PERCENT]
    (await ask()).refused(400, "2141", mismatch)
    lines[5]["flexDiscountCodes"] = []
    (await ask()).ok()


@pytest.mark.proves("orders.md 51", "2141", "S-115")
async def test_a_failing_code_and_the_quirk_that_reports_it(world: World) -> None:
    customer = await world.customer()
    for order_type in BOTH:
        refused = await world.order(customer, coded(A, FAILING), orderType=order_type)
        refused.refused(400, "2141", INVALID)
    await world.set(quirks=["preview_reports_failed_codes"])
    quote = await world.preview(customer, coded(A, FAILING), coded(A, TEN_PERCENT, number=2))
    assert units(quote) == ["389.00", "350.10"]
    results = [one["flexDiscounts"][0] for one in quote["lineItems"]]
    assert [(one["code"], one["result"]) for one in results] == [
        (FAILING, "FAILURE"),
        (TEN_PERCENT, "SUCCESS"),
    ]
    (await world.order(customer, coded(A, FAILING))).refused(400, "2141", INVALID)


@pytest.mark.proves("orders.md 52", "S-012")
@pytest.mark.parametrize("order_type", BOTH)
async def test_the_older_name_of_the_field(world: World, order_type: str) -> None:
    customer = await world.customer()
    asked = line(A, 1, 1, promotionCodes=[TEN_PERCENT])
    answer = (await world.order(customer, asked, orderType=order_type)).ok()
    (shown,) = answer["lineItems"]
    assert shown["flexDiscounts"] == [GRANTED]
    assert shown["promotions"] == [{"code": TEN_PERCENT, "result": "SUCCESS"}]
    if order_type == "NEW":
        done = await charged(world, customer, answer)
        assert units(done) == ["350.10"]
        assert done["lineItems"][0]["promotions"] == shown["promotions"]
    newer = await world.order(customer, coded(A, TEN_PERCENT), orderType=order_type)
    assert "promotions" not in newer.ok()["lineItems"][0]


@pytest.mark.proves("orders.md 52", "1121", "S-012")
async def test_the_older_name_beside_the_newer_or_switched_off(world: World) -> None:
    customer = await world.customer()
    both = line(A, 1, 1, promotionCodes=[TEN_PERCENT], flexDiscountCodes=[TEN_PERCENT])
    refused = await world.order(customer, line(A, 1, 2), both)
    refused.refused(400, "1121", "lineItems[1].promotionCodes")
    await world.set(flags={"promotion_codes_alias": False})
    older = await world.order(customer, line(A, 1, 1, promotionCodes=[TEN_PERCENT]))
    older.refused(400, "1121", "lineItems[0].promotionCodes")
    (await world.order(customer, coded(A, TEN_PERCENT))).ok()


@pytest.mark.proves("orders.md 53", "S-010", "S-011", "S-035", "S-091", "S-131", "S-132")
@pytest.mark.parametrize("sent", [None, "", "HVD_L18_PRE", "HVD_L20_POST", "nonsense"])
async def test_a_preview_shows_migrated_customers_their_own_code(
    world: World, sent: str | None
) -> None:
    customer = await migrated(world)
    quote = await world.preview(
        customer, line(E, 2, 1, discountCode=sent), line(FOLIO, 1, 2, discountCode=sent)
    )
    covered, uncovered = quote.ok()["lineItems"]
    assert (covered["discountCode"], covered["offerId"]) == ("HVD_L18_PRE", E)
    assert units(quote) == ["299.99", "234.84"]
    assert covered["pricing"]["proratedPartnerPrice"] == covered["pricing"]["netPartnerPrice"]
    assert "discountCode" not in uncovered
    assert "proratedPartnerPrice" not in uncovered["pricing"]


@pytest.mark.proves("orders.md 53", "5135", "S-010")
async def test_a_new_order_takes_the_own_code_alone(world: World) -> None:
    customer = await migrated(world)
    own = "HVD_L18_PRE"

    async def ask(offer_id: str, code: str) -> Reply:
        return await world.order(customer, line(offer_id, 1, 4, discountCode=code))

    def refused(reply: Reply, reason: str) -> None:
        reply.refused(400, "5135", f"Line Item: 4, Reason: {reason}")

    refused(await ask(E, "HVD_L20_POST"), "CODE_MISMATCH")
    refused(await ask(E, "HVD_L17_PRE"), "CODE_MISMATCH")
    refused(await ask(E, "HVD_L16_PRE"), "NOT_FOUND")
    refused(await ask(E, "HVD_L23_POST"), "NOT_FOUND")
    refused(await ask(E, "HVD_L18PRE"), "NOT_FOUND")
    refused(await ask(FOLIO, own), "OFFER_NOT_COVERED")
    placed = await ask(E, own)
    assert placed.ok()["lineItems"][0]["discountCode"] == own
    done = await charged(world, customer, placed)
    assert str(done["lineItems"][0]["pricing"]["lineItemPrice"]) == "299.99"
    plain = await charged(world, customer, await world.order(customer, line(E)))
    (bought,) = plain["lineItems"]
    assert str(bought["pricing"]["partnerPrice"]) == "359.99"  # the level it named
    assert "discountCode" not in bought


@pytest.mark.proves("orders.md 53", "5135", "S-010", "S-091", "S-106")
@pytest.mark.parametrize("order_type", BOTH)
async def test_codes_of_the_older_program_are_not_for_others(world: World, order_type: str) -> None:
    customer = await world.customer()
    lines = (
        line(E, 1, 1, discountCode="HVD_L18_PRE"),
        line(A, 1, 2),
        line(A, 1, 3, discountCode="nonsense"),
    )
    refused = await world.order(customer, *lines, orderType=order_type)
    refused.refused(
        400,
        "5135",
        "Line Item: 1, Reason: NOT_HVD_CUSTOMER",
        "Line Item: 3, Reason: NOT_FOUND",
    )


@pytest.mark.proves("2144", "5135")
async def test_codes_of_two_kinds_do_not_combine(world: World) -> None:
    own = "HVD_L18_PRE"
    asked = line(E, 1, 1, discountCode=own, flexDiscountCodes=["NON3YC_TERM_5"])
    customer = await migrated(world)
    regular = await world.customer()
    for order_type in BOTH:
        refused = await world.order(customer, asked, orderType=order_type)
        refused.refused(400, "2144", "Line Item: 1")
        refused = await world.order(regular, asked, orderType=order_type)
        refused.refused(400, "5135", "Line Item: 1, Reason: NOT_HVD_CUSTOMER")
    corrected = coded(E, "NON3YC_TERM_5")
    (await world.preview(customer, corrected)).refused(400, "2144", "Line Item: 1")


@pytest.mark.proves("catalog.md 29", "2141")
async def test_an_introductory_price_comes_back_with_a_full_return(world: World) -> None:
    customer = await world.customer()
    asked = coded(PHOTON, "INTRO-PHOTON")
    assert units(await world.preview(customer, asked)) == ["199.99"]
    placed = (await world.order(customer, asked)).ok()
    for order_type in BOTH:
        again = await world.order(customer, asked, orderType=order_type)
        again.refused(400, "2141", INVALID)
    (await world.give_back(customer, placed)).ok()
    assert units(await world.preview(customer, asked)) == ["199.99"]
    (await world.order(customer, asked)).ok()


@pytest.mark.proves("2141")
async def test_two_orders_in_flight_cannot_both_have_the_introductory_price(world: World) -> None:
    customer = await world.customer()
    await world.settlement("manual")
    (await world.order(customer, coded(PHOTON, "INTRO-PHOTON"))).ok()
    second = await world.order(customer, coded(PHOTON, "INTRO-PHOTON"))
    second.refused(400, "2141", INVALID)
    await world.settle()


@pytest.mark.proves("catalog.md 30", "2141")
async def test_a_reusable_code_outlives_its_end_for_those_who_used_it(
    new_world: MakeWorld,
) -> None:
    world = await new_world(clock={"now": "2026-04-01T12:00:00Z"})
    user, other = await world.customer(), await world.customer()
    asked = coded(FOLIO, "EASTER_26")
    (await world.order(user, asked)).ok()
    await world.at("2026-05-01T12:00:00Z")
    done = await charged(world, user, await world.order(user, asked))
    assert str(done["lineItems"][0]["pricing"]["discountedPartnerPrice"]) == "237.88"
    for order_type in BOTH:
        refused = await world.order(other, asked, orderType=order_type)
        refused.refused(400, "2141", INVALID)


@pytest.mark.proves("catalog.md 32", "2141")
async def test_a_one_time_code_is_free_again_when_its_order_fails(world: World) -> None:
    customer, other = await world.customer(), await world.customer()
    asked = coded(FOLIO_PRO, CLOSED)
    failing = {"X-Sandbox-Fault": "order_fails;status=1004"}
    placed = (await world.order(customer, asked, headers=failing)).ok()
    assert (await world.read_order(customer, placed["orderId"]))["status"] == "1004"
    placed = (await world.order(customer, asked)).ok()
    for holder in (customer, other):
        for order_type in BOTH:
            spent = await world.order(holder, asked, orderType=order_type)
            spent.refused(400, "2141", INVALID)
    (await world.give_back(customer, placed)).ok()
    (await world.order(customer, asked)).refused(400, "2141", INVALID)


@pytest.mark.proves("2141")
@pytest.mark.parametrize("order_type", BOTH)
async def test_one_order_cannot_spend_a_one_time_code_twice(world: World, order_type: str) -> None:
    customer = await world.customer()
    lines = (coded(FOLIO_PRO, CLOSED), coded(FOLIO_PRO, CLOSED, number=2))
    refused = await world.order(customer, *lines, orderType=order_type)
    refused.refused(400, "2141", "Line Item: 2, Reason: Invalid Flexible Discount")


@pytest.mark.proves("S-115")
async def test_the_code_stays_on_the_order_and_its_return(world: World) -> None:
    customer = await world.customer()
    placed = (await world.order(customer, coded(A, TEN_PERCENT))).ok()
    assert placed["lineItems"][0]["flexDiscounts"] == [GRANTED]
    done = await world.read_order(customer, placed["orderId"])
    assert done["lineItems"][0]["flexDiscounts"] == [GRANTED]
    credit = (await world.give_back(customer, placed)).ok()
    credited = await world.read_order(customer, credit["orderId"], **{"fetch-price": "true"})
    assert str(credited["lineItems"][0]["pricing"]["lineItemPrice"]) == "350.10"
