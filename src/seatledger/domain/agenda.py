"""What happens to a customer by itself, and when (sandbox.md 5.1, subscriptions.md 8 and 9.1).

Columns of the customer, `due_at` and those beside it, say when to look at it next. They are an
index, not the truth: whoever looks works out anew what is due from the customer as it is.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from enum import IntEnum

from msgspec import Struct
from msgspec.structs import replace

from seatledger.domain import commitment_life
from seatledger.domain.calendar import midnight
from seatledger.domain.commitment_life import RECOMMITMENT_START
from seatledger.domain.effects import Fact, Rules, Seats
from seatledger.domain.model import (
    Account,
    Customer,
    LedgerEntry,
    PartnerSettings,
    Subscription,
)
from seatledger.domain.terms import present_customer

RENEWAL = "renewal"
OWN_TERM_ENDED = "credit_pack_expired"
WINDOW_CLOSED = "late_renewal_window_closed"
EXPIRED = "subscription_expired"
LEVEL_CHANGED = "level_changed"

_INSTANT = timedelta(microseconds=1)


class Phase(IntEnum):
    """The order of what falls on one instant (sandbox.md 5.1)."""

    COMMITMENTS = 1
    RENEWALS = 2
    EXPIRIES = 3
    RECOMMITMENTS = 4
    WINDOWS = 5


# As the column has them.
_RENEWALS, _EXPIRIES, _WINDOWS = int(Phase.RENEWALS), int(Phase.EXPIRIES), int(Phase.WINDOWS)


class Due(Struct, frozen=True, gc=False, order=True):
    """Something that happens at a business instant."""

    at: datetime
    phase: int
    kind: str


class Happening(Struct, frozen=True, gc=False):
    """What a due thing other than the run changes, under the customer's next version."""

    customer: Customer
    subscriptions: tuple[Subscription, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    facts: tuple[Fact, ...] = ()


def next_due(
    customer: Customer,
    subscriptions: Iterable[Subscription],
    settings: PartnerSettings,
    since: datetime,
) -> Due | None:
    """The next thing that happens to a customer by itself, overdue ones included.

    What only closes a window is past once its instant has gone by: it counts after `since` alone.
    """
    return min(_dues(customer, tuple(subscriptions), settings, since), default=None)


def _dues(
    customer: Customer,
    subscriptions: tuple[Subscription, ...],
    settings: PartnerSettings,
    since: datetime,
) -> Iterator[Due]:
    commitment = commitment_life.next_due(customer, settings)
    if commitment is not None:
        at, kind = commitment
        phase = Phase.RECOMMITMENTS if kind == RECOMMITMENT_START else Phase.COMMITMENTS
        yield Due(at, int(phase), kind)
    following: list[date] = []
    own: list[date] = []
    for one in subscriptions:
        if one.is_open:
            (own if one.own_line else following).append(one.renewal_date)
        elif (closes := _window_end(one, settings)) is not None and closes > since:
            yield Due(closes, _WINDOWS, WINDOW_CLOSED)
    if own:
        yield Due(midnight(min(own)), _EXPIRIES, OWN_TERM_ENDED)
    if following:
        yield Due(midnight(min(following)), _RENEWALS, RENEWAL)
    elif customer.coterm_date is not None and _starts_over(customer, subscriptions):
        yield Due(midnight(customer.coterm_date), _RENEWALS, LEVEL_CHANGED)


def _starts_over(customer: Customer, subscriptions: tuple[Subscription, ...]) -> bool:
    """Whether the anniversary finds levels and nothing that could renew them (accounts.md 7.2)."""
    assert customer.coterm_date is not None
    account = Account(customer, subscriptions=subscriptions)
    return present_customer(account, customer.coterm_date) != customer


def _window_end(one: Subscription, settings: PartnerSettings) -> datetime | None:
    """The first instant after the late window of an expired subscription."""
    if one.expired_on is None or one.own_line:
        return None
    return midnight(one.expired_on + timedelta(days=settings.late_renewal_days + 1))


def scheduled(
    customer: Customer,
    subscriptions: Iterable[Subscription],
    settings: PartnerSettings,
    at: datetime,
    *,
    done: bool = False,
) -> Customer:
    """The customer with its next due thing noted, as seen at the business instant `at`.

    What falls on `at` itself is still to come, unless it is `done` or nothing was noted for it any
    more: a window that closes then has been told.
    """
    is_over = done or customer.due_at is None or customer.due_at > at
    due = next_due(customer, subscriptions, settings, at if is_over else at - _INSTANT)
    if due is None:
        return replace(customer, due_at=None, due_phase=0, due_kind="")
    return replace(customer, due_at=due.at, due_phase=due.phase, due_kind=due.kind)


def due_now(account: Account, settings: PartnerSettings, at: datetime) -> Due | None:
    """What is due for a customer at `at`; None when its columns were behind the truth."""
    noted = account.customer.due_at or at
    found = next_due(account.customer, account.subscriptions, settings, min(noted, at) - _INSTANT)
    return found if found is not None and found.at <= at else None


def happen(account: Account, due: Due, rules: Rules, at: datetime) -> Happening:
    """Let a due thing other than the run happen, at the business instant `at`."""
    customer = replace(account.customer, version=account.customer.version + 1, attempts=0)
    if due.kind == OWN_TERM_ENDED:
        return _own_terms_ended(account, customer, due, at)
    if due.kind == LEVEL_CHANGED:
        return Happening(present_customer(replace(account, customer=customer), due.at.date()))
    if due.kind == WINDOW_CLOSED:
        closed = [
            one for one in account.subscriptions if _window_end(one, rules.settings) == due.at
        ]
        facts = tuple(Fact(WINDOW_CLOSED, subscription_id=one.subscription_id) for one in closed)
        return Happening(customer, facts=facts)
    changed, told = commitment_life.happen(
        replace(account, customer=customer), rules.catalog, due.kind, at, rules.settings
    )
    return Happening(changed, facts=tuple(Fact(kind, result) for kind, result in told))


def _own_terms_ended(account: Account, customer: Customer, due: Due, at: datetime) -> Happening:
    seats = Seats(account, customer, at)
    for one in account.subscriptions:
        if one.is_open and one.own_line and midnight(one.renewal_date) == due.at:
            seats.expire(one)
    facts = tuple(Fact(OWN_TERM_ENDED, one.status, one.subscription_id) for one in seats.changed)
    return Happening(customer, seats.changed, tuple(seats.entries), facts)
