"""Whether a customer's term still runs, and what is left of it when it does not."""

from datetime import date

from msgspec.structs import replace

from seatledger.domain.commitments import with_committed_levels
from seatledger.domain.levels import CONSUMABLES, LICENSE, level_at
from seatledger.domain.model import Account, Customer


def has_lapsed(account: Account, today: date) -> bool:
    """Whether the anniversary has passed with nothing co-term active (orders.md 1.5).

    Products with a renewal date of their own never followed the anniversary and do not count.
    """
    coterm = account.customer.coterm_date
    return coterm is not None and coterm <= today and not account.open_coterm


def opens_term(account: Account, today: date) -> bool:
    """Whether the next completed sale sets the anniversary."""
    return account.customer.coterm_date is None or has_lapsed(account, today)


def present_customer(account: Account, today: date) -> Customer:
    """The customer as it stands today: without active seats after the anniversary, levels start
    over (accounts.md 7.2), at those of a commitment that is in force in spite of it."""
    if not has_lapsed(account, today):
        return account.customer
    fresh = replace(
        account.customer,
        license_level=level_at(LICENSE, "PLAIN", 1),
        consumables_level=level_at(CONSUMABLES, "PLAIN", 1),
    )
    commit = fresh.three_year_commit
    running = commit.running if commit is not None else None
    return fresh if running is None else with_committed_levels(fresh, running)
