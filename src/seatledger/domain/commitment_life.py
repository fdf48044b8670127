"""What becomes of a three-year commit with time and at renewals (accounts.md 10.2, 10.4, 11).

All days are UTC. No function touches a customer's version: that is for whoever stores it.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE
from seatledger.domain import hvd
from seatledger.domain.benefits import (
    ACCEPTED,
    COMMITTED,
    EXPIRED,
    NONCOMPLIANT,
    REQUESTED,
    Commitment,
    CommitmentRequest,
    ThreeYearCommit,
)
from seatledger.domain.calendar import midnight, utc_day
from seatledger.domain.catalog import Catalog
from seatledger.domain.commitments import (
    Binding,
    bound_by,
    is_met,
    reached_claims,
    with_commit,
    with_plain_levels,
    with_reached,
)
from seatledger.domain.levels import LICENSE
from seatledger.domain.model import Account, Customer, PartnerSettings

REQUEST_EXPIRY: Final = "three_year_commit_request_expiry"
REQUEST_NONCOMPLIANT: Final = "three_year_commit_noncompliant"
COMMITMENT_END: Final = "commitment_end"
RECOMMITMENT_START: Final = "recommitment_start"

DUE_KINDS: Final = (REQUEST_EXPIRY, REQUEST_NONCOMPLIANT, COMMITMENT_END, RECOMMITMENT_START)
"""What happens to a commitment by itself, in the order it does at one instant (sandbox.md 5.1).

A renewal run of that instant comes, and settles, before the last one.
"""

_ONE_DAY: Final = timedelta(days=1)


def activated(customer: Customer, at: datetime) -> Customer:
    """The customer once it has become active: the time to answer its request runs (10.2)."""
    commit = customer.three_year_commit
    if commit is None or customer.status != ACTIVE:
        return customer
    return with_commit(
        customer,
        replace(
            commit,
            request=_begun(commit.request, utc_day(at)),
            recommitment=_begun(commit.recommitment, utc_day(at)),
        ),
    )


def _begun(request: CommitmentRequest | None, day: date) -> CommitmentRequest | None:
    if request is None or request.status != REQUESTED or request.counted_from is not None:
        return request
    return replace(request, counted_from=day)


def next_due(customer: Customer, settings: PartnerSettings) -> tuple[datetime, str] | None:
    """The next thing that happens to the customer's commitment by itself: instant and kind."""
    commit = customer.three_year_commit
    if commit is None:
        return None
    found = ((midnight(day), kind) for day, kind in _due(commit, settings))
    return min(found, key=lambda one: (one[0], DUE_KINDS.index(one[1])), default=None)


def _due(commit: ThreeYearCommit, settings: PartnerSettings) -> Iterator[tuple[date, str]]:
    """Days on which something is due, each with its kind."""
    for one in (commit.request, commit.recommitment):
        day = _timeout(one, settings)
        if one is not None and day is not None:
            yield day, REQUEST_EXPIRY if one.status == REQUESTED else REQUEST_NONCOMPLIANT
    if commit.running is not None:
        yield commit.running.end_date + _ONE_DAY, COMMITMENT_END
    again = commit.recommitment
    if again is not None and again.status == ACCEPTED and again.counted_from is None:
        assert again.start_date is not None
        yield again.start_date, RECOMMITMENT_START


def _timeout(request: CommitmentRequest | None, settings: PartnerSettings) -> date | None:
    """The day after the last one a request may be answered or reached; None for no limit."""
    if request is None or request.counted_from is None or not request.is_live:
        return None
    if settings.relaxed_3yc:
        return None
    is_open = request.status == REQUESTED
    days = settings.three_yc_request_ttl_days if is_open else settings.three_yc_compliance_days
    return request.counted_from + timedelta(days=days) + _ONE_DAY


def happen(
    account: Account, catalog: Catalog, kind: str, at: datetime, settings: PartnerSettings
) -> tuple[Customer, tuple[tuple[str, str], ...]]:
    """Carry out what is due at the business instant `at`: the customer after it and the events
    (kind, result). Nothing when it is not due, because a setting or an edit has come between.
    """
    customer = account.customer
    due = next_due(customer, settings)
    if due is None or due[1] != kind or due[0] > at:
        return customer, ()
    if kind != RECOMMITMENT_START:
        customer, result = _passed(customer, due[0].date(), kind, settings)
        return customer, ((kind, result),)
    customer = with_reached(replace(account, customer=_recommitting(customer)), catalog)
    commit = customer.three_year_commit
    is_reached = commit is not None and commit.recommitment is None
    return customer, ((kind, COMMITTED if is_reached else ACCEPTED),)


def as_of(customer: Customer, day: date, settings: PartnerSettings) -> Customer:
    """The customer as time alone will have left it at the start of `day`, before the renewal."""
    while (due := next_due(customer, settings)) is not None:
        at, kind = due
        if at > midnight(day) or kind == RECOMMITMENT_START:
            break
        customer, _ = _passed(customer, at.date(), kind, settings)
    return customer


def _passed(
    customer: Customer, day: date, kind: str, settings: PartnerSettings
) -> tuple[Customer, str]:
    """The customer after a limit has passed on `day`, and what has come of it."""
    if kind == COMMITMENT_END:
        return ended(customer), EXPIRED
    result = EXPIRED if kind == REQUEST_EXPIRY else NONCOMPLIANT
    commit = customer.three_year_commit
    assert commit is not None
    changed = replace(
        commit,
        request=_timed_out(commit.request, day, result, settings),
        recommitment=_timed_out(commit.recommitment, day, result, settings),
    )
    customer = with_commit(customer, changed)
    if changed.recommitment != commit.recommitment and result == NONCOMPLIANT:
        customer = hvd.without_hvd(customer)  # it needs a commitment, and none has followed
    return customer, result


def _timed_out(
    request: CommitmentRequest | None, day: date, status: str, settings: PartnerSettings
) -> CommitmentRequest | None:
    last = _timeout(request, settings)
    if request is None or last is None or last > day:
        return request
    if (request.status == REQUESTED) != (status == EXPIRED):
        return request
    return replace(request, status=status, counted_from=None)


def ended(customer: Customer) -> Customer:
    """The customer after the last day of its commitment (10.4, 11): plain levels, HVD one step
    down if a recommitment follows. A raise that was not reached goes with what it would raise."""
    commit = customer.three_year_commit
    assert commit is not None
    assert commit.running is not None
    request, again = commit.request, commit.recommitment
    if request is not None and request.status == ACCEPTED:
        request = replace(request, status=EXPIRED, counted_from=None)
    over = replace(commit.running, status=EXPIRED)
    customer = with_commit(customer, replace(commit, commitment=over, request=request))
    customer = with_plain_levels(customer, over, {})
    follows = again is not None and again.status == ACCEPTED
    return hvd.stepped_down(customer) if follows else hvd.without_hvd(customer)


def _recommitting(customer: Customer) -> Customer:
    """The customer on the first day of its recommitment: the time to reach it runs."""
    commit = customer.three_year_commit
    assert commit is not None
    assert commit.recommitment is not None
    begun = replace(commit.recommitment, counted_from=commit.recommitment.start_date)
    return with_commit(customer, replace(commit, recommitment=begun))


def renewal_binding(
    customer: Customer,
    offer_type: str,
    totals: Mapping[str, int],
    day: date,
    settings: PartnerSettings,
) -> Binding | None:
    """The same for what renews into the term that begins on `day`; None: plain levels.

    `totals` are the qualifying quantities per offerType that will have renewed. A commitment in
    force binds even where they leave it below its minimum: that shows once they have renewed
    (subscriptions.md 9.1 steps 4 and 9). One they bring back, and a recommitment they reach, bind
    already (accounts.md 7.2, 10.4).
    """
    if customer.three_year_commit is None:
        return None
    customer = as_of(customer, day, settings)
    commit = customer.three_year_commit
    if commit is None:
        return None
    held = commit.commitment
    claims: list[tuple[date, int]] = []
    if held is not None and held.minimum(offer_type) and _binds(held, totals, day):
        claims.append((held.start_date, held.minimum(offer_type)))
    for one in (commit.request, commit.recommitment):
        if one is not None and one.start_date is not None and one.start_date <= day:
            claims += reached_claims(one, offer_type, totals.get(offer_type, 0))
    return bound_by(customer, offer_type, claims)


def _binds(held: Commitment, totals: Mapping[str, int], day: date) -> bool:
    """Whether a commitment is in force for a renewal into the term of `day`, or brought back."""
    if held.status == COMMITTED:
        return True
    return held.status == NONCOMPLIANT and held.lapsed_on == day and is_met(held, totals)


def renewal_hvd_code(
    customer: Customer, totals: Mapping[str, int], day: date, settings: PartnerSettings
) -> str | None:
    """The HVD code of the term that begins on `day` (orders.md 2.6); `totals` as above."""
    later = as_of(customer, day, settings)
    commit = later.three_year_commit
    if commit is not None and commit.commitment is not None:
        bound = renewal_binding(later, LICENSE, totals, day, settings)
        return hvd.own_code(later) if bound is not None else None
    return hvd.own_code(later)


def after_renewal(
    account: Account,
    catalog: Catalog,
    renewed: Mapping[str, int],
    day: date,
    settings: PartnerSettings,
) -> Customer:
    """The customer after the run of the anniversary `day` has settled, however it ended.

    `account` is the state the run left, its level included; `renewed` are the qualifying
    quantities that did renew (subscriptions.md 9.1 step 9).
    """
    customer = account.customer
    commit = customer.three_year_commit
    held = commit.running if commit is not None else None
    if (
        commit is not None
        and held is not None
        and not settings.relaxed_3yc
        and not is_met(held, renewed)
    ):
        lost = replace(held, status=NONCOMPLIANT, lapsed_on=day)
        customer = with_commit(customer, replace(commit, commitment=lost))
        customer = with_plain_levels(customer, lost, renewed)
    return with_reached(replace(account, customer=customer), catalog)
