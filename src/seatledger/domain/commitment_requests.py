"""Asking for a three-year commit, and the customer's answer (accounts.md 10.1-10.3).

The values of a request are judged here; `contract.bodies.accounts` has its form.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE
from seatledger.domain.benefits import (
    ACCEPTED,
    COMMITMENT_REQUEST,
    DECLINED,
    RECOMMITMENT_REQUEST,
    REQUESTED,
    CommitmentRequest,
    Minimum,
    ThreeYearCommit,
)
from seatledger.domain.calendar import add_years, utc_day
from seatledger.domain.catalog import Catalog
from seatledger.domain.commitments import held_quantity, with_commit, with_reached
from seatledger.domain.levels import CONSUMABLES, LICENSE, OFFER_TYPES
from seatledger.domain.model import Account, Customer
from seatledger.domain.outcome import Refused
from seatledger.domain.terms import opens_term, present_customer

THREE_YEAR_COMMIT: Final = "THREE_YEAR_COMMIT"
KINDS: Final = (COMMITMENT_REQUEST, RECOMMITMENT_REQUEST)
LEAST: Final[Mapping[str, int]] = {LICENSE: 10, CONSUMABLES: 1_000}
"""The smallest minimum of each offerType."""

MOST: Final = 999_999

_YEARS: Final = 3
_BONUS_DAYS: Final = 30  # accepted so shortly before the anniversary, the rest of the term is free
_ONE_DAY: Final = timedelta(days=1)


class Asked(Struct, frozen=True):
    """What a request body asks for, and everything wrong with its values.

    `kind` is None when it asks for nothing. Paths are those of the body.
    """

    kind: str | None = None
    minimums: tuple[Minimum, ...] = ()
    missing: tuple[str, ...] = ()
    invalid: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()


def read(
    sent: object, shown: Sequence[Mapping[str, Any]], stored: Customer | None, today: date
) -> Asked:
    """What the `benefits` of a body ask of a three-year commit (accounts.md 10.1).

    `shown` are the benefits as the API shows them: what is sent back unchanged asks for nothing.
    `stored` is the customer to change on the UTC day `today`, None for a new one. Values of a
    wrong JSON type are passed over, the walker over the wire types reports them.
    """
    if not isinstance(sent, list) or sent == list(shown):
        return Asked()
    entries = [
        (index, one)
        for index, one in enumerate(sent)
        if isinstance(one, dict) and one.get("type") == THREE_YEAR_COMMIT
    ]
    if not entries:
        return Asked()
    index, entry = entries[0]
    own = next((one for one in shown if one["type"] == THREE_YEAR_COMMIT), {})
    path = f"benefits[{index}]"
    asked = _read_entry(path, entry, own)
    if asked.kind is not None:
        state = _state_faults(asked, path, stored, today)
        asked = replace(asked, invalid=(*asked.invalid, *state))
    repeated = tuple(f"benefits[{other}].type" for other, _ in entries[1:])
    return replace(asked, invalid=(*asked.invalid, *repeated))


def _read_entry(path: str, entry: Mapping[str, Any], shown: Mapping[str, Any]) -> Asked:
    sent = [
        kind for kind in KINDS if entry.get(kind) is not None and entry[kind] != shown.get(kind)
    ]
    held = entry.get("commitment")
    fixed = () if held is None or held == shown.get("commitment") else (f"{path}.commitment",)
    if not sent:
        is_known = any(entry.get(kind) is not None for kind in KINDS) or bool(fixed)
        return Asked(missing=() if is_known else (f"{path}.{COMMITMENT_REQUEST}",), fixed=fixed)
    if len(sent) > 1:
        return Asked(invalid=tuple(f"{path}.{kind}" for kind in sent), fixed=fixed)
    kind, request = sent[0], entry[sent[0]]
    if not isinstance(request, dict):
        return Asked(kind, fixed=fixed)
    return Asked(
        kind,
        tuple(_minimums(request)),
        ()
        if request.get("minimumQuantities") is not None
        else (f"{path}.{kind}.minimumQuantities",),
        tuple(_value_faults(request, f"{path}.{kind}")),
        fixed,
    )


def _minimums(request: Mapping[str, Any]) -> Iterator[Minimum]:
    """The readable minimums of a request."""
    sent = request.get("minimumQuantities")
    for one in sent if isinstance(sent, list) else ():
        if isinstance(one, dict):
            offer_type, quantity = one.get("offerType"), one.get("quantity")
            if offer_type in OFFER_TYPES and isinstance(quantity, int):
                yield Minimum(offer_type, quantity)


def _value_faults(request: Mapping[str, Any], path: str) -> Iterator[str]:
    """Status and dates are not for the caller to set; an offerType is named once."""
    for name in ("status", "startDate", "endDate"):
        if request.get(name) is not None:
            yield f"{path}.{name}"
    sent = request.get("minimumQuantities")
    named: set[object] = set()
    for index, one in enumerate(sent if isinstance(sent, list) else ()):
        offer_type = one.get("offerType") if isinstance(one, dict) else None
        if isinstance(offer_type, str):
            if offer_type in named:
                yield f"{path}.minimumQuantities[{index}].offerType"
            named.add(offer_type)


def _state_faults(asked: Asked, path: str, stored: Customer | None, today: date) -> Iterator[str]:
    """What the present state of the customer does not allow to be asked for."""
    is_first = asked.kind == COMMITMENT_REQUEST
    commit = stored.three_year_commit if stored is not None else None
    running = commit.running if commit is not None else None
    rival = None
    if commit is not None:
        rival = commit.requested(RECOMMITMENT_REQUEST if is_first else COMMITMENT_REQUEST)
    if (
        (rival is not None and rival.is_live)
        or (running is None and not is_first)
        or (is_first and stored is not None and is_in_extended_term(stored, today))
    ):
        yield f"{path}.{asked.kind}"
    elif is_first and running is not None and asked.minimums:
        named = {one.offer_type for one in asked.minimums}
        if any(one.offer_type not in named for one in running.minimums):
            yield f"{path}.{asked.kind}.minimumQuantities"


def is_in_extended_term(stored: Customer, today: date) -> bool:
    """Whether a first term of more than a year runs: it goes without a commitment (6)."""
    coterm = stored.coterm_date
    return stored.extended_term and coterm is not None and today < coterm


def quantity_refusal(asked: Asked, stored: Customer | None) -> Refused | None:
    """1135: no minimum at all, one out of range, or one below what is committed already."""
    if asked.kind is None:
        return None
    commit = stored.three_year_commit if stored is not None else None
    running = commit.running if commit is not None else None
    is_raise = running is not None and asked.kind == COMMITMENT_REQUEST
    failing = tuple(
        one.offer_type
        for one in asked.minimums
        if not LEAST[one.offer_type] <= one.quantity <= MOST
        or (running is not None and is_raise and one.quantity < running.minimum(one.offer_type))
    )
    return Refused("1135", failing) if failing or not asked.minimums else None


def requested(customer: Customer, asked: Asked, now: datetime) -> Customer:
    """The customer with a request made; it takes the place of the last one of its kind.

    The time to answer it runs from the day the customer is active.
    """
    counted_from = utc_day(now) if customer.status == ACTIVE else None
    request = CommitmentRequest(REQUESTED, asked.minimums, counted_from)
    return _with_request(customer, asked.kind or COMMITMENT_REQUEST, request)


def _with_request(customer: Customer, kind: str, request: CommitmentRequest) -> Customer:
    commit = customer.three_year_commit or ThreeYearCommit()
    name = "request" if kind == COMMITMENT_REQUEST else "recommitment"
    return with_commit(customer, replace(commit, **{name: request}))


def open_request(customer: Customer, kind: str) -> CommitmentRequest | None:
    """The request of a kind that waits for the customer's answer."""
    commit = customer.three_year_commit
    request = commit.requested(kind) if commit is not None else None
    return request if request is not None and request.status == REQUESTED else None


def decline(customer: Customer, kind: str) -> Customer:
    """The customer after it has declined an open request."""
    request = open_request(customer, kind)
    assert request is not None
    return _with_request(customer, kind, replace(request, status=DECLINED, counted_from=None))


def accept(account: Account, catalog: Catalog, kind: str, now: datetime) -> Customer:
    """The customer after it has accepted an open request (10.2, 10.3).

    Minimums it holds already are committed at once. A first commitment sets the anniversary of a
    customer that has no running term; a recommitment waits for the day it begins.
    """
    customer = account.customer
    request = open_request(customer, kind)
    assert request is not None
    today = utc_day(now)
    commit = customer.three_year_commit
    assert commit is not None
    if kind == RECOMMITMENT_REQUEST:
        assert commit.commitment is not None
        start = commit.commitment.end_date + _ONE_DAY
        end = add_years(start, _YEARS) - _ONE_DAY
    elif commit.running is not None:
        start, end = commit.running.start_date, commit.running.end_date
    elif opens_term(account, today):
        start, end = today, add_years(today, _YEARS) - _ONE_DAY
        customer = _with_anniversary(present_customer(account, today), add_years(today, 1), now)
    else:
        assert customer.coterm_date is not None
        start, end = today, _end_after(today, customer.coterm_date)
    accepted = replace(
        request,
        status=ACCEPTED,
        counted_from=today if start <= today else None,
        start_date=start,
        end_date=end,
    )
    customer = _with_request(customer, kind, accepted)
    return with_reached(replace(account, customer=customer), catalog)


def _with_anniversary(customer: Customer, anniversary: date, now: datetime) -> Customer:
    """The customer with a term that its acceptance opens; the first one begins with an order."""
    if customer.term == 0:
        return replace(customer, coterm_date=anniversary)
    return replace(
        customer,
        coterm_date=anniversary,
        extended_term=False,
        term=customer.term + 1,
        term_started_at=now,
    )


def _end_after(accepted_on: date, anniversary: date) -> date:
    """The last day of a commitment accepted while a term runs."""
    while anniversary <= accepted_on:  # its renewal has not settled yet
        anniversary = add_years(anniversary, 1)
    is_late = accepted_on >= anniversary - timedelta(days=_BONUS_DAYS)
    return add_years(anniversary, _YEARS if is_late else _YEARS - 1) - _ONE_DAY


def enrolled(
    account: Account, catalog: Catalog, minimums: tuple[Minimum, ...], now: datetime
) -> Customer:
    """The customer after it has committed itself, without anybody's request (10.2)."""
    customer = requested(account.customer, Asked(COMMITMENT_REQUEST, minimums), now)
    return accept(replace(account, customer=customer), catalog, COMMITMENT_REQUEST, now)


def enrollable(account: Account, catalog: Catalog) -> tuple[Minimum, ...]:
    """What a customer holds that it could commit to; nothing with too few licences."""
    held = [Minimum(one, held_quantity(account, catalog, one)) for one in OFFER_TYPES]
    if held[0].quantity < LEAST[LICENSE]:
        return ()
    return tuple(one for one in held if LEAST[one.offer_type] <= one.quantity)
