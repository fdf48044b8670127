"""PREVIEW_RENEWAL as a pure decision, with lines and without (orders.md 6.1, 6.2)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.growth import EligibleOffer
from seatledger.domain.model import Account, Subscription
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.request import RequestLine
from tests import samples
from tests.renewals import (
    AD,
    account,
    deployment,
    expired,
    held,
    judge,
    refusal,
    renewal_order,
    renewing,
    scheduled,
    sold,
    told,
)

FOLIO, ALL_APPS, VECTOR = "65304479CA01A12", "11073058CA01A12", "69804578CA01A12"
TEMPO, SUITE, ADD_ON = "65304600CA01A12", "80004567EA01A12", "30005893CA01A12"
CLASSIC, MOTION, STARTER = "65322447CA01A12", "65322461CA01A12", "65322450CAT1A12"
PRO, STANDARD, SCRIPT_EU = "65324918CA01A12", "65322651CA01A12", "65305345CA01A12"
BEFORE = "2026-06-20T12:00:00Z"
LINE = "Line Item: 1"


def asked(seats: Subscription, number: int = 1, **more: Any) -> RequestLine:
    """A line that leaves the quantity to the service."""
    return replace(renewing(seats, number=number, **more), quantity=0, has_quantity=False)


def previewed(known: Account, *lines: RequestLine, **more: Any) -> Accepted:
    """What a preview shows some weeks before the anniversary."""
    decision = judge(known, *lines, preview=True, **{"now": BEFORE, **more})
    assert isinstance(decision, Accepted), decision
    return decision


# --- without lines ---------------------------------------------------------------------------


@pytest.mark.proves("orders.md 65", "2136", "S-136", "S-141")
@pytest.mark.parametrize(
    "seats",
    [
        (),
        (held(FOLIO, 5, auto_renewal=False),),
        (expired(FOLIO, 5),),
        (held(STARTER, 1), held(FOLIO, 5, explicit_quantity=0)),
    ],
)
def test_nothing_set_to_renew_is_refused(seats: tuple[Subscription, ...]) -> None:
    assert refusal(account(*seats), preview=True, now=BEFORE) == ("2136",)
    without_term = account(*seats, buyer=samples.customer())
    assert refusal(without_term, preview=True, now=BEFORE) == ("2136",)


@pytest.mark.proves("S-147", "orders.md 64")
def test_the_order_type_alone_is_enough() -> None:
    found = previewed(account(held(ALL_APPS, 5)))
    assert told(found.lines) == [(ALL_APPS, 5, "1000")]
    assert found.basis.anniversary == date(2026, 7, 7)
    assert found.eligible == ()


@pytest.mark.proves("2148")
def test_several_currencies_have_no_prices() -> None:
    known = account(
        held(SCRIPT_EU, 2, currency="EUR", deployment_id="D1"),
        held(FOLIO, 2),
        deployments=(deployment("D1", "DE"),),
    )
    assert len(previewed(known).lines) == 2
    assert refusal(known, preview=True, fetch_price=True, now=BEFORE) == ("2148",)
    nothing = account(held(FOLIO, 2, auto_renewal=False))
    assert refusal(nothing, preview=True, fetch_price=True, now=BEFORE) == ("2136",)


def test_a_pending_run_may_be_previewed() -> None:
    run = renewal_order((held(FOLIO, 5), 5), status="1002", source="System")
    known = account(held(FOLIO, 5), pending=(run,))
    assert told(previewed(known, now="2026-07-07T09:00:00Z").lines) == [(FOLIO, 5, "1000")]
    line = renewing(held(FOLIO, 5))
    assert refusal(known, line, preview=True, now="2026-07-07T09:00:00Z") == ("4122", LINE)


# --- with lines ------------------------------------------------------------------------------


@pytest.mark.proves("orders.md 67", "S-140", "S-152")
@pytest.mark.parametrize(
    ("seats", "quantity"),
    [
        (held(FOLIO, 5), 5),
        (held(FOLIO, 5, explicit_quantity=8), 8),
        (held(FOLIO, 5, explicit_quantity=2), 2),
        (held(FOLIO, 5, explicit_quantity=8, auto_renewal=False), 5),
        (scheduled(FOLIO, 20), 20),
    ],
)
def test_the_quantity_is_that_of_the_renewal(seats: Subscription, quantity: int) -> None:
    (line,) = previewed(account(seats), asked(seats)).lines
    assert (line.quantity, line.status, line.subscription_id) == (quantity, "1000", "S65304479")
    (line,) = previewed(account(seats), renewing(seats, 1)).lines
    assert line.quantity == 1


def test_expired_subscriptions_default_to_all_their_seats() -> None:
    seats = expired(FOLIO, 5, explicit_quantity=2)
    (line,) = previewed(account(seats), asked(seats), now="2026-07-20T12:00:00Z").lines
    assert line.quantity == 5


@pytest.mark.proves("3118", "2120")
def test_limits_of_a_sent_quantity() -> None:
    seats = held(FOLIO, 5, explicit_quantity=8)
    assert len(previewed(account(seats), renewing(seats, 8)).lines) == 1
    more = renewing(seats, 9)
    assert refusal(account(seats), more, preview=True, now=BEFORE) == ("3118", LINE)
    fewer = held(FOLIO, 5, explicit_quantity=2)
    assert len(previewed(account(fewer), renewing(fewer, 5)).lines) == 1
    off = scheduled(FOLIO, 20, auto_renewal=False)
    assert refusal(account(off), asked(off), preview=True, now=BEFORE) == ("2120", LINE)


def test_any_level_sent_becomes_the_best_one() -> None:
    one, other = held(FOLIO, 6), held(VECTOR, 6)
    lines = [
        renewing(one, offer_id="65304479CA12A12"),
        renewing(other, offer_id=VECTOR, number=2),
    ]
    assert [line.offer_id for line in previewed(account(one, other), *lines).lines] == [
        "65304479CA02A12",
        "69804578CA02A12",
    ]


def test_only_the_chosen_lines_make_the_level() -> None:
    one, other = held(FOLIO, 6), held(VECTOR, 60)
    buyer = samples.customer(anniversary=AD, license_level="03")
    (line,) = previewed(account(one, other, buyer=buyer), renewing(one)).lines
    assert line.offer_id == FOLIO


@pytest.mark.proves("S-145")
def test_a_product_that_will_have_ended_is_shown_with_its_last_price() -> None:
    one, other = held(CLASSIC, 25), held(FOLIO, 5)
    found = previewed(account(one, other), renewing(one), renewing(other, number=2))
    assert told(found.lines) == [(CLASSIC, 25, "1004"), (FOLIO, 5, "1000")]
    assert found.lines[0].price is not None
    assert found.lines[0].price.partner_price == Decimal("359.99")
    gone = expired(CLASSIC, 25)
    assert refusal(account(gone), renewing(gone), preview=True) == ("3123", LINE)


def test_open_and_expired_lines_belong_to_different_terms() -> None:
    lapsed, running = expired(FOLIO, 6), held(VECTOR, 6, renewal_date=date(2027, 7, 7))
    buyer = samples.customer(anniversary="2027-07-07", license_level="02")
    known = account(lapsed, running, buyer=buyer)
    late, ahead = previewed(
        known, renewing(lapsed), renewing(running, number=2), now="2026-07-20T12:00:00Z"
    ).lines
    assert late.price is not None
    assert ahead.price is not None
    assert (late.offer_id, late.price.days) == ("65304479CA02A12", 365)
    assert (ahead.offer_id, ahead.price.days) == (VECTOR, 366)


@pytest.mark.proves("3115", "3122", "2122", "2129", "4121")
@pytest.mark.parametrize(
    ("seats", "sent", "expected"),
    [
        (held(FOLIO, 5), {"subscription_id": "S1"}, ("3115", LINE)),
        (expired(FOLIO, 0, expired_on=None), {}, ("3122", LINE)),
        (held(STARTER, 1), {}, ("3122", f"{LINE}, Reason: NOT_RENEWABLE")),
        (
            held(FOLIO, 5),
            {"offer_id": VECTOR},
            ("2122", f"{LINE}, Reason: OFFER_DOES_NOT_MATCH_SUBSCRIPTION"),
        ),
        (held(FOLIO, 5), {"currency": "EUR"}, ("2137", LINE)),
        (held(FOLIO, 5), {"deployment_id": "D1"}, ("2138", LINE)),
        (held(ADD_ON, 5), {}, ("2129", f"{LINE}, Reason: INELIGIBLE_ADD_ON")),
        (held(PRO, 5), {"offer_id": "65324918CA14X12"}, ("4121", LINE)),
        (held(FOLIO, 5), {"flex_codes": ("NOPE",)}, ("2146", f"{LINE}, Reason: NOT_FOUND")),
        (
            held(FOLIO, 5),
            {"flex_codes": ("BLACK_FRIDAY_22_FAILURE_3",)},
            ("2141", f"{LINE}, Reason: Invalid Flexible Discount"),
        ),
        (
            held(SUITE, 5),
            {"discount_code": "HVD_L18_PRE"},
            ("5135", f"{LINE}, Reason: NOT_HVD_CUSTOMER"),
        ),
    ],
)
def test_what_is_refused_with_lines(
    seats: Subscription, sent: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert refusal(account(seats), renewing(seats, **sent), preview=True, now=BEFORE) == expected


@pytest.mark.proves("2148")
def test_prices_of_chosen_lines_are_in_one_currency() -> None:
    one, other = held(SCRIPT_EU, 2, currency="EUR", deployment_id="D1"), held(FOLIO, 2)
    known = account(one, other, deployments=(deployment("D1", "DE"),))
    lines = [renewing(one), renewing(other, number=2)]
    assert len(previewed(known, *lines).lines) == 2
    assert refusal(known, *lines, preview=True, fetch_price=True, now=BEFORE) == ("2148",)
    assert len(previewed(known, lines[0], fetch_price=True).lines) == 1
    unknown = replace(lines[1], subscription_id="S1")
    refused = refusal(known, lines[0], unknown, preview=True, fetch_price=True, now=BEFORE)
    assert refused == ("3115", "Line Item: 2")


@pytest.mark.proves("S-143")
@pytest.mark.parametrize("code", ["", "HVD_L18_PRE", "HVD_L20_POST", "NOPE"])
def test_codes_of_migrated_customers_are_corrected(code: str) -> None:
    buyer = samples.customer(
        anniversary=AD, tags=("HVD_MIGRATED_CUSTOMER",), hvd_code="HVD_L18_PRE"
    )
    one, other = held(SUITE, 1), held(FOLIO, 1)
    known = account(one, other, buyer=buyer)
    lines = [
        renewing(one, discount_code=code),
        renewing(other, number=2, discount_code=code),
    ]
    found = previewed(known, *lines).lines
    assert [line.discount_code for line in found] == ["HVD_L18_PRE", ""]


def test_a_migrated_customer_whose_code_ends_shows_none() -> None:
    commit = samples.committed("2023-07-07", ("LICENSE", 50))
    buyer = samples.customer(
        anniversary=AD,
        tags=("HVD_MIGRATED_CUSTOMER",),
        hvd_code="HVD_L18_PRE",
        benefits=(commit,),
    )
    seats = held(SUITE, 60)
    line = renewing(seats, discount_code="HVD_L18_PRE")
    (found,) = previewed(account(seats, buyer=buyer), line).lines
    assert (found.discount_code, found.offer_id) == ("", "80004567EA03A12")


@pytest.mark.parametrize("quantity", [1, 5, 10])
def test_what_a_preview_shows_of_expired_seats_is_sold(quantity: int) -> None:
    one, other = expired(ALL_APPS, 10), expired(TEMPO, 10)
    known = account(one, other)
    lines = [
        renewing(one, quantity, flex_codes=("BLACK_FRIDAY_10_PERCENT_OFF",)),
        renewing(other, number=2),
    ]
    shown = previewed(known, *lines, now="2026-07-20T12:00:00Z").lines
    wanted = [
        replace(line, offer_id=found.offer_id) for line, found in zip(lines, shown, strict=True)
    ]
    assert [replace(one, status="1000") for one in sold(known, *wanted)] == list(shown)


@pytest.mark.parametrize(
    ("anniversary", "now", "is_granted"),
    [
        ("2026-07-07", "2026-03-01T12:00:00Z", True),  # not begun yet, but it will have
        ("2026-10-01", "2026-08-01T12:00:00Z", False),  # it will have ended
    ],
)
def test_a_discount_is_judged_as_it_stands_on_the_anniversary(
    anniversary: str, now: str, *, is_granted: bool
) -> None:
    seats = held(SUITE, 1, renewal_date=date.fromisoformat(anniversary))
    chosen = replace(seats, flex_codes=("SUMMER_SALE_123",))
    buyer = samples.customer(anniversary=anniversary)
    line = renewing(seats, flex_codes=("SUMMER_SALE_123",))
    (by_settings,) = previewed(account(chosen, buyer=buyer), now=now).lines
    assert by_settings.flex[0].result == ("SUCCESS" if is_granted else "FAILURE")
    if is_granted:
        (found,) = previewed(account(seats, buyer=buyer), line, now=now).lines
        assert found.price == by_settings.price
    else:
        refused = refusal(account(seats, buyer=buyer), line, preview=True, now=now)
        assert refused == ("2141", f"{LINE}, Reason: Invalid Flexible Discount")


def test_failed_codes_are_refused_whatever_a_quirk_says_of_previews() -> None:
    seats = held(FOLIO, 5)
    line = renewing(seats, flex_codes=("BLACK_FRIDAY_22_FAILURE_3",))
    quirks = ("preview_reports_failed_codes",)
    refused = refusal(account(seats), line, preview=True, now=BEFORE, quirks=quirks)
    assert refused[0] == "2141"


# --- High Growth Offers ----------------------------------------------------------------------


def offered(*seats: Subscription, **facts: Any) -> list[tuple[str, str, int, str]]:
    """What a preview of one renewing product beside `seats` lists."""
    found = previewed(account(held(VECTOR, 1), *seats, **facts)).eligible
    return [(one.offer_id, one.code, one.minimum, one.deployment_id) for one in found]


X, Y, Z = (
    ("65324918CA14X12", "MOQ_100", 100),
    ("65324918CA14Y12", "MOQ_250", 250),
    ("65324918CA14Z12", "MOQ_500", 500),
)


@pytest.mark.proves("orders.md 69", "S-142", "S-153", "S-154", "S-155")
@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        (1, [X, Y, Z]),
        (50, [X, Y, Z]),
        (51, [Y, Z]),
        (125, [Y, Z]),
        (126, [Z]),
        (250, [Z]),
        (251, []),
    ],
)
def test_codes_offered_by_the_seats_in_the_group(
    quantity: int, expected: list[tuple[str, str, int]]
) -> None:
    assert offered(held(PRO, quantity)) == [(*one, "") for one in expected]


@pytest.mark.proves("orders.md 69")
def test_no_product_of_a_group_no_offers() -> None:
    assert offered() == []
    assert offered(expired(PRO, 10)) == []
    assert offered(scheduled(PRO, 10)) == []


def test_every_product_of_the_group_counts_and_leads_to_its_target() -> None:
    assert offered(held(STANDARD, 30, auto_renewal=False), held(FOLIO, 30)) == [(*Y, ""), (*Z, "")]


def test_offers_are_listed_for_every_deployment_that_holds_the_group() -> None:
    places = (deployment("D1", "CA"), deployment("D2", "DE"))
    seats = [
        held(PRO, 60, deployment_id="D1"),
        held(PRO, 2, subscription_id="S2"),
        held(FOLIO, 2, deployment_id="D2", currency="EUR"),
    ]
    assert offered(*seats, deployments=places) == [
        (*Y, "D1"),
        (*Y, ""),
        (*Z, "D1"),
        (*Z, ""),
    ]  # nothing is sold in euros


def test_chosen_lines_are_shown_with_the_offers_of_the_customer() -> None:
    seats, pro = held(VECTOR, 1), held(PRO, 126)
    found = previewed(account(seats, pro), renewing(seats))
    assert found.eligible == (EligibleOffer(Z[0], Z[1], Z[2]),)
