"""Flexible discounts with criteria of a three-year commit (catalog.md 7.3)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from seatledger.domain.benefits import Commitment, CommitmentRequest, ThreeYearCommit
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.model import Customer
from seatledger.domain.outcome import Refused
from tests import samples
from tests.samples import committed, of, want

FOLIO, ALL_APPS = "65304479CA01A12", "11073058CA01A12"
NEW, EXISTING = "NEW3YC_FULL_TERM_18", "EXISTING3YC_YEAR_50PLUS"
STATUS = "INELIGIBLE_COMMITMENT_STATUS"
FIFTY = ("LICENSE", 50)


def buyer(commit: ThreeYearCommit) -> Customer:
    return samples.customer(benefits=(commit,), anniversary="2026-07-07")


def accepted(*minimums: tuple[str, int], start: str = "2026-02-01") -> CommitmentRequest:
    """A request that the customer has accepted; its commitment would end three years later."""
    first = date.fromisoformat(start)
    last = date(first.year + 3, first.month, first.day)
    return CommitmentRequest("ACCEPTED", of(*minimums), first, first, last)


def codes(code: str, **changes: Any) -> FlexDiscounts:
    """A sample discount alone, with changes."""
    return FlexDiscounts([replace(samples.discounts().with_code(code)[0], **changes)])


def ask(code: str, commit: ThreeYearCommit, quantity: int = 1, **more: Any) -> str:
    """Why a line of so many seats does not get a discount; "" when it does."""
    line = want(FOLIO, quantity, flex_codes=(code,))
    decision = samples.decide(line, buyer=buyer(commit), **more)
    if isinstance(decision, Refused):
        return decision.details[0].partition(", Reason: ")[2]
    (sold,) = decision.lines
    assert sold.flex[0].result == "SUCCESS"
    return ""


@pytest.mark.parametrize(
    ("held", "quantity", "reason"),
    [
        (0, 50, ""),
        (49, 1, ""),
        (48, 1, f"{STATUS}_OR_COMMIT_QUANTITY"),
        (0, 49, f"{STATUS}_OR_COMMIT_QUANTITY"),
    ],
)
@pytest.mark.proves("2141")
def test_new_customers_commit_with_the_order_that_reaches_the_minimum(
    held: int, quantity: int, reason: str
) -> None:
    seats = (samples.seats(ALL_APPS, held, "2026-07-07"),) if held else ()
    commit = ThreeYearCommit(request=accepted(FIFTY))
    assert ask(NEW, commit, quantity, subscriptions=seats) == reason


def test_the_committing_order_has_the_discount_on_its_locked_price() -> None:
    commit = ThreeYearCommit(request=accepted(FIFTY))
    line = want(FOLIO, 50, flex_codes=(NEW,))
    (sold,) = samples.sold(line, buyer=buyer(commit))
    assert sold.price is not None
    assert sold.offer_id == "65304479CA13A12"
    assert (sold.price.partner_price, sold.price.unit_price) == (
        Decimal("229.56"),
        Decimal("188.24"),
    )


@pytest.mark.parametrize("status", ["EXPIRED", "INACTIVE", "NONCOMPLIANT"])
def test_who_has_committed_before_is_not_new(status: str) -> None:
    over = committed("2023-01-01", FIFTY, status=status)
    assert ask(NEW, over, 50) == STATUS
    again = replace(over, request=accepted(FIFTY))
    assert ask(NEW, again, 50) == STATUS


def test_new_customers_stay_new_through_their_first_commitment() -> None:
    first = committed("2025-07-07", FIFTY)
    assert ask(NEW, first) == ""
    assert first.commitment is not None
    second = replace(first, commitment=replace(first.commitment, number=2))
    assert ask(NEW, second) == STATUS
    assert ask(EXISTING, second, subscriptions=(samples.seats(ALL_APPS, 50, "2026-07-07"),)) == ""


@pytest.mark.parametrize(
    ("end", "now", "reason"),
    [
        # committed long before the anniversary: the first year ends with the running term
        ("2028-07-06", "2026-07-06T23:59:59Z", ""),
        ("2028-07-06", "2026-07-07T00:00:00Z", f"{STATUS}_OR_NOT_ELIGIBLE"),
        # committed in the last thirty days of a term: it has three full ones before it
        ("2029-07-06", "2026-07-07T00:00:00Z", ""),
        ("2029-07-06", "2027-07-07T00:00:00Z", f"{STATUS}_OR_NOT_ELIGIBLE"),
    ],
)
@pytest.mark.proves("2141")
def test_a_discount_of_the_first_year_ends_with_it(end: str, now: str, reason: str) -> None:
    commit = committed("2025-10-01", FIFTY, end=end)
    for code in (NEW, EXISTING):
        scoped = codes(code, commit_scope="FIRST_YEAR", min_commit_quantity=None)
        assert ask(code, commit, now=now, codes=scoped) == reason


def test_a_discount_of_the_year_can_be_used_in_every_year() -> None:
    commit = committed("2023-07-07", FIFTY, end="2029-07-06")
    held = samples.seats(ALL_APPS, 50, "2029-07-07")
    used = samples.redemption(EXISTING, "2024-01-01T00:00:00Z")
    for now in ("2024-02-01T00:00:00Z", "2026-02-01T00:00:00Z", "2029-07-06T23:59:59Z"):
        assert ask(EXISTING, commit, now=now, subscriptions=(held,), redemptions=(used,)) == ""


@pytest.mark.parametrize(
    ("committed_to", "held", "reason"),
    [(50, 49, ""), (49, 100, "_OR_COMMIT_QUANTITY"), (60, 58, "_OR_COMMIT_QUANTITY"), (60, 59, "")],
)
@pytest.mark.proves("2141")
def test_the_committed_quantity_has_to_be_large_enough_and_reached(
    committed_to: int, held: int, reason: str
) -> None:
    commit = committed("2025-07-07", ("LICENSE", committed_to))
    seats = samples.seats(ALL_APPS, held, "2026-07-07")
    expected = f"{STATUS}{reason}" if reason else ""
    assert ask(EXISTING, commit, subscriptions=(seats,)) == expected


def test_an_accepted_recommitment_is_a_commitment_too() -> None:
    over = committed("2022-07-07", FIFTY, status="EXPIRED")
    assert ask("NON3YC_TERM_5", over) == ""
    again = replace(over, recommitment=accepted(FIFTY, start="2025-07-07"))
    assert ask("NON3YC_TERM_5", again) == f"{STATUS}_OR_NOT_ELIGIBLE"


def test_a_commitment_to_transactions_counts_as_one() -> None:
    commit = ThreeYearCommit(
        Commitment("COMMITTED", date(2025, 7, 7), date(2028, 7, 6), of(("CONSUMABLES", 1000)))
    )
    assert ask(NEW, commit) == ""
    assert ask(EXISTING, commit) == f"{STATUS}_OR_COMMIT_QUANTITY"
