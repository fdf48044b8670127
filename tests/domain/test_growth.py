"""High Growth Offers: what is offered, and what speaks against a renewal code."""

from datetime import date
from typing import Any

import pytest

from seatledger.domain.benefits import Commitment, CommitmentRequest, Minimum, ThreeYearCommit
from seatledger.domain.growth import (
    OptIn,
    codes_offered,
    is_growth_offer,
    opt_in_refusal,
    seats_in_group,
)
from seatledger.domain.model import Account, Customer, Subscription
from tests import samples
from tests.settling import AD, ALL_APPS, FOLIO, folio

PRO = "65324918CA01A12"
STANDARD = "65322651CA01A12"
WEEK_BEFORE = date(2026, 6, 30)


@pytest.mark.proves("S-154")
@pytest.mark.parametrize(
    ("seats", "codes"),
    [
        (0, ("MOQ_100", "MOQ_250", "MOQ_500")),
        (50, ("MOQ_100", "MOQ_250", "MOQ_500")),
        (51, ("MOQ_250", "MOQ_500")),
        (125, ("MOQ_250", "MOQ_500")),
        (126, ("MOQ_500",)),
        (250, ("MOQ_500",)),
        (251, ()),
    ],
)
def test_the_codes_depend_on_the_seats_of_the_group(seats: int, codes: tuple[str, ...]) -> None:
    assert codes_offered(seats) == codes


def test_the_group_is_counted_over_its_products() -> None:
    held = (
        folio(7),
        samples.seats(STANDARD, 5, AD),
        samples.seats(PRO, 3, AD, deployment_id="1450043516", currency="EUR"),
        samples.seats(PRO, 90, AD, status="1004"),
        samples.seats(ALL_APPS, 90, AD),
        samples.seats(FOLIO, 90, AD, product_key="99999999CA"),
    )
    assert seats_in_group(held, samples.catalog(), "FOLIO") == 15


def test_growth_offers_are_told_by_their_variant() -> None:
    assert is_growth_offer("65324918CA14X12")
    assert is_growth_offer("65324918CA14Z12")
    assert not is_growth_offer(PRO)
    assert not is_growth_offer("")


def promised(
    quantity: int,
    *,
    end: str = "2028-07-06",
    offer_type: str = "LICENSE",
    status: str = "COMMITTED",
) -> Customer:
    """A customer with a commitment, or an accepted request for one."""
    minimums = (Minimum(offer_type, quantity),)
    start, last = date(2025, 7, 7), date.fromisoformat(end)
    if status == "ACCEPTED":
        request = CommitmentRequest(status, minimums, start, start, last)
        benefit = ThreeYearCommit(None, request)
    else:
        benefit = ThreeYearCommit(Commitment(status, start, last, minimums))
    return samples.customer(anniversary=AD, benefits=(benefit,))


def judged(
    code: str,
    quantity: int = 100,
    *,
    buyer: Customer | None = None,
    held: tuple[Subscription, ...] = (),
    today: date = WEEK_BEFORE,
    product: str = PRO,
    currency: str = "USD",
    **more: Any,
) -> str:
    """The code of the refusal of an opt-in, "" for none."""
    catalog = samples.catalog()
    wanted = OptIn(code, catalog.products[product[:10]], currency, quantity, **more)
    account = Account(buyer or promised(100), subscriptions=held)
    refused = opt_in_refusal(wanted, account, catalog, today)
    if refused is None:
        return ""
    assert refused.details == ("autoRenewal.renewalCode",)
    return refused.code


def test_without_a_code_there_is_nothing_to_judge() -> None:
    assert judged("") == ""
    assert judged("", offer_id="65324918CA03A12") == ""


def test_a_sound_opt_in_is_not_served_yet() -> None:
    assert judged("MOQ_100") == "4121"
    assert judged("MOQ_100", offer_id="65324918CA14X12") == "4121"
    assert judged("MOQ_100", offer_id="65324918CA03A12") == "4121"
    assert judged("MOQ_100", buyer=promised(100, status="ACCEPTED")) == "4121"


@pytest.mark.proves("5125")
def test_codes_that_do_not_fit_what_stands_beside_them() -> None:
    assert judged("MOQ_100", switches_off=True) == "5125"
    assert judged("MOQ_100", product=FOLIO) == "5125"  # of the group, but no target
    assert judged("", offer_id="65324918CA14X12") == "5125"
    assert judged("MOQ_250", offer_id="65324918CA14X12") == "5125"
    assert judged("NOPE", product=ALL_APPS) == "5125"


@pytest.mark.proves("5123", "subscriptions.md 44")
def test_codes_that_stand_for_nothing() -> None:
    assert judged("MOQ_300") == "5123"
    assert judged("moq_100") == "5123"
    assert judged("MOQ_100", currency="EUR") == "5123"


@pytest.mark.proves("5127", "subscriptions.md 44")
@pytest.mark.parametrize(
    ("today", "answer"),
    [
        (date(2026, 6, 6), "5127"),
        (date(2026, 6, 7), "4121"),
        (date(2026, 7, 4), "4121"),
        (date(2026, 7, 5), "5127"),
    ],
)
def test_the_window(today: date, answer: str) -> None:
    assert judged("MOQ_100", today=today) == answer


def test_without_an_anniversary_there_is_no_window() -> None:
    assert judged("MOQ_100", buyer=samples.customer()) == "5127"


@pytest.mark.proves("5128", "subscriptions.md 44")
@pytest.mark.parametrize(
    "buyer",
    [
        samples.customer(anniversary=AD),
        promised(100, end="2026-07-06"),
        promised(1_000, offer_type="CONSUMABLES"),
        promised(100, status="NONCOMPLIANT"),
        promised(100, end="2026-07-06", status="ACCEPTED"),
    ],
)
def test_the_next_term_must_be_committed(buyer: Customer) -> None:
    assert judged("MOQ_100", buyer=buyer) == "5128"


@pytest.mark.proves("5129", "subscriptions.md 44")
def test_the_commitment_must_be_as_large() -> None:
    assert judged("MOQ_100", buyer=promised(50)) == "5129"
    assert judged("MOQ_250", 250, buyer=promised(249)) == "5129"
    assert judged("MOQ_250", 250, buyer=promised(250)) == "4121"


@pytest.mark.proves("5126", "subscriptions.md 44")
def test_the_group_must_be_small_enough() -> None:
    held = (samples.seats(PRO, 40, AD), folio(20))
    assert judged("MOQ_100", held=held) == "5126"
    assert judged("MOQ_250", 250, held=held, buyer=promised(250)) == "4121"


@pytest.mark.proves("5124", "subscriptions.md 44")
def test_the_renewal_must_reach_the_minimum() -> None:
    assert judged("MOQ_100", 99) == "5124"
    assert judged("MOQ_500", 499, buyer=promised(500)) == "5124"


# Everything wrong from here on at once: the first of the table answers.
@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ({"code": "MOQ_300", "switches_off": True}, "5125"),
        ({"code": "MOQ_300"}, "5123"),
        ({"code": "MOQ_100"}, "5127"),
        ({"code": "MOQ_100", "today": WEEK_BEFORE}, "5128"),
        ({"code": "MOQ_100", "today": WEEK_BEFORE, "buyer": promised(99)}, "5129"),
        ({"code": "MOQ_100", "today": WEEK_BEFORE, "buyer": promised(100)}, "5126"),
    ],
)
def test_the_checks_have_an_order(more: dict[str, Any], answer: str) -> None:
    usual = {
        "quantity": 1, "today": date(2026, 1, 1), "held": (folio(60),),
        "buyer": samples.customer(anniversary=AD),
    }  # fmt: skip
    assert judged(**{**usual, **more}) == answer
