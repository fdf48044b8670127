"""What orders of customers with a three-year commit are judged with."""

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.benefits import ACCEPTED, REQUESTED
from seatledger.domain.levels import LICENSE
from seatledger.domain.model import Customer
from seatledger.domain.orders.new import Accepted
from seatledger.domain.why import explain
from tests import samples
from tests.samples import seats, want

A, FOLIO = "11073058CA01A12", "65304479CA01A12"


def day(text: str) -> date:
    return date.fromisoformat(text)


def accepted_for(quantity: int, start: str = "2026-01-15") -> Customer:
    first = day(start)
    commit = samples.asked(
        ACCEPTED,
        (LICENSE, quantity),
        counted_from=first,
        start_date=first,
        end_date=day("2029-01-14"),
    )
    return samples.customer(benefits=(commit,))


@pytest.mark.proves("orders.md 35")
@pytest.mark.parametrize(
    ("ordered", "held", "offer_id"),
    [
        (12, 0, "11073058CA12A12"),
        (10, 0, "11073058CA12A12"),
        (9, 0, "11073058CA01A12"),
        (9, 1, "11073058CA12A12"),
        (4, 6, "11073058CA12A12"),
        (50, 0, "11073058CA13A12"),
    ],
)
def test_an_order_is_judged_with_the_commitment_it_reaches(
    ordered: int, held: int, offer_id: str
) -> None:
    subscriptions = (seats(FOLIO, held, "2027-01-15"),) if held else ()
    buyer = replace(accepted_for(10), coterm_date=day("2027-01-15"), term=1)
    (line,) = samples.sold(want(A, ordered), buyer=buyer, subscriptions=subscriptions)
    assert line.offer_id == offer_id
    (placed,) = samples.sold(
        want(offer_id, ordered), order_type="NEW", buyer=buyer, subscriptions=subscriptions
    )
    assert placed == line


def test_the_order_that_reaches_a_commitment_takes_its_level_and_locked_price() -> None:
    goods_of_2023 = accepted_for(50, "2023-06-01")
    (line,) = samples.sold(want(FOLIO, 50), buyer=goods_of_2023)
    assert line.price is not None
    assert (line.offer_id, str(line.price.partner_price)) == ("65304479CA13A12", "199.56")
    small = samples.customer(
        benefits=(samples.asked(REQUESTED, (LICENSE, 50), counted_from=day("2026-01-15")),)
    )
    (line,) = samples.sold(want(FOLIO, 50), buyer=small)
    assert line.offer_id == "65304479CA03A12"


def test_an_order_that_reaches_a_minimum_gets_at_least_its_rank() -> None:
    held = (seats(FOLIO, 95, "2027-01-15"),)
    buyer = replace(accepted_for(100), coterm_date=day("2027-01-15"), term=1)
    decision = samples.decide(want(A, 5), buyer=buyer, subscriptions=held)
    assert isinstance(decision, Accepted)
    assert decision.lines[0].offer_id == "11073058CA14A12"
    (told,) = explain("PREVIEW", decision.basis, decision.lines)["levels"]
    assert (told["earnedRank"], told["heldRank"], told["committedRank"]) == (1, 1, 4)
    assert (told["scale"], told["priceLock"]) == ("3YC", day("2026-01-15"))


@pytest.mark.proves("orders.md 36", "2129")
def test_levels_of_a_commitment_are_not_for_others() -> None:
    refused = samples.refusal(want("11073058CA12A12", 10), order_type="NEW")
    assert refused == ("2129", "Line Item: 1, Reason: INELIGIBLE_DISCOUNT_LEVEL")
    (line,) = samples.sold(want("11073058CA12A12", 10))
    assert line.offer_id == "11073058CA02A12"
    refused = samples.refusal(want("11073058CA12A12", 9), order_type="NEW", buyer=accepted_for(10))
    assert refused == ("2129", "Line Item: 1, Reason: INELIGIBLE_DISCOUNT_LEVEL")


def test_a_window_that_has_not_begun_is_no_price() -> None:
    early = samples.committed("2018-02-01", (LICENSE, 50), end="2031-01-31")
    buyer = samples.customer(benefits=(early,), license_level="13")
    (line,) = samples.sold(want(FOLIO, 1), buyer=buyer, now="2019-02-10T12:00:00Z")
    assert line.offer_id == "65304479CA03A12"
    (line,) = samples.sold(want(FOLIO, 1), buyer=buyer, now="2022-05-03T12:00:00Z")
    assert line.offer_id == "65304479CA13A12"


def test_a_missed_commitment_suspends_the_high_volume_code() -> None:
    tagged: dict[str, Any] = {
        "tags": ("HVD_MIGRATED_CUSTOMER",), "hvd_code": "HVD_L18_PRE", "license_level": "14",
    }  # fmt: skip
    orbit = "80004567EA01A12"
    for status, code in (("COMMITTED", "HVD_L18_PRE"), ("NONCOMPLIANT", ""), ("EXPIRED", "")):
        commit = samples.committed("2025-01-01", (LICENSE, 100), status=status)
        (line,) = samples.sold(want(orbit), buyer=samples.customer(benefits=(commit,), **tagged))
        assert line.discount_code == code
    (line,) = samples.sold(want(orbit), buyer=samples.customer(**tagged))
    assert line.discount_code == "HVD_L18_PRE"
