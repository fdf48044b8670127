"""Judging a batch of order calls: what to read for them, what each is answered, what to write."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace
from opentelemetry.trace import SpanContext

from seatledger.contract.limits import MAX_LINES
from seatledger.contract.statuses import (
    PENDING,
    PREVIEW_ORDER_TYPES,
    RENEWAL_ORDER_TYPES,
)
from seatledger.domain.model import Account, Customer, Order, Partner, Redemption
from seatledger.domain.orders import new, returns
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.redemptions import redemptions_of
from seatledger.domain.orders.renewal_orders import decide_preview_renewal, decide_renewal
from seatledger.domain.orders.request import OrderRequest
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.batcher import BEHIND, Lost
from seatledger.engine.calls import Answer, Call, alive_since, is_stored, refused, replay
from seatledger.engine.placeholders import placeholder
from seatledger.engine.world import World
from seatledger.store.ids import Ids
from seatledger.store.placing import Asked, Known, Outcome

Reading = tuple[str | None, OrderRequest | Refused]
_BEYOND_ANY_MAXIMUM = 1_000_000
_LOOK_AT_ORDERS_IN_FLIGHT = RENEWAL_ORDER_TYPES | {"RETURN"}


_RULES = {"RENEWAL": decide_renewal, "PREVIEW_RENEWAL": decide_preview_renewal}


class OrderCall(Struct, frozen=True):
    """A POST to a customer's orders.

    `read` gives the order type, as far as it could be understood, and the typed order or the
    refusal its form has earned. It is given the partner because settings decide what a form may
    hold. `span` is the call's, when there are traces.
    """

    call: Call
    customer_id: str
    read: Callable[[Partner], Reading]
    span: SpanContext | None = None


class Job(Struct, frozen=True):
    """An order call on its way through a batch."""

    order_call: OrderCall
    order_type: str | None
    request: OrderRequest | Refused
    world: World
    asked: Asked
    now: datetime


class Judged(Struct, frozen=True):
    """What a call is answered; `outcome` is what has to be written before it may be."""

    answer: Answer
    outcome: Outcome | None = None


def job_in(order_call: OrderCall, world: World, now: datetime) -> Job:
    """A call as its partner's world at the business instant `now` sees it."""
    call = order_call.call
    order_type, request = order_call.read(world.partner)
    lines = request.lines if isinstance(request, OrderRequest) else ()
    products = [world.catalog.product_of(line.offer_id) for line in lines]
    is_renewal = order_type in RENEWAL_ORDER_TYPES
    return Job(
        order_call,
        order_type,
        request,
        world,
        Asked(
            partner_id=call.partner_id,
            path=call.path,
            correlation_id=call.correlation_id,
            request_id=call.own_request_id,
            alive_since=alive_since(now),
            customer_id=order_call.customer_id,
            reference_order_id=(
                request.reference_order_id if isinstance(request, OrderRequest) else ""
            ),
            wants_deployments=is_renewal or any(line.deployment_id for line in lines),
            wants_discounts=is_renewal or any(line.flex_codes for line in lines),
            wants_history=is_renewal
            or any(
                product is not None and product.max_orders_per_term is not None
                for product in products
            ),
        ),
        now,
    )


def asked_of(jobs: Sequence[Job]) -> list[Asked]:
    """What a batch has to read.

    A sale states the seats its customer asks for in the whole batch, so that orders in flight are
    read where they could matter; a RETURN or a RENEWAL must see every other one in flight.
    """
    seats: Counter[str] = Counter()
    for job in jobs:
        seats[job.order_call.customer_id] += _seats(job.request)
    return [
        replace(
            job.asked,
            quantity=(
                -1
                if job.order_type in _LOOK_AT_ORDERS_IN_FLIGHT
                else seats[job.order_call.customer_id]
            ),
        )
        for job in jobs
    ]


def _seats(request: OrderRequest | Refused) -> int:
    if isinstance(request, Refused):
        return 0
    return sum(
        min(max(0, line.quantity), _BEYOND_ANY_MAXIMUM) for line in request.lines[:MAX_LINES]
    )


def decide_in_turn(jobs: Sequence[Job], known: Sequence[Known], ids: Ids) -> list[Judged | Lost]:
    """Judge a batch; an order sees those of its customer that were accepted before it.

    BEHIND are calls with an id, or a one-time code, that a call before them is about to record:
    judged again, they find what that one has left, or may have it themselves.
    """
    accepted: dict[Hashable, list[Outcome]] = {}
    recorded: set[Hashable] = set()
    judged: list[Judged | Lost] = []
    for job, one in zip(jobs, known, strict=True):
        call = job.order_call.call
        before = accepted.setdefault((call.partner_id, job.order_call.customer_id), [])
        account = one.account
        if account is not None:
            for outcome in before:
                account = _with_accepted(account, outcome)
        result = _judge(job, one, account, ids)
        if result.outcome is not None:
            names = _recorded_ids(call) | _one_time_codes(result.outcome)
            if not recorded.isdisjoint(names):
                judged.append(BEHIND)
                continue
            recorded |= names
            if before and account is not None:
                result = _leaning(result, account.customer.version)
            if result.outcome is not None and result.outcome.order is not None:
                before.append(result.outcome)
        judged.append(result)
    return judged


def _recorded_ids(call: Call) -> set[Hashable]:
    names: set[Hashable] = {call.key}
    if call.own_request_id:
        names.add((call.partner_id, call.own_request_id))
    return names


def _one_time_codes(outcome: Outcome) -> set[Hashable]:
    """Codes of the partner's that nobody else may use after this order."""
    return {(one.partner_id, one.discount_id) for one in outcome.redemptions if one.one_time}


def _leaning(result: Judged, seen_version: int) -> Judged:
    """A decision that holds only if the orders accepted before it take effect."""
    assert result.outcome is not None
    outcome = replace(result.outcome, seen_version=seen_version, leans=True)
    return replace(result, outcome=outcome)


def _with_accepted(account: Account, outcome: Outcome) -> Account:
    assert outcome.order is not None
    taken = {entry.discount_id for entry in outcome.redemptions if entry.one_time}
    return replace(
        account,
        pending=(*account.pending, outcome.order),
        redemptions=(*account.redemptions, *outcome.redemptions),
        closed_codes_taken=account.closed_codes_taken | taken,
        term_orders=(*account.term_orders, outcome.order),
    )


def _judge(job: Job, known: Known, account: Account | None, ids: Ids) -> Judged:
    """The order of platform.md 3 from step 10 on."""
    call = job.order_call.call
    settings = job.world.partner.settings
    if known.stored is not None:
        return Judged(replay(known.stored, call.fingerprint(), strict=settings.strict_idempotency))
    if known.request_seen:
        return Judged(refused(Refused("4120")))
    if account is None:
        customer_id = job.order_call.customer_id
        account = placeholder(customer_id, job.order_type, job.world.partner, job.now)
    if account is None:
        return _refusal(job, Refused("1116"))
    decision = _decide(job, account)
    if isinstance(decision, Refused):
        return _refusal(job, decision)
    request = job.request
    assert isinstance(request, OrderRequest)
    if request.order_type in PREVIEW_ORDER_TYPES:
        body = render.encode(render.preview(request, decision, account.customer.customer_id))
        return _stored(job, _success_status(job, request), body)
    order = _order(job, request, decision, account.customer, ids)
    body = render.encode(render.placed(order))
    return _stored(
        job,
        _success_status(job, request),
        body,
        order=order,
        seen_version=account.customer.version,
        redemptions=redemptions_of(order, job.world.discounts),
    )


def _decide(job: Job, account: Account) -> Accepted | Refused:
    if isinstance(job.request, Refused):
        return job.request
    return decide(job.request, account, job.world, job.now)


def decide(
    request: OrderRequest, account: Account, world: World, now: datetime
) -> Accepted | Refused:
    """The verdict on an order of any type at the business instant `now`."""
    if request.order_type == "RETURN":
        return returns.decide(request, account, world.partner, world.catalog, now)
    rule = _RULES.get(request.order_type, new.decide)
    return rule(request, account, world.partner, world.catalog, world.discounts, now)


def _success_status(job: Job, request: OrderRequest) -> int:
    """201, or what the vendor is seen to answer (setting http_status_profile, orders.md 1.1)."""
    if job.world.partner.settings.http_status_profile != "observed":
        return 201
    return 200 if request.order_type in PREVIEW_ORDER_TYPES else 202


def _refusal(job: Job, refusal: Refused) -> Judged:
    answer = refused(refusal)
    if not is_stored(answer.http_status, refusal.code):
        return Judged(answer)
    return _stored(job, answer.http_status, answer.body)


def _stored(
    job: Job,
    http_status: int,
    body: bytes,
    *,
    order: Order | None = None,
    seen_version: int = 0,
    redemptions: tuple[Redemption, ...] = (),
) -> Judged:
    outcome = Outcome(
        job.asked,
        job.order_call.call.fingerprint(),
        http_status,
        body,
        job.now,
        job.world.row.version,
        order,
        seen_version,
        redemptions,
    )
    return Judged(Answer(http_status, body), outcome)


def _order(
    job: Job, request: OrderRequest, decision: Accepted, customer: Customer, ids: Ids
) -> Order:
    blocks = ids.returns if request.order_type == "RETURN" else ids.orders
    return Order(
        order_id=job.world.partner.settings.id_prefix + blocks.take(),
        partner_id=customer.partner_id,
        customer_id=customer.customer_id,
        reseller_id=customer.reseller_id,
        order_type=request.order_type,
        status=PENDING,
        source="API",
        external_reference_id=request.external_reference_id,
        reference_order_id=request.reference_order_id,
        created_at=job.now,
        lines=decision.lines,
        basis=decision.basis,
        run_at=job.world.settles_at(job.now),
        injected_status=job.order_call.call.injected_status,
        tracker_id=request.tracker_id,
    )
