"""Flexible discounts: who may use which code on which line, and at what price."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.discounts import FlexDiscount, FlexDiscounts
from seatledger.domain.model import Customer, FlexResult, OrderLine
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.request import RequestLine
from tests import samples
from tests.samples import want

A, PHOTON, FOLIO = "11073058CA01A12", "11083117CA01A12", "65304479CA01A12"
FOLIO_PRO = "65324918CA01A12"
ADD_ON = "30005893CA01A12"
TEN_PERCENT, TWENTY_OFF = "BLACK_FRIDAY_10_PERCENT_OFF", "BLACK_FRIDAY_20_DOLLAR_OFF"
CLOSED = "H4SQ82RETAINVW6K3MPD7TZ1"
INVALID = "Line Item: 1, Reason: Invalid Flexible Discount"
BOTH = pytest.mark.parametrize("order_type", ["PREVIEW", "NEW"])


def coded(offer_id: str, *codes: str, number: int = 1, **more: Any) -> RequestLine:
    return want(offer_id, number=number, flex_codes=codes, **more)


def bought(line: RequestLine, **more: Any) -> OrderLine:
    (found,) = samples.sold(line, **more)
    return found


def unit(line: RequestLine, **more: Any) -> Decimal:
    """The unit price after the discount, which must have been granted."""
    found = bought(line, **more)
    assert [one.result for one in found.flex] == ["SUCCESS"]
    assert found.price is not None
    return found.price.unit_price


def sample(code: str, **changes: Any) -> FlexDiscount:
    """A sample discount with changes."""
    return replace(samples.discounts().with_code(code)[0], **changes)


def hvd_customer() -> Customer:
    return samples.customer(tags=("HVD_MIGRATED_CUSTOMER",), hvd_code="HVD_L18_PRE")


@pytest.mark.proves("S-115", "S-110", "S-013")
@BOTH
def test_a_granted_code_stands_on_the_line_with_its_id(order_type: str) -> None:
    found = bought(coded(A, TEN_PERCENT), order_type=order_type)
    assert found.flex == (
        FlexResult("55555555-5bb8-4476-bd3f-5562299ab3f5", TEN_PERCENT, "SUCCESS"),
    )
    assert found.price is not None
    assert (found.price.partner_price, found.price.unit_price) == (
        Decimal("389.00"),
        Decimal("350.10"),
    )


@pytest.mark.proves("catalog.md 26", "2147")
@BOTH
def test_one_code_per_line(order_type: str) -> None:
    lines = (coded(A, TEN_PERCENT, TWENTY_OFF), coded(FOLIO, "NOPE", number=2))
    assert samples.refusal(*lines, order_type=order_type) == ("2147", "Line Item: 1")


@pytest.mark.proves("catalog.md 26", "2146")
@BOTH
def test_an_unknown_code(order_type: str) -> None:
    lines = (coded(A, "NOPE"), coded(ADD_ON, TEN_PERCENT, number=2), coded(FOLIO, "no", number=3))
    refused = samples.refusal(*lines, order_type=order_type)
    assert refused == (
        "2146",
        "Line Item: 1, Reason: NOT_FOUND",
        "Line Item: 3, Reason: NOT_FOUND",
    )


@pytest.mark.proves("2146")
@pytest.mark.parametrize("code", ["black_friday_10_percent_off", f" {TEN_PERCENT}", "NEW  YEAR"])
def test_codes_are_compared_exactly(code: str) -> None:
    refused = samples.refusal(coded(A, code))
    assert refused == ("2146", "Line Item: 1, Reason: NOT_FOUND")


@pytest.mark.proves("catalog.md 26", "2145")
@BOTH
def test_a_code_on_an_add_on(order_type: str) -> None:
    lines = (coded(ADD_ON, "NEW YEAR"), want(FOLIO, number=2))
    assert samples.refusal(*lines, order_type=order_type) == ("2145", "Line Item: 1")


@pytest.mark.proves("2145")
def test_a_consumable_needs_to_be_named() -> None:
    transactions = "65322435CAT1A12"
    assert samples.refusal(coded(transactions, "NEW YEAR")) == ("2145", "Line Item: 1")
    named = FlexDiscounts([sample("NEW YEAR", base_offer_ids=frozenset({transactions}))])
    assert unit(coded(transactions, "NEW YEAR"), codes=named) == Decimal("3.46")


@pytest.mark.proves("catalog.md 26", "2144")
def test_a_code_beside_a_discount_code() -> None:
    line = coded("80004567EA01A12", "NEW YEAR", discount_code="HVD_L18_PRE")
    for order_type in ("PREVIEW", "NEW"):
        refused = samples.refusal(line, buyer=hvd_customer(), order_type=order_type)
        assert refused == ("2144", "Line Item: 1")


@pytest.mark.proves("2144")
def test_a_preview_judges_the_corrected_line() -> None:
    plain = coded("80004567EA01A12", "NEW YEAR")
    assert samples.refusal(plain, buyer=hvd_customer()) == ("2144", "Line Item: 1")
    assert unit(plain, buyer=hvd_customer(), order_type="NEW") == Decimal("287.99")
    assert unit(coded(FOLIO, "NEW YEAR"), buyer=hvd_customer()) == Decimal("211.10")


@pytest.mark.proves("2141")
@BOTH
def test_a_code_of_another_segment(order_type: str) -> None:
    refused = samples.refusal(coded(FOLIO, "GOV_ALLAPPS_7"), order_type=order_type)
    assert refused == ("2141", "Line Item: 1, Reason: MARKET_SEGMENT_MISMATCH")


@pytest.mark.proves("catalog.md 27", "2141")
@BOTH
def test_a_code_that_always_fails(order_type: str) -> None:
    refused = samples.refusal(coded(A, "BLACK_FRIDAY_22_FAILURE_3"), order_type=order_type)
    assert refused == ("2141", INVALID)


def test_each_step_lists_the_lines_failing_with_the_code_of_the_first() -> None:
    lines = (
        coded(A, TEN_PERCENT),
        coded(FOLIO, TEN_PERCENT, number=2),
        coded(FOLIO_PRO, "NEW3YC_FULL_TERM_18", number=3),
        coded(PHOTON, "EDU_LAB_FIXED_15", number=4),
    )
    assert samples.refusal(*lines) == (
        "2141",
        "Line Item: 2, Reason: Invalid Flexible Discount",
        "Line Item: 4, Reason: MARKET_SEGMENT_MISMATCH",
    )


def with_commitment(status: str, quantity: int = 50) -> Customer:
    benefit = samples.committed("2024-06-01", ("LICENSE", quantity), status=status)
    return samples.customer(benefits=(benefit,))


def with_request(status: str) -> Customer:
    benefit = samples.asked(status, ("LICENSE", 50))
    return samples.customer(benefits=(benefit,))


@pytest.mark.proves("catalog.md 28", "2166")
@pytest.mark.parametrize("code", ["NEW3YC_FULL_TERM_18", "EXISTING3YC_YEAR_50PLUS"])
def test_a_code_for_a_commitment_nobody_asked_for(code: str) -> None:
    assert samples.refusal(coded(FOLIO, code)) == ("2166", "Line Item: 1")


@pytest.mark.proves("catalog.md 28", "2141")
@pytest.mark.parametrize("status", ["REQUESTED", "DECLINED", "EXPIRED", "NONCOMPLIANT"])
def test_a_request_is_no_commitment(status: str) -> None:
    refused = samples.refusal(coded(FOLIO, "NEW3YC_FULL_TERM_18"), buyer=with_request(status))
    assert refused == ("2141", "Line Item: 1, Reason: INELIGIBLE_COMMITMENT_STATUS")


@pytest.mark.parametrize(
    ("code", "buyer", "reason"),
    [
        ("EXISTING3YC_YEAR_50PLUS", with_commitment("NONCOMPLIANT"), ""),
        ("EXISTING3YC_YEAR_50PLUS", with_commitment("COMMITTED", 49), "_OR_COMMIT_QUANTITY"),
        ("NON3YC_TERM_5", with_commitment("COMMITTED"), "_OR_NOT_ELIGIBLE"),
        ("NON3YC_TERM_5", with_request("ACCEPTED"), "_OR_NOT_ELIGIBLE"),
    ],
)
def test_a_commitment_in_the_wrong_state(code: str, buyer: Customer, reason: str) -> None:
    refused = samples.refusal(coded(FOLIO, code), buyer=buyer)
    assert refused == ("2141", f"Line Item: 1, Reason: INELIGIBLE_COMMITMENT_STATUS{reason}")


@pytest.mark.parametrize(
    ("code", "buyer", "price"),
    [
        ("EXISTING3YC_YEAR_50PLUS", with_commitment("COMMITTED"), "237.49"),
        ("NON3YC_TERM_5", samples.customer(), "250.69"),
        ("NON3YC_TERM_5", with_commitment("EXPIRED"), "250.69"),
        ("NON3YC_TERM_5", with_request("REQUESTED"), "250.69"),
    ],
)
def test_a_commitment_in_the_right_state(code: str, buyer: Customer, price: str) -> None:
    held = samples.seats(A, 49, "2026-07-07")
    assert unit(coded(FOLIO, code), buyer=buyer, subscriptions=(held,)) == Decimal(price)


@pytest.mark.proves("catalog.md 29", "2141")
@BOTH
def test_an_introductory_price_is_for_a_product_never_owned(order_type: str) -> None:
    line = coded(PHOTON, "INTRO-PHOTON")
    buyer = samples.customer(anniversary="2027-02-10")
    owned = samples.seats(PHOTON, 1, "2027-02-10")
    used = samples.redemption("INTRO-PHOTON", "2026-02-10T11:00:00Z", PHOTON[:10])

    def refused(**facts: Any) -> tuple[str, ...]:
        return samples.refusal(line, buyer=buyer, order_type=order_type, **facts)

    assert unit(line, order_type=order_type) == Decimal("199.99")
    assert refused(subscriptions=(owned,)) == ("2141", INVALID)
    assert refused(redemptions=(used,)) == ("2141", INVALID)  # ordered, not yet fulfilled
    expired = replace(owned, status="1004")
    assert refused(subscriptions=(expired,)) == ("2141", INVALID)
    given_back = replace(owned, status="1004", current_quantity=0)
    again = unit(
        line,
        buyer=buyer,
        order_type=order_type,
        subscriptions=(given_back,),
        redemptions=(replace(used, returned=True),),
    )
    assert again == Decimal("199.99")


@pytest.mark.proves("2141")
@BOTH
@pytest.mark.parametrize(("offer_id", "code"), [(PHOTON, "INTRO-PHOTON"), (FOLIO_PRO, CLOSED)])
def test_one_order_uses_a_single_use_code_once(offer_id: str, code: str, order_type: str) -> None:
    lines = coded(offer_id, code), coded(offer_id, code, number=2)
    assert samples.refusal(*lines, order_type=order_type) == (
        "2141",
        "Line Item: 2, Reason: Invalid Flexible Discount",
    )


@BOTH
def test_one_order_may_use_any_other_code_on_many_lines(order_type: str) -> None:
    lines = coded(A, TEN_PERCENT), coded(A, TEN_PERCENT, number=2)
    assert len(samples.sold(*lines, order_type=order_type)) == 2


@pytest.mark.proves("catalog.md 30", "2141")
@BOTH
def test_a_reusable_code_lives_on_for_those_who_used_it(order_type: str) -> None:
    line = coded("65304578CA01A12", "EASTER_26")
    in_time = samples.redemption("EASTER_26", "2026-04-15T23:59:59Z")
    later = replace(in_time, redeemed_at=samples.at("2026-04-16T00:00:00Z"))
    returned = replace(in_time, returned=True)

    def price(now: str, *redemptions: Any) -> Decimal:
        return unit(line, now=now, redemptions=redemptions, order_type=order_type)

    def refused(now: str, *redemptions: Any) -> tuple[str, ...]:
        return samples.refusal(line, now=now, redemptions=redemptions, order_type=order_type)

    assert refused("2026-02-28T23:59:59Z", in_time) == ("2141", INVALID)
    assert price("2026-03-01T00:00:00Z") == Decimal("849.16")
    assert price("2026-04-15T23:59:59Z") == Decimal("849.16")
    assert refused("2026-04-16T00:00:00Z") == ("2141", INVALID)
    assert price("2026-05-01T12:00:00Z", in_time) == Decimal("849.16")
    assert price("2028-03-31T23:59:59Z", in_time) == Decimal("849.16")
    assert refused("2028-04-01T00:00:00Z", in_time) == ("2141", INVALID)
    assert refused("2026-05-01T12:00:00Z", later) == ("2141", INVALID)
    assert refused("2026-05-01T12:00:00Z", returned) == ("2141", INVALID)


@pytest.mark.proves("2141")
def test_a_code_without_a_lock_date_ends_with_its_last_second() -> None:
    line = coded("80004567EA01A12", "SUMMER_SALE_123")
    used = samples.redemption("SUMMER_SALE_123", "2026-06-01T00:00:00Z")
    assert unit(line, now="2026-08-31T23:59:59Z") == Decimal("305.99")
    refused = samples.refusal(line, now="2026-09-01T00:00:00Z", redemptions=(used,))
    assert refused == ("2141", INVALID)


@pytest.mark.proves("catalog.md 32", "2141")
@BOTH
def test_a_one_time_closed_code_is_spent_once_by_anyone(order_type: str) -> None:
    line = coded(FOLIO_PRO, CLOSED)
    decision = samples.decide(line, order_type=order_type)
    assert isinstance(decision, Accepted)
    (discount,) = samples.discounts().with_code(CLOSED)
    assert decision.lines[0].flex[0].id == discount.id
    assert discount.id in samples.discounts().one_time_ids
    taken = samples.refusal(
        line, order_type=order_type, closed_codes_taken=frozenset({discount.id})
    )
    assert taken == ("2141", INVALID)


@pytest.mark.proves("2141")
def test_a_closed_code_is_for_its_customer_until_it_expires() -> None:
    line = coded(FOLIO_PRO, CLOSED)
    someone_elses = FlexDiscounts([sample(CLOSED, customer_id="1005000002")])
    assert samples.refusal(line, codes=someone_elses) == ("2141", INVALID)
    own = FlexDiscounts([sample(CLOSED, customer_id=samples.CUSTOMER_ID)])
    assert unit(line, codes=own) == Decimal("230.30")
    expiry = samples.at("2026-02-10T12:00:00Z")
    expiring = FlexDiscounts([sample(CLOSED, code_expiry=expiry)])
    assert unit(line, codes=expiring, now="2026-02-10T12:00:00Z") == Decimal("230.30")
    refused = samples.refusal(line, codes=expiring, now="2026-02-10T12:00:01Z")
    assert refused == ("2141", INVALID)


@pytest.mark.proves("2141")
@BOTH
def test_a_discount_may_be_used_so_often_by_a_customer(order_type: str) -> None:
    codes = FlexDiscounts([sample(TEN_PERCENT, max_redemptions=2)])
    once = samples.redemption(TEN_PERCENT, "2026-02-01T00:00:00Z")
    lines = [coded(A, TEN_PERCENT, number=number) for number in (1, 2, 3)]

    def refused(*asked: RequestLine, **facts: Any) -> tuple[str, ...]:
        return samples.refusal(*asked, codes=codes, order_type=order_type, **facts)

    assert len(samples.sold(*lines[:2], codes=codes, order_type=order_type)) == 2
    assert refused(*lines) == ("2141", "Line Item: 3, Reason: Invalid Flexible Discount")
    assert refused(*lines[:2], redemptions=(once,))[1].startswith("Line Item: 2")
    assert refused(lines[0], redemptions=(once, once)) == ("2141", INVALID)
    returned = replace(once, returned=True)
    more = {"order_type": order_type, "redemptions": (once, returned)}
    assert samples.sold(lines[0], codes=codes, **more)
    closed = FlexDiscounts([sample(TEN_PERCENT, max_redemptions=2, visibility="CLOSED")])
    assert samples.refusal(lines[0], codes=closed, **more) == ("2141", INVALID)


@pytest.mark.proves("catalog.md 33", "2141")
@pytest.mark.parametrize(
    ("country", "currency", "offer_id", "values"),
    [
        ("CA", "USD", FOLIO, {("US", "USD"): Decimal(5)}),
        ("DE", "EUR", FOLIO, {("DE", "GBP"): Decimal(5), ("US", "EUR"): Decimal(5)}),
    ],
)
def test_a_fixed_discount_needs_a_value_for_country_and_currency(
    country: str, currency: str, offer_id: str, values: dict[tuple[str, str], Decimal]
) -> None:
    codes = FlexDiscounts(
        [sample(TWENTY_OFF, values=values, countries=frozenset("*"), base_offer_ids=frozenset())]
    )
    refused = samples.refusal(
        coded(offer_id, TWENTY_OFF),
        buyer=samples.customer(country=country),
        currency=currency,
        codes=codes,
    )
    assert refused == ("2141", INVALID)


@pytest.mark.proves("2141")
@pytest.mark.parametrize(
    "changes",
    [
        {"countries": frozenset({"CA"})},
        {"base_offer_ids": frozenset({FOLIO})},
        {"order_types": frozenset({"RENEWAL"})},
        {"start": samples.at("2026-02-10T12:00:01Z")},
    ],
)
def test_what_a_code_does_not_cover(changes: dict[str, Any]) -> None:
    codes = FlexDiscounts([sample(TEN_PERCENT, **changes)])
    assert samples.refusal(coded(A, TEN_PERCENT), codes=codes) == ("2141", INVALID)


def test_a_code_names_any_level_of_its_product() -> None:
    (line,) = samples.sold(want(A, 60, flex_codes=(TEN_PERCENT,)))
    assert line.price is not None
    assert (line.offer_id, line.price.unit_price) == ("11073058CA03A12", Decimal("317.70"))


def test_a_code_that_returns_means_the_one_that_lives() -> None:
    old = sample(TEN_PERCENT, id="old", end=samples.at("2019-12-31T23:59:59Z"))
    new = sample(TEN_PERCENT, id="new", start=samples.at("2026-01-01T00:00:00Z"))
    edu = sample(TEN_PERCENT, id="edu", segments=frozenset({"EDU"}))
    codes = FlexDiscounts([old, edu, new])
    assert bought(coded(A, TEN_PERCENT), codes=codes).flex[0].id == "new"
    codes = FlexDiscounts([edu, new, old])
    assert bought(coded(A, TEN_PERCENT), codes=codes).flex[0].id == "new"


@BOTH
def test_a_code_that_returns_goes_on_for_those_who_used_it_before(order_type: str) -> None:
    line = coded("65304578CA01A12", "EASTER_26")
    again = sample(
        "EASTER_26",
        id="again",
        start=samples.at("2027-03-01T00:00:00Z"),
        end=samples.at("2027-04-15T23:59:59Z"),
        lock_end=samples.at("2029-03-31T23:59:59Z"),
    )
    codes = FlexDiscounts([again, sample("EASTER_26")])
    used = samples.redemption("EASTER_26", "2026-04-01T00:00:00Z")

    def granted(now: str) -> str:
        facts = {"order_type": order_type, "redemptions": (used,)}
        return bought(line, codes=codes, now=now, **facts).flex[0].id

    for now in ("2027-02-28T00:00:00Z", "2027-05-01T00:00:00Z"):
        assert granted(now) == used.discount_id
        refused = samples.refusal(line, codes=codes, now=now, order_type=order_type)
        assert refused == ("2141", INVALID)
    assert granted("2027-03-01T00:00:00Z") == "again"


@pytest.mark.proves("orders.md 51")
def test_the_quirk_reports_a_failed_code_at_the_full_price() -> None:
    quirky = samples.partner(quirks=frozenset({"preview_reports_failed_codes"}))
    line = coded(A, "BLACK_FRIDAY_22_FAILURE_3")
    found = bought(line, seller=quirky)
    assert [one.result for one in found.flex] == ["FAILURE"]
    assert found.price is not None
    assert found.price.unit_price == found.price.partner_price == Decimal("389.00")
    assert samples.refusal(line, seller=quirky, order_type="NEW") == ("2141", INVALID)
    for code, offer_id in (("2146", A), ("2166", FOLIO)):
        name = "NOPE" if code == "2146" else "NEW3YC_FULL_TERM_18"
        assert samples.refusal(coded(offer_id, name), seller=quirky)[0] == code
