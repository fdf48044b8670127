"""Flexible discounts of what renews by itself (catalog.md 7.2-7.4, orders.md 6.1)."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.discounts import FlexDiscount, FlexDiscounts
from seatledger.domain.model import FlexResult, OrderLine, Redemption, Subscription
from seatledger.domain.orders.renewal import plan_renewal
from tests import samples
from tests.renewals import AD, account, deployment, expired, held, plan, renewing, scheduled
from tests.renewals import refusal as refused_late
from tests.renewals import sold as sold_late
from tests.samples import at

FOLIO, ALL_APPS, PHOTON = "65304479CA01A12", "11073058CA01A12", "11083117CA01A12"
SUITE, CLASSIC, ADD_ON = "80004567EA01A12", "65322447CA01A12", "30005893CA01A12"
FOLIO_PRO = "65324918CA01A12"
TEN_PERCENT, EASTER = "BLACK_FRIDAY_10_PERCENT_OFF", "EASTER_26"
CLOSED = "H4SQ82RETAINVW6K3MPD7TZ1"


def opted(offer_id: str, code: str, quantity: int = 10, **changes: Any) -> Subscription:
    return held(offer_id, quantity, flex_codes=(code,), **changes)


def sample(code: str, **changes: Any) -> FlexDiscount:
    return replace(samples.discounts().with_code(code)[0], **changes)


def results(*subscriptions: Subscription, **facts: Any) -> list[tuple[FlexResult, ...]]:
    return [one.flex for one in plan(*subscriptions, **facts).lines]


def outcome(*subscriptions: Subscription, **facts: Any) -> list[tuple[str, str]]:
    """Code and result of every line that shows one."""
    return [(flex.code, flex.result) for line in results(*subscriptions, **facts) for flex in line]


def fed(seats: Subscription, code: str, when: str, **changes: Any) -> Redemption:
    """A use of a code by an order that fed a subscription."""
    return samples.redemption(
        code, when, seats.product_key, subscription_id=seats.subscription_id, **changes
    )


def prices(line: OrderLine) -> tuple[Decimal, Decimal]:
    assert line.price is not None
    return line.price.partner_price, line.price.unit_price


@pytest.mark.proves("S-118")
def test_a_chosen_code_renews_at_its_price() -> None:
    (line,) = plan(opted(ALL_APPS, TEN_PERCENT)).lines
    (discount,) = samples.discounts().with_code(TEN_PERCENT)
    assert line.flex == (FlexResult(discount.id, TEN_PERCENT, "SUCCESS"),)
    assert prices(line) == (Decimal("365.00"), Decimal("328.50"))


@pytest.mark.proves("subscriptions.md 17")
@pytest.mark.parametrize(
    "seats",
    [
        opted(FOLIO, "NOPE"),
        opted(FOLIO, "BLACK_FRIDAY_22_FAILURE_3"),
        opted(FOLIO, TEN_PERCENT),  # another product's
        opted(FOLIO, "GOV_ALLAPPS_7"),
        opted(SUITE, "WINTER_SALE_123"),  # begins in December
        opted(FOLIO, EASTER),  # has ended, and was never used
        opted(FOLIO, "UPSELL_PROMO_123"),  # for switches
        opted(PHOTON, "INTRO-PHOTON"),
        opted(FOLIO, "NEW3YC_FULL_TERM_18"),
        opted(ADD_ON, "NEW YEAR"),
    ],
)
def test_a_code_that_does_not_qualify_renews_at_the_full_price(seats: Subscription) -> None:
    lines = plan(held(FOLIO, 10, subscription_id="SBASE"), seats).lines
    assert [one.result for one in lines[1].flex] == ["FAILURE"]
    assert lines[1].flex[0].code == seats.flex_codes[0]
    full, unit = prices(lines[1])
    assert full == unit
    assert lines[1].status == "1000"


def test_an_unknown_code_has_no_id() -> None:
    ((result,),) = results(opted(FOLIO, "NOPE"))
    assert result == FlexResult("", "NOPE", "FAILURE")


@pytest.mark.parametrize("now", ["2026-02-10T12:00:00Z", ""])
def test_a_preview_judges_codes_as_they_will_stand_at_the_anniversary(now: str) -> None:
    assert outcome(opted(SUITE, "SUMMER_SALE_123"), now=now) == [("SUMMER_SALE_123", "SUCCESS")]


def test_a_preview_does_not_promise_what_will_have_ended_or_not_begun() -> None:
    ending = FlexDiscounts([sample(TEN_PERCENT, end=at("2026-07-06T23:59:59Z"))])
    seats = opted(ALL_APPS, TEN_PERCENT)
    for known in (ending, FlexDiscounts([sample(TEN_PERCENT, start=at("2026-07-07T00:00:01Z"))])):
        found = plan_renewal(
            account(seats),
            samples.partner(),
            samples.catalog(),
            known,
            seats.renewal_date,
            at("2026-02-10T12:00:00Z"),
        )
        assert found.lines[0].flex[0].result == "FAILURE"


@pytest.mark.proves("catalog.md 31")
def test_a_reusable_discount_comes_back_without_being_chosen() -> None:
    seats = held(FOLIO, 10)
    used = fed(seats, EASTER, "2026-04-01T00:00:00Z")
    (line,) = plan(seats, redemptions=(used,)).lines
    assert [(one.code, one.result) for one in line.flex] == [(EASTER, "SUCCESS")]
    assert prices(line)[0] - prices(line)[1] == Decimal(26)
    chosen = replace(seats, flex_codes=("NEW YEAR",))
    assert outcome(chosen, redemptions=(used,)) == [("NEW YEAR", "SUCCESS")]
    failing = replace(seats, flex_codes=("NOPE",))
    assert outcome(failing, redemptions=(used,)) == [("NOPE", "FAILURE")]


def test_it_comes_back_to_the_subscription_that_its_order_fed() -> None:
    seats, other = held(FOLIO, 10), held(FOLIO_PRO, 5)
    used = fed(other, EASTER, "2026-04-01T00:00:00Z")
    assert results(seats, other, redemptions=(used,))[0] == ()
    abroad = held(FOLIO, 10, subscription_id="SDEP", deployment_id="D1")
    lines = results(
        seats,
        abroad,
        redemptions=(fed(abroad, EASTER, "2026-04-01T00:00:00Z"),),
        deployments=(deployment("D1", "CA"),),
    )
    assert lines[0] == ()
    assert [one.result for one in lines[1]] == ["FAILURE"]  # it has no value for Canada


@pytest.mark.parametrize(
    "used",
    [
        fed(held(FOLIO, 10), EASTER, "2026-04-01T00:00:00Z", returned=True),
        samples.redemption(EASTER, "2026-04-01T00:00:00Z", FOLIO[:10]),  # not completed
        fed(held(FOLIO, 10), "NON3YC_TERM_5", "2026-04-01T00:00:00Z"),  # not reusable
    ],
)
def test_what_does_not_come_back(used: Redemption) -> None:
    assert results(held(FOLIO, 10), redemptions=(used,)) == [()]


def test_the_last_used_reusable_discount_is_the_one_that_comes_back() -> None:
    seats = held(FOLIO, 10)
    uses = (
        fed(seats, EASTER, "2026-04-01T00:00:00Z"),
        fed(seats, "NEW YEAR", "2026-05-01T00:00:00Z", order_id="9200000002"),
        fed(seats, "NON3YC_TERM_5", "2026-06-01T00:00:00Z", order_id="9200000003"),
    )
    assert outcome(seats, redemptions=uses) == [("NEW YEAR", "SUCCESS")]
    assert outcome(seats, redemptions=uses[::-1]) == [("NEW YEAR", "SUCCESS")]


@pytest.mark.proves("catalog.md 31")
@pytest.mark.parametrize(
    ("anniversary", "expected"),
    [("2028-03-31", [(EASTER, "SUCCESS")]), ("2028-04-01", [])],
)
def test_it_comes_back_until_its_lock_date(
    anniversary: str, expected: list[tuple[str, str]]
) -> None:
    buyer = samples.customer(anniversary=anniversary)
    seats = held(FOLIO, 10, renewal_date=buyer.coterm_date)
    used = fed(seats, EASTER, "2026-04-01T00:00:00Z")
    assert outcome(seats, buyer=buyer, redemptions=(used,)) == expected


def test_codes_do_not_combine_with_that_of_a_migrated_customer() -> None:
    buyer = samples.customer(
        anniversary=AD, tags=("HVD_MIGRATED_CUSTOMER",), hvd_code="HVD_L18_PRE"
    )
    found = plan(opted(SUITE, "NEW YEAR"), opted(FOLIO, "NEW YEAR"), buyer=buyer).lines
    assert [(one.discount_code, one.flex[0].result) for one in found] == [
        ("HVD_L18_PRE", "FAILURE"),
        ("", "SUCCESS"),
    ]


def test_a_one_time_code_renews_one_line_and_only_one_that_renews() -> None:
    anything = FlexDiscounts([sample(CLOSED, base_offer_ids=frozenset())])

    def planned(*seats: Subscription, **facts: Any) -> list[tuple[str, str]]:
        known = account(*seats, **facts)
        day = known.customer.coterm_date
        assert day is not None
        goods, now = samples.catalog(), at("2026-07-07T00:00:00Z")
        found = plan_renewal(known, samples.partner(), goods, anything, day, now)
        return [(one.status, one.flex[0].result) for one in found.lines]

    two = planned(opted(FOLIO, CLOSED), opted(ALL_APPS, CLOSED))
    assert two == [("1000", "SUCCESS"), ("1000", "FAILURE")]
    ended = planned(opted(CLASSIC, CLOSED), opted(ALL_APPS, CLOSED))
    assert ended == [("1004", "SUCCESS"), ("1000", "SUCCESS")]
    spent = frozenset(anything.one_time_ids)
    assert planned(opted(FOLIO, CLOSED), closed_codes_taken=spent) == [("1000", "FAILURE")]


@pytest.mark.parametrize(("quantity", "result"), [(50, "SUCCESS"), (49, "FAILURE")])
def test_the_renewing_seats_have_to_reach_the_commitment(quantity: int, result: str) -> None:
    commit = samples.committed("2025-07-07", ("LICENSE", 50))
    buyer = samples.customer(anniversary=AD, benefits=(commit,))
    seats = opted(FOLIO, "EXISTING3YC_YEAR_50PLUS", 60, explicit_quantity=quantity)
    assert outcome(seats, buyer=buyer) == [("EXISTING3YC_YEAR_50PLUS", result)]


def test_a_discount_of_the_commitment_year_has_to_be_chosen_for_the_next() -> None:
    commit = samples.committed("2025-07-07", ("LICENSE", 50))
    buyer = samples.customer(anniversary=AD, benefits=(commit,))
    code = "EXISTING3YC_YEAR_50PLUS"
    seats = held(FOLIO, 60)
    used = fed(seats, code, "2026-04-01T00:00:00Z")
    assert outcome(seats, buyer=buyer, redemptions=(used,)) == [(code, "FAILURE")]
    chosen = replace(seats, flex_codes=(code,))
    assert outcome(chosen, buyer=buyer, redemptions=(used,)) == [(code, "SUCCESS")]


def test_a_discount_of_the_commitment_ends_with_it() -> None:
    code = "NEW3YC_FULL_TERM_18"
    seats = held(FOLIO, 60)
    used = fed(seats, code, "2025-10-01T00:00:00Z")
    for end, result in (("2027-07-06", "SUCCESS"), ("2026-07-06", "FAILURE")):
        commit = samples.committed("2024-07-07", ("LICENSE", 50), end=end)
        buyer = samples.customer(anniversary=AD, benefits=(commit,))
        found = plan(seats, buyer=buyer, redemptions=(used,), now="2026-06-01T00:00:00Z")
        assert [(one.code, one.result) for one in found.lines[0].flex] == [(code, result)]


def test_a_scheduled_subscription_starts_with_its_code() -> None:
    seats = replace(scheduled(ALL_APPS, 20), flex_codes=(TEN_PERCENT,))
    assert outcome(seats) == [(TEN_PERCENT, "SUCCESS")]


@pytest.mark.proves("2141")
def test_a_renewal_by_hand_needs_a_discount_for_renewals() -> None:
    seats = expired(ALL_APPS, 5)
    known = account(seats)
    (line,) = sold_late(known, renewing(seats, flex_codes=(TEN_PERCENT,)))
    assert [one.result for one in line.flex] == ["SUCCESS"]
    sold = expired(FOLIO, 5)
    refused = refused_late(account(sold), renewing(sold, flex_codes=("UPSELL_PROMO_123",)))
    assert refused == ("2141", "Line Item: 1, Reason: Invalid Flexible Discount")
