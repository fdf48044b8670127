"""What a customer is left with when an anniversary has passed with nothing to renew."""

from datetime import date

from msgspec.structs import replace

from seatledger.domain.model import Account
from seatledger.domain.terms import has_lapsed, opens_term, present_customer
from tests import samples

LAPSED = date(2026, 7, 7)


def account(**changes: object) -> Account:
    """A customer of level 03 whose anniversary has passed without seats."""
    buyer = samples.customer(anniversary="2026-07-07", license_level="03", consumables_level="T2")
    return Account(replace(buyer, **changes))


def test_levels_start_over() -> None:
    known = account()
    assert has_lapsed(known, LAPSED)
    assert opens_term(known, LAPSED)
    present = present_customer(known, LAPSED)
    assert (present.license_level, present.consumables_level) == ("01", "T1")


def test_while_the_term_runs_nothing_changes() -> None:
    known = account()
    assert present_customer(known, date(2026, 7, 6)) == known.customer


def test_a_commitment_still_in_force_keeps_its_levels() -> None:
    """As with relaxed_3yc, which never calls one missed."""
    commit = samples.committed("2025-07-07", ("LICENSE", 50))
    present = present_customer(account(benefits=(commit,)), LAPSED)
    assert (present.license_level, present.consumables_level) == ("13", "T1")


def test_one_that_was_missed_does_not() -> None:
    commit = samples.committed("2025-07-07", ("LICENSE", 50), status="NONCOMPLIANT")
    present = present_customer(account(benefits=(commit,)), LAPSED)
    assert present.license_level == "01"
