"""RENEWAL as a pure decision: every refusal, their order, and what is sold (orders.md 2.9, 6.3)."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.benefits import Commitment, ThreeYearCommit
from seatledger.domain.model import Account, Subscription
from seatledger.domain.orders.request import RequestLine
from tests import samples
from tests.renewals import (
    AD,
    LAPSED,
    account,
    deployment,
    expired,
    held,
    refusal,
    renewal_order,
    renewing,
    sold,
)

FOLIO, ALL_APPS, VECTOR = "65304479CA01A12", "11073058CA01A12", "69804578CA01A12"
TEMPO, SUITE, ADD_ON = "65304600CA01A12", "80004567EA01A12", "30005893CA01A12"
CLASSIC, MOTION = "65322447CA01A12", "65322461CA01A12"
STARTER, PACK, GROWTH = "65322450CAT1A12", "65327733CA01A12", "65324918CA14X12"
PRO, SCRIPT_EU, GOV = "65324918CA01A12", "65305345CA01A12", "30001475CC01A12"
HVD: dict[str, Any] = {"tags": ("HVD_MIGRATED_CUSTOMER",), "hvd_code": "HVD_L18_PRE"}
LINE = "Line Item: 1"


@pytest.mark.proves("orders.md 70", "S-158", "S-161", "S-164")
def test_an_expired_subscription_is_renewed_for_a_full_term() -> None:
    seats = expired(ALL_APPS, 5)
    (line,) = sold(account(seats), renewing(seats, number=7))
    assert (line.number, line.offer_id, line.quantity) == (7, ALL_APPS, 5)
    assert (line.status, line.subscription_id, line.currency) == ("1002", "S11073058", "USD")
    assert line.price is not None
    assert (line.price.partner_price, line.price.days) == (Decimal("389.00"), 365)
    assert line.price.amount == Decimal("1945.00")


@pytest.mark.parametrize(("lapsed", "days"), [("2026-07-07", 365), ("2027-07-07", 366)])
def test_the_term_billed_begins_with_the_missed_anniversary(lapsed: str, days: int) -> None:
    seats = expired(ALL_APPS, 5, expired_on=date.fromisoformat(lapsed))
    known = account(seats, buyer=samples.customer(anniversary=lapsed))
    (line,) = sold(known, renewing(seats), now=f"{lapsed[:4]}-08-06T23:59:59Z")
    assert line.price is not None
    assert line.price.days == days


def test_the_price_is_that_of_the_pacific_day_of_the_order() -> None:
    seats = expired(TEMPO, 1, expired_on=date(2026, 1, 20))
    known = account(seats, buyer=samples.customer(anniversary="2026-01-20"))
    for now, price in (("2026-02-01T07:59:59Z", "296.28"), ("2026-02-01T08:00:00Z", "311.04")):
        (line,) = sold(known, renewing(seats), now=now)
        assert line.price is not None
        assert line.price.amount == Decimal(price)


# --- the refusals, in the order of their checks ----------------------------------------------


def _case(
    name: str,
    code: str,
    detail: str,
    seats: Subscription,
    *others: Subscription,
    sent: dict[str, Any] | None = None,
    **facts: Any,
) -> Any:
    known = account(seats, *others, **facts)
    wanted = {"offer_id": seats.offer_id, "subscription_id": seats.subscription_id, **(sent or {})}
    quantity = wanted.pop("quantity", 1)
    line = RequestLine(1, wanted.pop("offer_id"), quantity, **wanted)
    return pytest.param(known, line, (code, detail), id=name, marks=pytest.mark.proves(code))


REFUSALS = [
    _case("unknown", "3115", LINE, expired(FOLIO, 5), sent={"subscription_id": "S1"}),
    _case("in flight", "4122", LINE, expired(FOLIO, 5), pending=(
        renewal_order((expired(VECTOR, 1), 1), (expired(FOLIO, 5), 2), status="1002"),
    )),
    _case("active", "3121", LINE, held(FOLIO, 5)),
    _case("scheduled", "3121", LINE, held(FOLIO, 0, status="1009", explicit_quantity=5)),
    _case("returned", "3122", LINE, expired(FOLIO, 0, expired_on=None)),
    _case("window over", "3122", LINE, expired(FOLIO, 5, expired_on=date(2026, 6, 19))),
    _case("key bought anew", "3122", LINE, expired(FOLIO, 5), held(FOLIO, 2, subscription_id="N")),
    _case(
        "fresh term", "3122", LINE, expired(FOLIO, 5),
        buyer=samples.customer(anniversary="2027-07-15"),
    ),
    _case("one-time", "3122", f"{LINE}, Reason: NOT_RENEWABLE", expired(STARTER, 1)),
    _case(
        "credit pack", "3122", f"{LINE}, Reason: NOT_RENEWABLE",
        expired(PACK, 1, own_line="9200000001:1"),
    ),
    _case(
        "no such offer", "2122", f"{LINE}, Reason: OFFER_DOES_NOT_MATCH_SUBSCRIPTION",
        expired(FOLIO, 5), sent={"offer_id": "65304479CA99A12"},
    ),
    _case(
        "offer of another product", "2122", f"{LINE}, Reason: OFFER_DOES_NOT_MATCH_SUBSCRIPTION",
        expired(FOLIO, 5), sent={"offer_id": VECTOR},
    ),
    _case("sold no more", "3123", LINE, expired(MOTION, 5)),
    _case("another currency", "2137", LINE, expired(FOLIO, 5), sent={"currency": "EUR"}),
    _case("another deployment", "2138", LINE, expired(FOLIO, 5), sent={"deployment_id": "D1"}),
    _case("no seats", "2120", LINE, expired(FOLIO, 5), sent={"quantity": 0}),
    _case("too many seats", "3118", LINE, expired(FOLIO, 5), sent={"quantity": 6}),
    _case(
        "another segment", "2129", f"{LINE}, Reason: INELIGIBLE_MARKET_SEGMENT", expired(GOV, 5)
    ),
    _case(
        "add-on without base", "2129", f"{LINE}, Reason: INELIGIBLE_ADD_ON",
        expired(ADD_ON, 5), expired(FOLIO, 5),
    ),
    _case("High Growth offer", "4121", LINE, expired(PRO, 150), sent={"offer_id": GROWTH}),
    _case(
        "better level", "2129", f"{LINE}, Reason: INELIGIBLE_DISCOUNT_LEVEL",
        expired(FOLIO, 50), sent={"offer_id": "65304479CA02A12", "quantity": 9},
    ),
    _case(
        "level of a commitment", "2129", f"{LINE}, Reason: INELIGIBLE_DISCOUNT_LEVEL",
        expired(FOLIO, 50), sent={"offer_id": "65304479CA12A12", "quantity": 20},
    ),
    _case(
        "no HVD customer", "5135", f"{LINE}, Reason: NOT_HVD_CUSTOMER",
        expired(SUITE, 5), sent={"discount_code": "HVD_L18_PRE"},
    ),
    _case(
        "unknown HVD code", "5135", f"{LINE}, Reason: NOT_FOUND",
        expired(SUITE, 5), sent={"discount_code": "HVD_L99_PRE"},
    ),
    _case(
        "another HVD code", "5135", f"{LINE}, Reason: CODE_MISMATCH",
        expired(SUITE, 5), sent={"discount_code": "HVD_L17_PRE"},
        buyer=samples.customer(anniversary=AD, **HVD),
    ),
    _case(
        "no price under the code", "5135", f"{LINE}, Reason: OFFER_NOT_COVERED",
        expired(FOLIO, 5), sent={"discount_code": "HVD_L18_PRE"},
        buyer=samples.customer(anniversary=AD, **HVD),
    ),
    _case("two codes", "2147", LINE, expired(FOLIO, 5), sent={"flex_codes": ("A", "B")}),
    _case(
        "unknown code", "2146", f"{LINE}, Reason: NOT_FOUND",
        expired(FOLIO, 5), sent={"flex_codes": ("NOPE",)},
    ),
    _case(
        "code on an add-on", "2145", LINE, expired(ADD_ON, 5), held(FOLIO, 5),
        sent={"flex_codes": ("NEW YEAR",)},
    ),
    _case(
        "two discounts", "2144", LINE, expired(SUITE, 5),
        sent={"flex_codes": ("NEW YEAR",), "discount_code": "HVD_L18_PRE"},
        buyer=samples.customer(anniversary=AD, **HVD),
    ),
    _case(
        "code that fails", "2141", f"{LINE}, Reason: Invalid Flexible Discount",
        expired(FOLIO, 5), sent={"flex_codes": ("BLACK_FRIDAY_22_FAILURE_3",)},
    ),
    _case(
        "code for commitments", "2166", LINE,
        expired(FOLIO, 5), sent={"flex_codes": ("EXISTING3YC_YEAR_50PLUS",)},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("known", "line", "expected"), REFUSALS)
def test_what_is_refused(known: Account, line: RequestLine, expected: tuple[str, str]) -> None:
    assert refusal(known, line) == expected


@pytest.mark.proves("1117")
def test_a_subscription_stands_in_one_line() -> None:
    one, other = expired(FOLIO, 5), expired(VECTOR, 5)
    lines = [renewing(seats, 1, number) for number, seats in enumerate((one, other, one, one))]
    assert refusal(account(one, other), *lines) == (
        "1117",
        "lineItems[2].subscriptionId",
        "lineItems[3].subscriptionId",
    )


def test_every_offender_of_a_check_is_named() -> None:
    one, other, good = expired(FOLIO, 5), expired(VECTOR, 5), expired(TEMPO, 5)
    lines = [renewing(one, 6, 3), renewing(good, 5, 2), renewing(other, 9, 1)]
    assert refusal(account(one, other, good), *lines) == ("3118", "Line Item: 3", "Line Item: 1")


FAULTS: list[tuple[str, dict[str, Any], Callable[[Subscription], Subscription]]] = [
    ("3115", {"subscription_id": "S1"}, lambda one: one),
    ("3121", {}, lambda one: replace(one, status="1000")),
    ("3122", {}, lambda one: replace(one, expired_on=None)),
    ("2122", {"offer_id": VECTOR}, lambda one: one),
    ("2137", {"currency": "EUR"}, lambda one: one),
    ("2138", {"deployment_id": "D1"}, lambda one: one),
    ("2120", {"quantity": 0}, lambda one: one),
    ("3118", {"quantity": 60}, lambda one: one),
    ("5135", {"discount_code": "NOPE"}, lambda one: one),
    ("2146", {"flex_codes": ("NOPE",)}, lambda one: one),
]


@pytest.mark.parametrize("first", range(len(FAULTS)))
@pytest.mark.parametrize("second", range(len(FAULTS)))
def test_the_first_check_answers(first: int, second: int) -> None:
    codes = [FAULTS[one][0] for one in sorted({first, second})]
    if {"2120", "3118"} <= set(codes) or {"3121", "3122"} <= set(codes):
        return  # no line can have both
    seats = expired(FOLIO, 5)
    sent: dict[str, Any] = {"offer_id": FOLIO, "quantity": 1}
    for index in {first, second}:
        _, changes, spoil = FAULTS[index]
        sent |= changes
        seats = spoil(seats)
    wanted = {"subscription_id": seats.subscription_id, **sent}
    line = RequestLine(1, wanted.pop("offer_id"), wanted.pop("quantity"), **wanted)
    assert refusal(account(seats), line)[0] == codes[0]


@pytest.mark.proves("2119", "2121", "2123", "2140")
def test_the_checks_of_every_order_come_first() -> None:
    known = account()
    unknown = [RequestLine(one, FOLIO, 1, subscription_id="S1") for one in range(500)]
    assert refusal(known, *unknown) == ("2119",)
    assert refusal(known, unknown[4], unknown[4]) == ("2121", "Line Item: 4")
    assert refusal(known, replace(unknown[0], number=-1)) == ("2123", "Line Item: -1")
    mixed = replace(unknown[0], currency="EUR")
    assert refusal(known, mixed, currency="USD") == ("2140",)


# --- what a line takes from its subscription -------------------------------------------------


def test_currency_and_deployment_are_those_of_the_subscription() -> None:
    seats = expired(SCRIPT_EU, 2, currency="EUR", deployment_id="D1")
    known = account(seats, deployments=(deployment("D1", "DE"),))
    sent: list[dict[str, Any]] = [{}, {"currency": "EUR"}, {"deployment_id": "D1"}]
    for more in sent:
        (line,) = sold(known, renewing(seats, **more))
        assert (line.currency, line.deployment_id) == ("EUR", "D1")
        assert line.price is not None
        assert (line.price.region, line.price.amount) == ("WE", Decimal("749.28"))
    assert refusal(known, renewing(seats), currency="USD") == ("2137", LINE)
    assert refusal(known, renewing(seats, deployment_id="D2")) == ("2138", LINE)


def test_an_add_on_is_renewed_with_its_base() -> None:
    base, add_on = expired(FOLIO, 5), expired(ADD_ON, 5)
    assert len(sold(account(base, add_on), renewing(add_on), renewing(base, number=2))) == 2
    assert len(sold(account(held(FOLIO, 5), add_on), renewing(add_on))) == 1


# --- levels ----------------------------------------------------------------------------------


def test_the_whole_order_makes_the_level() -> None:
    one, other = expired(FOLIO, 6), expired(VECTOR, 6)
    lines = [
        renewing(one, offer_id="65304479CA02A12"),
        renewing(other, offer_id="69804578CA02A12", number=2),
    ]
    assert [line.offer_id for line in sold(account(one, other), *lines)] == [
        "65304479CA02A12",
        "69804578CA02A12",
    ]


def test_a_worse_level_is_sold_as_sent() -> None:
    seats = expired(FOLIO, 60)
    (line,) = sold(account(seats), renewing(seats))
    assert line.offer_id == FOLIO


def test_what_has_renewed_since_the_anniversary_counts() -> None:
    done, seats = expired(VECTOR, 6), expired(FOLIO, 6)
    renewed = replace(done, status="1000", expired_on=None, renewal_date=date(2027, 7, 7))
    buyer = samples.customer(anniversary="2027-07-07")
    line = renewing(seats, offer_id="65304479CA02A12")

    def decide(*orders: Any) -> tuple[str, ...]:
        known = account(renewed, seats, buyer=buyer, term_orders=orders)
        return tuple(one.offer_id for one in sold(known, line))

    assert decide(renewal_order((done, 6))) == ("65304479CA02A12",)
    others = [
        renewal_order((done, 6), status="1004"),
        renewal_order((done, 6), status="1002"),
        renewal_order((done, 6), at_instant="2026-07-06T23:59:59Z"),
        renewal_order((done, 6), order_type="NEW"),
    ]
    for order in others:
        known = account(renewed, seats, buyer=buyer, term_orders=(order,))
        assert refusal(known, line)[0] == "2129", order
    returned = renewal_order((done, 6))
    lines = tuple(replace(one, status="1008") for one in returned.lines)
    known = account(renewed, seats, buyer=buyer, term_orders=(replace(returned, lines=lines),))
    assert refusal(known, line)[0] == "2129"


def test_the_level_of_the_term_so_far_is_kept_and_that_of_the_last_is_not() -> None:
    seats = expired(FOLIO, 1)
    line = renewing(seats, offer_id="65304479CA03A12")
    running = held(VECTOR, 60, renewal_date=date(2027, 7, 7))
    buyer = samples.customer(anniversary="2027-07-07", license_level="03")
    assert len(sold(account(seats, running, buyer=buyer), line)) == 1
    lapsed = samples.customer(anniversary=AD, license_level="03")
    assert refusal(account(seats, buyer=lapsed), line)[0] == "2129"


@pytest.mark.proves("subscriptions.md 40")
def test_a_renewal_that_brings_a_commitment_back_is_sold_under_it() -> None:
    missed = ThreeYearCommit(
        Commitment(
            "NONCOMPLIANT",
            date(2025, 7, 7),
            date(2028, 7, 6),
            samples.of(("LICENSE", 10)),
            lapsed_on=LAPSED,
        )
    )
    done, seats = expired(VECTOR, 6), expired(FOLIO, 6)
    running = replace(done, status="1000", expired_on=None, renewal_date=date(2027, 7, 7))
    buyer = samples.customer(anniversary="2027-07-07", benefits=(missed,))
    run = renewal_order((done, 6), at_instant="2026-07-07T00:00:00Z")
    known = account(running, seats, buyer=buyer, term_orders=(run,))
    (line,) = sold(known, renewing(seats, offer_id="65304479CA12A12"))
    assert line.offer_id == "65304479CA12A12"
    assert refusal(known, renewing(seats, 3, offer_id="65304479CA12A12"))[0] == "2129"


@pytest.mark.proves("3123")
def test_a_commitment_renews_what_is_sold_no_more_but_supported() -> None:
    commit = samples.committed("2025-07-07", ("LICENSE", 10))
    buyer = samples.customer(anniversary="2027-07-07", license_level="12", benefits=(commit,))
    running = held(VECTOR, 12, renewal_date=date(2027, 7, 7))
    motion, classic = expired(MOTION, 1), expired(CLASSIC, 1)
    known = account(running, motion, classic, buyer=buyer)
    (line,) = sold(known, renewing(motion, offer_id="65322461CA12A12"))
    assert line.price is not None
    assert line.price.partner_price == Decimal("259.20")
    assert refusal(known, renewing(classic)) == ("3123", LINE)


# --- codes -----------------------------------------------------------------------------------


def test_a_migrated_customer_renews_with_its_code_or_at_the_list_price() -> None:
    seats = expired(SUITE, 5)
    known = account(seats, buyer=samples.customer(anniversary=AD, **HVD))
    for code, price in (("HVD_L18_PRE", "299.99"), ("", "359.99")):
        (line,) = sold(known, renewing(seats, discount_code=code))
        assert line.discount_code == code
        assert line.price is not None
        assert line.price.partner_price == Decimal(price)


@pytest.mark.proves("S-013")
def test_a_flexible_discount_is_named_or_not_given() -> None:
    seats = expired(ALL_APPS, 5, flex_codes=("BLACK_FRIDAY_10_PERCENT_OFF",))
    (plain,) = sold(account(seats), renewing(seats))
    assert plain.flex == ()
    named = renewing(seats, flex_codes=("BLACK_FRIDAY_10_PERCENT_OFF",))
    (line,) = sold(account(seats), named)
    assert [one.result for one in line.flex] == ["SUCCESS"]
    assert line.price is not None
    assert (line.price.unit_price, line.price.amount) == (Decimal("350.10"), Decimal("1750.50"))
