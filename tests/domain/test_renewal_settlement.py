"""What a renewal leaves once it has settled: seats, codes, levels (subscriptions.md 9.1, 9.2)."""

from datetime import date

import pytest

from seatledger.domain.effects import Rules, Settlement
from seatledger.domain.model import Account, Subscription
from seatledger.domain.renewal import complete_late, run_order, settle_run
from tests import samples
from tests.renewals import AD, LATE, account, expired, held, renewal_order
from tests.samples import at

FOLIO, VECTOR, ADD_ON = "65304479CA01A12", "69804578CA01A12", "30005893CA01A12"
EASTER, LOCK_END = "EASTER_26", "2028-03-31T23:59:59Z"
RUN = f"{AD}T00:00:00Z"
NEXT = date(2027, 7, 7)
RULES = Rules(samples.partner(), samples.catalog(), samples.discounts())


def run(known: Account, settled_at: str = RUN) -> Settlement:
    """The order of the anniversary of a customer, completed."""
    order = run_order(known, RULES, "9200000001", at(RUN), at(settled_at))
    assert order is not None
    return settle_run(order, known, "1000", RULES, at(settled_at))


def late(known: Account, seats: Subscription, quantity: int) -> Settlement:
    """A late renewal of one subscription, completed."""
    order = renewal_order((seats, quantity), status="1002")
    return complete_late(order, known, RULES, at(LATE))


# --- what counts -----------------------------------------------------------------------------


def test_add_ons_do_not_count_toward_the_level() -> None:
    known = account(held(FOLIO, 6), held(ADD_ON, 6))
    result = run(known)
    assert [line.quantity for line in result.order.lines] == [6, 6]
    assert result.customer.license_level == "01"


def test_add_ons_do_not_help_a_commitment() -> None:
    commit = samples.committed("2025-07-07", ("LICENSE", 10))
    buyer = samples.customer(anniversary=AD, license_level="12", benefits=(commit,))
    after = run(account(held(FOLIO, 6), held(ADD_ON, 6), buyer=buyer)).customer
    assert after.three_year_commit is not None
    assert after.three_year_commit.commitment is not None
    assert after.three_year_commit.commitment.status == "NONCOMPLIANT"
    assert after.license_level == "01"


def test_a_late_renewal_never_lowers_the_level_of_the_term() -> None:
    """Renewed at level 02; an order of 100 raised it to 04."""
    running, lapsed = held(VECTOR, 110, renewal_date=NEXT), expired(FOLIO, 5)
    buyer = samples.customer(anniversary="2027-07-07", license_level="04")
    renewed = renewal_order((running, 10), at_instant=RUN)
    known = account(running, lapsed, buyer=buyer, term_orders=(renewed,))
    assert late(known, lapsed, 5).customer.license_level == "04"


# --- what stays and what goes ----------------------------------------------------------------


def test_the_run_keeps_explicit_quantities_and_takes_seats_out_of_use() -> None:
    (renewed,) = run(account(held(FOLIO, 10, used_quantity=9, explicit_quantity=4))).subscriptions
    assert renewed == held(
        FOLIO, 4, used_quantity=4, explicit_quantity=4, renewal_date=NEXT, position=1
    )


def test_a_late_renewal_starts_over_but_for_what_is_used() -> None:
    """Neither settings nor codes of the lapsed term come along, as after a failed run."""
    lapsed = expired(FOLIO, 10, used_quantity=9, flex_codes=("NEW YEAR",), position=1)
    (reopened,) = late(account(lapsed), lapsed, 4).subscriptions
    assert reopened == held(FOLIO, 4, used_quantity=4, renewal_date=NEXT, position=1)


@pytest.mark.parametrize(
    ("settled_at", "left"), [(LOCK_END, (EASTER,)), ("2028-04-01T00:00:00Z", ())]
)
def test_a_reusable_code_stays_until_its_lock_date(settled_at: str, left: tuple[str, ...]) -> None:
    seats = held(FOLIO, 10, flex_codes=(EASTER,))
    use = samples.redemption(
        EASTER, "2026-04-01T00:00:00Z", seats.product_key, subscription_id=seats.subscription_id
    )
    result = run(account(seats, redemptions=(use,)), settled_at)
    assert [one.result for one in result.order.lines[0].flex] == ["SUCCESS"]
    assert result.subscriptions[0].flex_codes == left


@pytest.mark.parametrize("is_late", [False, True])
def test_an_extended_term_ends_with_its_anniversary(is_late: bool) -> None:
    buyer = samples.customer(anniversary=AD, extended_term=True)
    seats = expired(FOLIO, 5) if is_late else held(FOLIO, 5)
    known = account(seats, buyer=buyer)
    after = (late(known, seats, 5) if is_late else run(known)).customer
    assert (after.coterm_date, after.term, after.extended_term) == (NEXT, 2, False)
