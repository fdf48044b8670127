"""Three-year commit: what it covers, gives and demands, and how orders fill it (accounts.md 10).

What becomes of it with time and at renewals is `domain.commitment_life`.

All days are UTC. No function touches a customer's version: that is for whoever stores it.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from msgspec import Struct
from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE
from seatledger.domain.benefits import (
    ACCEPTED,
    COMMITTED,
    NONCOMPLIANT,
    Commitment,
    CommitmentRequest,
    ThreeYearCommit,
)
from seatledger.domain.calendar import add_years
from seatledger.domain.catalog import Catalog
from seatledger.domain.levels import (
    LICENSE,
    OFFER_TYPES,
    Scale,
    level_at,
    rank_of_level,
    rank_of_quantity,
)
from seatledger.domain.model import Account, Customer, PartnerSettings


class Binding(Struct, frozen=True):
    """What a commitment gives one offerType: scale, lowest rank, and the day that locks prices."""

    scale: Scale
    floor_rank: int
    start: date


# --- what is held and in force --------------------------------------------------------------


def held_quantity(account: Account, catalog: Catalog, offer_type: str) -> int:
    """Seats in active subscriptions of products that count toward an offerType (10.2)."""
    return sum(
        one.current_quantity
        for one in account.subscriptions
        if one.status == ACTIVE and counts_toward(catalog, one.product_key, offer_type)
    )


def counts_toward(catalog: Catalog, product_key: str, offer_type: str) -> bool:
    """Whether a product counts toward the level and the minimum of an offerType."""
    product = catalog.products.get(product_key)
    return product is not None and product.offer_type == offer_type and product.counts_toward_level


def committed_minimum(customer: Customer, offer_type: str) -> int:
    """The minimum of a commitment in force, 0 when nothing covers the offerType."""
    held = _running(customer)
    return held.minimum(offer_type) if held is not None else 0


def price_lock(customer: Customer, offer_type: str) -> date | None:
    """The day whose prices a commitment in force keeps for an offerType (catalog.md 5.2)."""
    held = _running(customer)
    return held.start_date if held is not None and held.minimum(offer_type) else None


def covers(customer: Customer, offer_type: str, day: date) -> bool:
    """Whether a commitment in force covers an offerType on a day."""
    held = _running(customer)
    return held is not None and held.minimum(offer_type) > 0 and _includes(held, day)


def promised_minimum(customer: Customer, offer_type: str, day: date) -> int:
    """The greatest minimum a commitment in force or an accepted request promises for a day."""
    commit = customer.three_year_commit
    if commit is None:
        return 0
    accepted = (one for one in (commit.request, commit.recommitment) if one)
    promises = (commit.running, *(one for one in accepted if one.status == ACCEPTED))
    return max(one.minimum(offer_type) if one and _includes(one, day) else 0 for one in promises)


def _running(customer: Customer) -> Commitment | None:
    return customer.three_year_commit.running if customer.three_year_commit is not None else None


def _includes(one: Commitment | CommitmentRequest, day: date) -> bool:
    start, end = one.start_date, one.end_date
    return start is not None and end is not None and start <= day <= end


def floor_of(customer: Customer, offer_type: str, settings: PartnerSettings) -> int:
    """The total auto-renewal settings may not be cut below, 0 for none (subscriptions.md 7).

    It holds while the next term still lies inside the commitment.
    """
    held = _running(customer)
    if held is None or customer.coterm_date is None or settings.relaxed_3yc:
        return 0
    return held.minimum(offer_type) if held.end_date >= customer.coterm_date else 0


# --- levels ---------------------------------------------------------------------------------


def scale_of(customer: Customer, offer_type: str) -> Scale:
    """The scale an offerType's level is on now (accounts.md 7.1)."""
    return _committed_scale(customer, offer_type) if price_lock(customer, offer_type) else "PLAIN"


def _committed_scale(customer: Customer, offer_type: str) -> Scale:
    """EDU customers keep the plain levels of licences under a commitment."""
    return "PLAIN" if customer.segment == "EDU" and offer_type == LICENSE else "3YC"


def binding(customer: Customer, offer_type: str, reached: int) -> Binding | None:
    """What an order that brings an offerType to `reached` seats is judged with; None: plain.

    An accepted request binds already the order that reaches it (orders.md 3.3 step 3). The level
    held includes what a commitment in force lifts it to.
    """
    commit = customer.three_year_commit
    if commit is None:
        return None
    held = commit.running
    claims = [(held.start_date, 0)] if held is not None and held.minimum(offer_type) else []
    for one in (commit.request, commit.recommitment):
        if one is not None and one.counted_from is not None:
            claims += reached_claims(one, offer_type, reached)
    return bound_by(customer, offer_type, claims)


def reached_claims(
    request: CommitmentRequest, offer_type: str, reached: int
) -> list[tuple[date, int]]:
    """Start and minimum of an accepted request that `reached` seats fill; none otherwise."""
    minimum = request.minimum(offer_type)
    if request.status != ACCEPTED or not 0 < minimum <= reached:
        return []
    assert request.start_date is not None
    return [(request.start_date, minimum)]


def bound_by(
    customer: Customer, offer_type: str, claims: Sequence[tuple[date, int]]
) -> Binding | None:
    """What commitments give together: each its start and the quantity its floor comes from."""
    if not claims:
        return None
    floor = max(rank_of_quantity(offer_type, quantity) for _, quantity in claims)
    return Binding(_committed_scale(customer, offer_type), floor, claims[0][0])


def is_met(held: Commitment, totals: Mapping[str, int]) -> bool:
    """Whether the quantities per offerType reach every minimum of a commitment."""
    return all(totals.get(one.offer_type, 0) >= one.quantity for one in held.minimums)


def _with_level(customer: Customer, offer_type: str, level: str) -> Customer:
    if offer_type == LICENSE:
        return replace(customer, license_level=level)
    return replace(customer, consumables_level=level)


def with_committed_levels(customer: Customer, held: Commitment) -> Customer:
    """The customer with the levels a commitment that now counts gives it (7.2).

    Volume may lift them above the minimum, nothing lowers them below it.
    """
    for one in held.minimums:
        rank = max(
            rank_of_level(customer.level(one.offer_type)) or 1,
            rank_of_quantity(one.offer_type, one.quantity),
        )
        level = level_at(one.offer_type, _committed_scale(customer, one.offer_type), rank)
        customer = _with_level(customer, one.offer_type, level)
    return customer


def with_plain_levels(customer: Customer, held: Commitment, totals: Mapping[str, int]) -> Customer:
    """The customer with the levels it has once a commitment no longer counts (7.2): what the
    `totals` per offerType that renew that day earn, the lowest where nothing does."""
    for one in held.minimums:
        rank = rank_of_quantity(one.offer_type, totals.get(one.offer_type, 0))
        customer = _with_level(customer, one.offer_type, level_at(one.offer_type, "PLAIN", rank))
    return customer


# --- what orders and the renewal run change -------------------------------------------------


def with_held(
    account: Account, catalog: Catalog, renewed: Mapping[str, int] | None = None
) -> Customer:
    """The customer after a completed NEW order or late RENEWAL (10.2, 10.4).

    `account` is the state the order left, its level included. `renewed` are the qualifying
    quantities renewed in the term so far, this order included; None for a NEW order, which
    cannot bring a missed commitment back.
    """
    customer = with_reached(account, catalog)
    commit = customer.three_year_commit
    held = commit.commitment if commit is not None else None
    if commit is None or held is None or renewed is None or held.lapsed_on is None:
        return customer
    is_same_term = customer.coterm_date == add_years(held.lapsed_on, 1)
    if held.status != NONCOMPLIANT or not is_same_term or not is_met(held, renewed):
        return customer
    again = replace(held, status=COMMITTED, lapsed_on=None)
    return with_committed_levels(with_commit(customer, replace(commit, commitment=again)), again)


def with_reached(account: Account, catalog: Catalog) -> Customer:
    """The customer with every accepted minimum that is held moved into its commitment (10.2)."""
    customer = account.customer
    commit = customer.three_year_commit
    if commit is None:
        return customer
    held: Mapping[str, int] = {one: held_quantity(account, catalog, one) for one in OFFER_TYPES}
    for name in ("request", "recommitment"):
        request: CommitmentRequest | None = getattr(commit, name)
        if request is None or request.status != ACCEPTED or request.counted_from is None:
            continue
        reached = tuple(one for one in request.minimums if held[one.offer_type] >= one.quantity)
        if reached:
            left = tuple(one for one in request.minimums if one not in reached)
            rest = replace(request, minimums=left) if left else None
            now = _joined(commit.commitment, replace(request, minimums=reached))
            commit = replace(commit, **{"commitment": now, name: rest})
            customer = with_committed_levels(with_commit(customer, commit), now)
    return customer


def _joined(held: Commitment | None, reached: CommitmentRequest) -> Commitment:
    """A commitment with reached minimums: the one in force raised, or the next one begun."""
    assert reached.start_date is not None
    assert reached.end_date is not None
    if held is None or held.status != COMMITTED or held.start_date != reached.start_date:
        number = 1 if held is None else held.number + 1
        return Commitment(COMMITTED, reached.start_date, reached.end_date, reached.minimums, number)
    merged = {one.offer_type: one for one in (*held.minimums, *reached.minimums)}
    return replace(held, minimums=tuple(merged[one] for one in OFFER_TYPES if one in merged))


def with_commit(customer: Customer, commit: ThreeYearCommit) -> Customer:
    """The customer with another state of its three-year commit."""
    return replace(customer, benefits=(commit,))
