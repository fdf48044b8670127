"""What may be bought at all (orders.md 2.3), and which of several refusals answers first."""

from typing import Any

import pytest

from tests.conftest import MakeWorld
from tests.harness import Reply, World, line

pytestmark = pytest.mark.anyio

A = "11073058CA01A12"
E = "80004567EA01A12"
GOV = "30001475CC01A12"
EDU = "30001760CB01A12"
STUDENT_PACK = "30001810CB01A12"  # higher education, at least 100
LAB_PACK = "30001772CB01A12"  # K-12, at least 25
BASE = "65304479CA01A12"
ADD_ON = "30005893CA01A12"
ONCE = "65322450CAT1A12"
CONSUMABLE = "65322435CAT1A12"
GROWTH = "65324918CA14X12"
ENDED = "65322447CA01A12"  # last day of sale 2025-11-30
LEAVING = "65322461CA01A12"  # last day of sale 2025-12-31
COMING = "65331462CA01A12"  # on sale from 2026-02-01, incompatible with LEAVING
EUROPEAN = "11073061CA01A12"
FAILURE_CODE = "BLACK_FRIDAY_22_FAILURE_3"

Lines = list[dict[str, Any]]


def reasons(reason: str, *numbers: int) -> list[str]:
    """Details of lines with a reason."""
    return [f"Line Item: {number}, Reason: {reason}" for number in numbers]


async def both(world: World, customer: str, *lines: dict[str, Any], **more: Any) -> list[Reply]:
    """The same basket as PREVIEW and then as NEW."""
    return [
        await world.order(customer, *lines, orderType=order_type, **more)
        for order_type in ("PREVIEW", "NEW")
    ]


SEGMENTS = [
    pytest.param("COM", GOV, False, marks=pytest.mark.proves("orders.md 28")),
    ("COM", EDU, False),
    ("COM", A, True),
    ("GOV", GOV, True),
    ("GOV", EDU, False),
    ("EDU", EDU, True),
    ("EDU", A, False),
]


@pytest.mark.parametrize(("segment", "offer_id", "fits"), SEGMENTS)
@pytest.mark.proves("2129", "S-089", "S-092", "S-105", "S-106")
async def test_market_segments(world: World, segment: str, offer_id: str, fits: bool) -> None:
    customer = await world.customer(marketSegment=segment)
    for answer in await both(world, customer, line(offer_id, 1, 4)):
        if fits:
            answer.ok()
        else:
            answer.refused(400, "2129", *reasons("INELIGIBLE_MARKET_SEGMENT", 4))


SUB_SEGMENTS: list[Any] = [
    ([], LAB_PACK, 25, False),
    (["HIGHER_ED"], LAB_PACK, 25, False),
    (["K_12"], LAB_PACK, 25, True),
    (["K_12", "HIGHER_ED"], STUDENT_PACK, 100, True),
    ([], EDU, 1, True),
]


@pytest.mark.parametrize(("own", "offer_id", "quantity", "fits"), SUB_SEGMENTS)
@pytest.mark.proves("2129")
async def test_education_packs_need_their_sub_segment(
    world: World, own: list[str], offer_id: str, quantity: int, fits: bool
) -> None:
    customer = await world.customer(marketSegment="EDU")
    if own:
        edit = {"marketSubSegments": own}
        (await world.patch(f"/sandbox/customers/{customer}", edit)).ok(200)
    for answer in await both(world, customer, line(offer_id, quantity)):
        if fits:
            answer.ok()
        else:
            answer.refused(400, "2129", *reasons("INELIGIBLE_MARKET_SEGMENT", 1))


@pytest.mark.parametrize(("offer_id", "least"), [(STUDENT_PACK, 100), (LAB_PACK, 25)])
@pytest.mark.proves("2120")
async def test_minimum_purchase_of_packs(world: World, offer_id: str, least: int) -> None:
    """Judged before the segment: the customer is not even an education one."""
    customer = await world.customer()
    for answer in await both(world, customer, line(offer_id, least - 1, 4)):
        answer.refused(400, "2120", "Line Item: 4")
    for answer in await both(world, customer, line(offer_id, least, 4)):
        answer.refused(400, "2129", *reasons("INELIGIBLE_MARKET_SEGMENT", 4))


@pytest.mark.proves("orders.md 29", "2129")
async def test_add_ons_need_their_base(world: World) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    canada = await world.deployment(customer, "CA")
    alone = reasons("INELIGIBLE_ADD_ON", 1)
    for answer in await both(world, customer, line(ADD_ON)):
        answer.refused(400, "2129", *alone)
    for answer in await both(world, customer, line(ADD_ON), line(A, 1, 2)):
        answer.refused(400, "2129", *alone)
    placed = (await world.order(customer, line(ADD_ON), line(BASE, 1, 2))).ok()
    for answer in await both(world, customer, line(ADD_ON)):
        answer.ok()
    elsewhere = line(ADD_ON, deploymentId=canada)
    for answer in await both(world, customer, elsewhere):
        answer.refused(400, "2129", *alone)
    (await world.order(customer, elsewhere, line(BASE, 1, 2, deploymentId=canada))).ok()
    (await world.give_back(customer, placed, 2)).ok()
    (await world.order(customer, line(ADD_ON))).refused(400, "2129", *alone)


@pytest.mark.proves("2129")
async def test_incompatible_products(new_world: MakeWorld) -> None:
    world = await new_world(clock={"now": "2025-12-31T12:00:00Z"})
    customer, other = await world.customer(), await world.customer()
    (await world.order(customer, line(LEAVING))).ok()
    await world.at("2026-02-01T12:00:00Z")
    for answer in await both(world, customer, line(A), line(COMING, 1, 4)):
        answer.refused(400, "2129", *reasons("INELIGIBLE_SWITCH", 4))
    for answer in await both(world, other, line(A), line(COMING, 1, 4)):
        answer.ok()
    await world.is_sound()


@pytest.mark.proves("orders.md 30", "2129")
async def test_products_limited_to_one_order_a_term(world: World) -> None:
    customer = await world.customer()
    word = "CUSTOMER_NOT_ELIGIBLE_FOR_PURCHASE"
    for answer in await both(world, customer, line(ONCE, 1, 7), line(A), line(ONCE, 1, 3)):
        answer.refused(400, "2129", *reasons(word, 7, 3))
    fault = {"X-Sandbox-Fault": "order_fails;status=1004"}
    (await world.order(customer, line(ONCE), headers=fault)).ok()
    await world.settlement("manual")
    placed = (await world.order(customer, line(ONCE))).ok()
    for answer in await both(world, customer, line(ONCE)):
        answer.refused(400, "2129", *reasons(word, 1))  # still in flight
    await world.settle()
    for answer in await both(world, customer, line(ONCE)):
        answer.refused(400, "2129", *reasons(word, 1))
    (await world.give_back(customer, placed)).ok()
    (await world.order(customer, line(ONCE))).refused(400, "2129", *reasons(word, 1))
    await world.settle()
    for answer in await both(world, customer, line(ONCE)):
        answer.ok()


@pytest.mark.proves("orders.md 23", "2122", "S-031", "S-170")
async def test_unknown_offers_are_listed_together(world: World) -> None:
    customer = await world.customer()
    no_level = A.replace("01A", "05A")
    lines = [line("99999999CA01A12", 1, 1), line(A, 1, 2), line(no_level, 1, 3)]
    for answer in await both(world, customer, *lines):
        answer.refused(400, "2122", "Line Item: 1", "Line Item: 3")


DAYS_OF_SALE = [
    ("2025-12-01T07:59:59Z", ENDED, None),
    ("2025-12-01T08:00:00Z", ENDED, "3123"),
    ("2026-02-01T07:59:59Z", COMING, "2122"),
    ("2026-02-01T08:00:00Z", COMING, None),
]


@pytest.mark.parametrize(("now", "offer_id", "code"), DAYS_OF_SALE)
@pytest.mark.proves("2122", "3123")
async def test_days_of_sale_are_pacific_days(
    new_world: MakeWorld, now: str, offer_id: str, code: str | None
) -> None:
    world = await new_world(clock={"now": now})
    customer = await world.customer()
    for answer in await both(world, customer, line(A), line(offer_id, 1, 4)):
        if code is None:
            answer.ok()
        else:
            answer.refused(400, code, "Line Item: 4")


@pytest.mark.proves("2124")
async def test_programs_the_partner_does_not_sell(new_world: MakeWorld) -> None:
    """After unknown offers, before currencies."""
    world = await new_world(programs=["ENTERPRISE"])
    customer = await world.customer()
    team, foreign = line(A, 1, 4), line(EUROPEAN, 0, 2)
    for answer in await both(world, customer, team, line(E), foreign):
        answer.refused(400, "2124", "Line Item: 4", "Line Item: 2")
    for answer in await both(world, customer, team, line("nothing", 1, 3)):
        answer.refused(400, "2122", "Line Item: 3")
    for answer in await both(world, customer, line(E)):
        answer.ok()


@pytest.mark.proves("4121")
async def test_growth_offers_are_not_sold_yet(world: World) -> None:
    customer = await world.customer()
    for answer in await both(world, customer, line(GROWTH, 100, 4), line(A)):
        answer.refused(403, "4121", "Line Item: 4")


@pytest.mark.proves("5135", "S-010", "S-011", "S-035", "S-091")
async def test_discount_codes_with_their_reasons(world: World) -> None:
    """NEW checks a code, PREVIEW corrects it for the customers that have one (orders.md 2.6)."""
    regular, migrated = await world.customer(), await hvd_customer(world)
    lines = [
        line(E, 1, 4, discountCode="HVD_L18_PRE"),
        line(E, 1, 3, discountCode="HVD_L20_POST"),
        line(A, 1, 2, discountCode="HVD_L18_PRE"),
        line(E, 1, 1, discountCode="HVD_L16_PRE"),
    ]
    refused = [("NOT_HVD_CUSTOMER", 4), ("NOT_HVD_CUSTOMER", 3), ("NOT_HVD_CUSTOMER", 2)]
    details = [one for word, number in refused for one in reasons(word, number)]
    for answer in await both(world, regular, *lines):
        answer.refused(400, "5135", *details, *reasons("NOT_FOUND", 1))
    preview, new = await both(world, migrated, *lines)
    codes = [one.get("discountCode") for one in preview.ok()["lineItems"]]
    assert codes == ["HVD_L18_PRE", "HVD_L18_PRE", None, "HVD_L18_PRE"]
    refused = [("CODE_MISMATCH", 3), ("OFFER_NOT_COVERED", 2), ("NOT_FOUND", 1)]
    details = [one for word, number in refused for one in reasons(word, number)]
    new.refused(400, "5135", *details)
    placed = (await world.order(migrated, lines[0])).ok()
    assert placed["lineItems"][0]["discountCode"] == "HVD_L18_PRE"


@pytest.mark.proves("2144")
async def test_discounts_do_not_combine(world: World) -> None:
    """Before the code itself is judged; a PREVIEW's line has the code even if none was sent."""
    customer = await hvd_customer(world)
    flex = {"flexDiscountCodes": ["SUMMER_SALE_123"]}
    lines = [line(E, 1, 4, discountCode="HVD_L18_PRE", **flex), line(A, 1, 2, **flex)]
    for answer in await both(world, customer, *lines):
        answer.refused(400, "2144", "Line Item: 4")
    (await world.preview(customer, line(E, 1, 4, **flex))).refused(400, "2144", "Line Item: 4")


@pytest.mark.proves("1121", "S-012")
async def test_the_alias_of_flexible_discounts_can_be_switched_off(world: World) -> None:
    customer = await world.customer()
    code = "BLACK_FRIDAY_10_PERCENT_OFF"
    sent = line(A, promotionCodes=[code], flexDiscountCodes=[])
    for answer in await both(world, customer, sent):
        assert answer.ok()["lineItems"][0]["promotions"] == [{"code": code, "result": "SUCCESS"}]
    await world.set(flags={"promotion_codes_alias": False})
    for answer in await both(world, customer, line(A, 1, 4), sent):
        answer.refused(400, "1121", "lineItems[1].promotionCodes")


async def hvd_customer(world: World) -> str:
    """A customer migrated from the older program."""
    customer = await world.customer()
    discount = {"offerType": "LICENSE", "level": "14", "discountCode": "HVD_L18_PRE"}
    edit = {"tags": ["HVD_MIGRATED_CUSTOMER"], "discounts": [discount]}
    (await world.patch(f"/sandbox/customers/{customer}", edit)).ok(200)
    return customer


@pytest.mark.proves("5122")
async def test_nothing_is_sold_from_the_anniversary_until_its_run(world: World) -> None:
    customer = await world.customer()
    (await world.order(customer, line(A))).ok()
    closed = "Order placement not allowed before anniversary"
    await world.at("2026-07-06T23:59:59Z")
    for answer in await both(world, customer, line(A)):
        answer.ok()
    await world.settlement("manual")  # the run has begun and is held
    await world.at("2026-07-07T00:00:00Z")
    unknown = line("nothing", deploymentId="1400000000")
    for answer in await both(world, customer, unknown):
        answer.refused(400, "5122", closed)
    (await world.settle()).ok(200)
    for answer in await both(world, customer, line(A)):
        answer.ok()


@pytest.mark.proves("5122")
async def test_a_blackout_closes_the_days_before_the_anniversary(new_world: MakeWorld) -> None:
    """`order_blackout_hours` counts Pacific days before the anniversary (orders.md 2.7)."""
    world = await new_world(
        clock={"now": "2025-07-07T18:00:00Z"}, flags={"order_blackout_hours": 48}
    )
    customer = await world.customer()
    placed = (await world.order(customer, line(A))).ok()
    await world.at("2026-07-05T06:59:59Z")
    for answer in await both(world, customer, line(A)):
        answer.ok()
    await world.at("2026-07-05T07:00:00Z")
    for answer in await both(world, customer, line(A)):
        answer.refused(400, "5122", "Order placement not allowed before anniversary")
    (await world.give_back(customer, placed)).refused(400, "2117")


# The faults of lines in the order of their checks: code, HTTP status, reason, lines that have it.
# Deployments are named by country.
LADDER: list[tuple[str, int, str | None, Lines]] = [
    ("2138", 404, None, [line(A, deploymentId="1400000000")]),
    ("2139", 400, None, [line(A, deploymentId="JP")]),
    ("2122", 400, None, [line("nothing")]),
    ("3123", 400, None, [line(ENDED)]),
    ("2125", 400, None, [line(E, currencyCode="EUR")]),
    ("2128", 400, None, [line(EUROPEAN)]),
    (
        "2137",
        400,
        None,
        [line(EUROPEAN, deploymentId="DE", currencyCode=one) for one in ("EUR", "GBP")],
    ),
    ("2120", 400, None, [line(A, 0)]),
    ("2129", 400, "INELIGIBLE_MARKET_SEGMENT", [line(GOV)]),
    ("2129", 400, "INELIGIBLE_ADD_ON", [line(ADD_ON)]),
    ("2129", 400, "INELIGIBLE_SWITCH", [line(COMING)]),
    ("2129", 400, "CUSTOMER_NOT_ELIGIBLE_FOR_PURCHASE", [line(ONCE)]),
    ("4121", 403, None, [line(GROWTH)]),
    ("2129", 400, "INELIGIBLE_DISCOUNT_LEVEL", [line(A.replace("01A", "04A"))]),
    ("5135", 400, "NOT_HVD_CUSTOMER", [line(A, discountCode="HVD_L18_PRE")]),
    ("2147", 400, None, [line(A, flexDiscountCodes=["NOPE", FAILURE_CODE])]),
    ("2146", 400, "NOT_FOUND", [line(A, flexDiscountCodes=["NOPE"])]),
    ("2145", 400, None, [line(CONSUMABLE, flexDiscountCodes=["BLACK_FRIDAY_10_PERCENT_OFF"])]),
    ("2141", 400, "Invalid Flexible Discount", [line(A, flexDiscountCodes=[FAILURE_CODE])]),
    ("3117", 400, None, [line(CONSUMABLE, 2)]),
]
NAMES = [reason or code for code, _, reason, _ in LADDER]


async def ladder_customer(world: World) -> tuple[str, dict[str, str]]:
    """A customer every fault of the ladder is one for, in a world of February 2026."""
    customer = await world.customer(top={"globalSalesEnabled": True})
    places = {country: await world.deployment(customer, country) for country in ("JP", "DE")}
    held = [line(LEAVING), line(ONCE, 1, 2), line(CONSUMABLE, 199_999, 3)]
    (await world.order(customer, *held)).ok()
    await world.set(regions=["NA", "WE"])
    await world.at("2026-02-10T12:00:00Z")
    return customer, places


@pytest.mark.parametrize("first", range(len(LADDER)), ids=NAMES)
@pytest.mark.proves(
    "orders.md 22", "2120", "2122", "2125", "2128", "2129", "2137", "2138", "2139", "2141",
    "2145", "2146", "2147", "3117", "3123", "4121", "5135", "S-010", "S-091", "S-092", "S-106",
)  # fmt: skip
async def test_the_first_check_answers_with_all_its_lines(new_world: MakeWorld, first: int) -> None:
    """The basket has the fault of check `first` twice and around it every later one once."""
    world = await new_world(clock={"now": "2025-12-15T12:00:00Z"})
    customer, places = await ladder_customer(world)
    code, status, reason, faulty = LADDER[first]
    later = [one for _, _, _, lines in reversed(LADDER[first + 1 :]) for one in lines]
    lines = [
        {"currencyCode": "USD", **one, "extLineItemNumber": 100 - position}
        for position, one in enumerate([*faulty, *later, *faulty])
    ]
    for one in lines:
        if "deploymentId" in one:
            one["deploymentId"] = places.get(one["deploymentId"], one["deploymentId"])
    bad = [one["extLineItemNumber"] for one in (*lines[: len(faulty)], *lines[-len(faulty) :])]
    details = [f"Line Item: {n}" + (f", Reason: {reason}" if reason else "") for n in bad]
    for order_type in ("PREVIEW", "NEW"):
        if reason == "INELIGIBLE_DISCOUNT_LEVEL" and order_type == "PREVIEW":
            continue  # corrected there (orders.md 3.3)
        sent = await world.order(customer, *lines, orderType=order_type, currencyCode=None)
        sent.refused(status, code, *details)
    assert (await world.get(f"/v3/customers/{customer}/orders"))["totalCount"] == 1
    await world.is_sound()
