"""The customer's side of a three-year commit, and edits of its terms (sandbox.md 3, 13-15)."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from seatledger.contract.bodies.accounts import MinimumQuantityIn
from seatledger.contract.resources import CustomerOut
from seatledger.contract.statuses import ACTIVE
from seatledger.domain import commitment_requests
from seatledger.domain.agenda import scheduled
from seatledger.domain.benefits import (
    ACCEPTED,
    COMMITMENT_REQUEST,
    COMMITMENT_STATUSES,
    COMMITTED,
    EXPIRED,
    NONCOMPLIANT,
    RECOMMITMENT_REQUEST,
    REQUEST_STATUSES,
    REQUESTED,
    Commitment,
    CommitmentRequest,
    Minimum,
)
from seatledger.domain.calendar import add_years, utc_day
from seatledger.domain.catalog import Catalog
from seatledger.domain.commitment_life import ended
from seatledger.domain.commitment_requests import Asked
from seatledger.domain.commitments import with_commit, with_committed_levels, with_plain_levels
from seatledger.domain.model import Account, Customer
from seatledger.domain.outcome import Refused
from seatledger.engine import customers
from seatledger.engine.context import Engine
from seatledger.engine.world import World
from seatledger.engine.writes import in_turn
from seatledger.sandbox import edits
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.edit_bodies import day_of
from seatledger.store import edits as store_edits
from seatledger.store.rows import AnyConnection

Change = Callable[[Account, Catalog, datetime], Customer]

_COMMITMENT: Final = "commitment"
_Minimums = Annotated[tuple[MinimumQuantityIn, ...], Meta(min_length=1)]


class _Body(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The rules every body follows."""


class AnswerIn(_Body, frozen=True, kw_only=True):
    """POST .../accept and .../decline: which request is answered."""

    kind: Literal["commitmentRequest", "recommitmentRequest"] = COMMITMENT_REQUEST


class EnrollIn(_Body, frozen=True, kw_only=True):
    """POST .../enroll: what to commit to, by default everything held."""

    minimum_quantities: tuple[MinimumQuantityIn, ...] | None = None


class TermsEdit(_Body, frozen=True, kw_only=True):
    """PATCH .../three-year-commit. Absent and null change nothing."""

    kind: Literal["commitment", "commitmentRequest", "recommitmentRequest"] = _COMMITMENT
    start_date: str | None = None
    end_date: str | None = None
    status: str | None = None
    minimum_quantities: _Minimums | None = None


async def accept(control: Control) -> tuple[int, Any]:
    """POST /sandbox/customers/{customer-id}/three-year-commit/accept."""
    kind = control.body(AnswerIn).kind

    def change(account: Account, catalog: Catalog, now: datetime) -> Customer:
        _require_answerable(account.customer, kind)
        return commitment_requests.accept(account, catalog, kind, now)

    return await _perform(control, change)


async def decline(control: Control) -> tuple[int, Any]:
    """POST /sandbox/customers/{customer-id}/three-year-commit/decline."""
    kind = control.body(AnswerIn).kind

    def change(account: Account, _catalog: Catalog, _now: datetime) -> Customer:
        _require_answerable(account.customer, kind)
        return commitment_requests.decline(account.customer, kind)

    return await _perform(control, change)


async def enroll(control: Control) -> tuple[int, Any]:
    """POST /sandbox/customers/{customer-id}/three-year-commit/enroll."""
    wanted: EnrollIn = control.body(EnrollIn)
    minimums = _minimums(wanted.minimum_quantities)

    def change(account: Account, catalog: Catalog, now: datetime) -> Customer:
        return enroll_now(account, catalog, minimums, now)

    return await _perform(control, change)


async def edit_terms(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/customers/{customer-id}/three-year-commit."""
    wanted: TermsEdit = control.body(TermsEdit)
    statuses = COMMITMENT_STATUSES if wanted.kind == _COMMITMENT else REQUEST_STATUSES
    if wanted.status is not None and wanted.status not in statuses:
        raise Refusal(Refused("1117", ("status",)))
    minimums = _minimums(wanted.minimum_quantities)
    start = day_of(wanted.start_date, "startDate")
    end = day_of(wanted.end_date, "endDate")

    def change(account: Account, _catalog: Catalog, now: datetime) -> Customer:
        terms = _Terms(start, end, wanted.status, minimums)
        if wanted.kind == _COMMITMENT:
            return _with_terms(account.customer, terms)
        return _with_request_terms(account.customer, wanted.kind, terms, utc_day(now))

    return await _perform(control, change)


class _Terms(Struct, frozen=True):
    """What an edit sets; None leaves a field as it is."""

    start: date | None
    end: date | None
    status: str | None
    minimums: tuple[Minimum, ...] | None


def _minimums(sent: tuple[MinimumQuantityIn, ...] | None) -> tuple[Minimum, ...] | None:
    """The minimums of a body; Refusal (1117, 1135) for a repeated offerType or a wild number."""
    if sent is None:
        return None
    named = [one.offer_type for one in sent]
    repeated = [
        f"minimumQuantities[{index}].offerType"
        for index, name in enumerate(named)
        if name in named[:index]
    ]
    if repeated:
        raise Refusal(Refused("1117", tuple(repeated)))
    minimums = tuple(Minimum(one.offer_type, one.quantity) for one in sent)
    refused = commitment_requests.quantity_refusal(Asked(COMMITMENT_REQUEST, minimums), None)
    if refused is not None:
        raise Refusal(refused)
    return minimums


def _require_answerable(customer: Customer, kind: str) -> None:
    if customer.status != ACTIVE:
        raise Conflict(f"the customer is {customer.status}, not active")
    if commitment_requests.open_request(customer, kind) is None:
        raise Conflict(f"no {kind} waits for an answer")


def enroll_now(
    account: Account, catalog: Catalog, wanted: tuple[Minimum, ...] | None, now: datetime
) -> Customer:
    """The customer committed by itself, by default to all it holds; Conflict if it cannot be."""
    customer = account.customer
    commit = customer.three_year_commit
    held = commitment_requests.enrollable(account, catalog)
    if customer.status != ACTIVE:
        raise Conflict(f"the customer is {customer.status}, not active")
    if commit is not None and commit.is_live:
        raise Conflict("the customer has a commitment or a request for one already")
    if commitment_requests.is_in_extended_term(customer, utc_day(now)):
        raise Conflict("the customer's extended first term still runs")
    if not held:
        raise Conflict("the customer holds fewer than 10 licenses")
    return commitment_requests.enrolled(account, catalog, wanted or held, now)


def _with_terms(customer: Customer, terms: _Terms) -> Customer:
    """The customer with an edited commitment, and the levels that follow from it."""
    commit = customer.three_year_commit
    held = commit.commitment if commit is not None else None
    if commit is None or held is None:
        raise Conflict("the customer has no commitment")
    changed = replace(
        held,
        start_date=terms.start or held.start_date,
        end_date=terms.end or held.end_date,
        minimums=terms.minimums or held.minimums,
    )
    _require_order(changed)
    status = terms.status or held.status
    if held.status == COMMITTED:
        if status == EXPIRED:
            return ended(with_commit(customer, replace(commit, commitment=changed)))
        customer = with_plain_levels(customer, held, {}) if status != COMMITTED else customer
    opened = add_years(customer.coterm_date, -1) if customer.coterm_date else changed.start_date
    lapsed_on = (held.lapsed_on or opened) if status == NONCOMPLIANT else None
    changed = replace(changed, status=status, lapsed_on=lapsed_on)
    customer = with_commit(customer, replace(commit, commitment=changed))
    return with_committed_levels(customer, changed) if status == COMMITTED else customer


def _with_request_terms(customer: Customer, kind: str, terms: _Terms, today: date) -> Customer:
    """The customer with an edited request; a new status starts its time limit anew."""
    commit = customer.three_year_commit
    request = commit.requested(kind) if commit is not None else None
    if commit is None or request is None:
        raise Conflict(f"the customer has no {kind}")
    changed = replace(
        request,
        start_date=terms.start or request.start_date,
        end_date=terms.end or request.end_date,
        minimums=terms.minimums or request.minimums,
    )
    _require_order(changed)
    if terms.status is not None and terms.status != request.status:
        changed = replace(changed, status=terms.status, counted_from=None)
        if terms.status == REQUESTED:
            changed = replace(changed, counted_from=today)
        elif terms.status == ACCEPTED:
            if changed.start_date is None or changed.end_date is None:
                raise Conflict("an accepted request has dates: give them, or accept it")
            has_begun = changed.start_date <= today
            changed = replace(changed, counted_from=today if has_begun else None)
    name = "recommitment" if kind == RECOMMITMENT_REQUEST else "request"
    return with_commit(customer, replace(commit, **{name: changed}))


def _require_order(one: Commitment | CommitmentRequest) -> None:
    if one.start_date is not None and one.end_date is not None and one.end_date < one.start_date:
        raise Conflict("a commitment cannot end before it starts")


async def _perform(control: Control, change: Change) -> tuple[int, Any]:
    customer_id = control.params["customer-id"]
    return 200, await change_commit(control.engine, control.own, customer_id, change)


async def change_commit(
    engine: Engine, world: World, customer_id: str, change: Change
) -> CustomerOut:
    """Change a customer's three-year commit under its lock; gives the customer as it is then.

    Raises Refusal (1116) for an unknown customer, and whatever `change` raises.
    """
    now = engine.worlds.now(world)

    async def edit(connection: AnyConnection) -> CustomerOut:
        before = await edits.locked_history(connection, world, customer_id, "1116")
        account = Account(before.customer, subscriptions=before.subscriptions)
        changed = change(account, world.catalog, now)
        changed = replace(changed, version=before.customer.version + 1)
        noted = scheduled(changed, before.subscriptions, world.partner.settings, now)
        await store_edits.save(connection, before, replace(before, customer=noted))
        shown = await customers.read(connection, world.partner, customer_id)
        assert shown is not None
        return shown

    return await in_turn(engine.pool, edit)
