"""Placing orders: read, decide, write, settle; many at a time (orders.md 1, platform.md 5)."""

from collections.abc import Callable, Sequence
from datetime import datetime

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from seatledger.domain.model import Account, Customer, Order, Partner, Redemption
from seatledger.domain.orders import new, returns
from seatledger.domain.orders.flex import SUCCESS
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.request import OrderRequest
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.batcher import LOST, Batcher, Lost
from seatledger.engine.calls import (
    Answer,
    Call,
    InjectedFailure,
    Unavailable,
    alive_since,
    is_stored,
    refused,
    replay,
)
from seatledger.engine.in_flight import InFlight
from seatledger.engine.settle import settle_due
from seatledger.engine.world import World, Worlds
from seatledger.store import placing
from seatledger.store.ids import Ids
from seatledger.store.placing import Asked, Known, Outcome
from seatledger.store.rows import AnyConnection, AnyPool

PLACEHOLDERS = {
    "1234567890": "COM",
    "1234567890COM": "COM",
    "1234567890GOV": "GOV",
    "1234567890EDU": "EDU",
}


Reading = tuple[str | None, OrderRequest | Refused]


class OrderCall(Struct, frozen=True):
    """A POST to a customer's orders.

    `read` gives the order type, as far as it could be understood, and the typed order or the
    refusal its form has earned. It is given the partner because settings decide what a form may
    hold.
    """

    call: Call
    customer_id: str
    read: Callable[[Partner], Reading]


class _Job(Struct):
    """An order call on its way through a batch."""

    order_call: OrderCall
    order_type: str | None
    request: OrderRequest | Refused
    world: World
    asked: Asked
    now: datetime


class _Judged(Struct, frozen=True):
    answer: Answer
    outcome: Outcome | None = None


class Orders:
    """Places orders of every partner through one batcher."""

    def __init__(self, pool: AnyPool, worlds: Worlds, ids: Ids) -> None:
        self._pool = pool
        self._worlds = worlds
        self._ids = ids
        self._batcher: Batcher[OrderCall, Answer] = Batcher(self._run)
        self._in_flight = InFlight()

    async def place(self, order_call: OrderCall) -> Answer:
        """Answer a POST: a stored answer again, a refusal, a preview, or a new order.

        Raises Unavailable (503) when the customer's turn does not come or the database is away.
        """
        call = order_call.call
        alone = (call.partner_id, call.own_request_id) if call.own_request_id else None
        return await self._in_flight.once(
            call.key,
            lambda: self._batcher.submit(
                order_call, (call.partner_id, order_call.customer_id), alone
            ),
            lambda: refused(Refused("4122")),
        )

    async def drain(self) -> None:
        """Finish what is queued."""
        await self._batcher.drain()

    async def _run(self, calls: Sequence[OrderCall]) -> list[Answer | Lost]:
        try:
            return await self._place_batch(calls)
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as error:
            raise Unavailable(5) from error
        except asyncpg.UniqueViolationError:
            # Another process took a one-time code or a key between our read and our write.
            return [LOST for _ in calls]

    async def _place_batch(self, calls: Sequence[OrderCall]) -> list[Answer | Lost]:
        jobs = [await self._job(call) for call in calls]
        async with self._pool.acquire() as connection:
            known = await placing.read(connection, [job.asked for job in jobs])
            if await self._freshen(jobs, known):
                known = await placing.read(connection, [job.asked for job in jobs])
            await self._ids.reserve_orders(len(jobs))
            judged = _decide_in_turn(jobs, known, self._ids)
            outcomes = [one.outcome for one in judged if one.outcome is not None]
            if any(job.order_call.call.fail_after_write for job in jobs):
                return await self._write_and_fail(connection, outcomes, judged, jobs)
            won = await placing.write(connection, outcomes) if outcomes else set()
        await self._settle_at_once(jobs, judged)
        return _answers(judged, won)

    async def _job(self, order_call: OrderCall) -> _Job:
        partner_id = order_call.call.partner_id
        world = self._worlds.kept(partner_id) or await self._worlds.refresh(partner_id)
        if world is None:
            raise Unavailable(1)
        return _job_in(order_call, world, self._worlds.now(world))

    async def _freshen(self, jobs: list[_Job], known: Sequence[Known]) -> bool:
        """Bring worlds that changed elsewhere up to date; whether any had."""
        stale = {
            job.world.partner_id
            for job, one in zip(jobs, known, strict=True)
            if one.partner_version != job.world.row.version
        }
        for partner_id in stale:
            await self._worlds.refresh(partner_id)
        if stale:
            jobs[:] = [await self._job(job.order_call) for job in jobs]
        return bool(stale)

    async def _write_and_fail(
        self,
        connection: AnyConnection,
        outcomes: Sequence[Outcome],
        judged: Sequence[_Judged],
        jobs: Sequence[_Job],
    ) -> list[Answer | Lost]:
        """A fault: the writes happen and are rolled back, as if the process had failed there."""
        if len(jobs) > 1:
            raise InjectedFailure  # the batcher runs the items one by one
        async with connection.transaction():
            if outcomes:
                await placing.write(connection, outcomes)
            raise InjectedFailure

    async def _settle_at_once(self, jobs: Sequence[_Job], judged: Sequence[_Judged]) -> None:
        """Settle what worlds with immediate settlement have accepted, before answering."""
        due: dict[str, tuple[World, datetime, list[str]]] = {}
        for job, one in zip(jobs, judged, strict=True):
            if one.outcome and one.outcome.order and job.world.settles_at_once:
                _, _, customers = due.setdefault(job.world.partner_id, (job.world, job.now, []))
                customers.append(job.order_call.customer_id)
        for world, now, customers in due.values():
            await settle_due(self._pool, world, now, customer_ids=customers, wait=True)


def _job_in(order_call: OrderCall, world: World, now: datetime) -> _Job:
    call = order_call.call
    order_type, request = order_call.read(world.partner)
    lines = request.lines if isinstance(request, OrderRequest) else ()
    products = [world.catalog.product_of(line.offer_id) for line in lines]
    return _Job(
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
            wants_deployments=any(line.deployment_id for line in lines),
            wants_discounts=any(line.flex_codes for line in lines),
            wants_history=any(
                product is not None and product.max_orders_per_term is not None
                for product in products
            ),
        ),
        now,
    )


def _decide_in_turn(jobs: Sequence[_Job], known: Sequence[Known], ids: Ids) -> list[_Judged]:
    """Judge a batch; an order sees those of its customer that were accepted before it."""
    accepted: dict[str, list[Outcome]] = {}
    judged = []
    for job, one in zip(jobs, known, strict=True):
        customer_id = job.order_call.customer_id
        account = one.account
        if account is not None:
            for outcome in accepted.get(customer_id, ()):
                account = _with_accepted(account, outcome)
        result = _judge(job, one, account, ids)
        if result.outcome is not None and result.outcome.order is not None:
            accepted.setdefault(customer_id, []).append(result.outcome)
        judged.append(result)
    return judged


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


def _judge(job: _Job, known: Known, account: Account | None, ids: Ids) -> _Judged:
    """The order of platform.md 3 from step 10 on."""
    call = job.order_call.call
    settings = job.world.partner.settings
    if known.stored is not None:
        return _Judged(replay(known.stored, call.fingerprint(), strict=settings.strict_idempotency))
    if known.request_seen:
        return _Judged(refused(Refused("4120")))
    if account is None and job.order_call.customer_id in PLACEHOLDERS:
        account = _placeholder(job)
    if account is None:
        return _refusal(job, Refused("1116"))
    decision = _decide(job, account)
    if isinstance(decision, Refused):
        return _refusal(job, decision)
    request = job.request
    assert isinstance(request, OrderRequest)
    if request.order_type == "PREVIEW":
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
        redemptions=_redemptions(order, decision),
    )


def _decide(job: _Job, account: Account) -> Accepted | Refused:
    request = job.request
    world = job.world
    may_be_preview = job.order_type in ("PREVIEW", None)
    if account.customer.customer_id in PLACEHOLDERS and not may_be_preview:
        return Refused("1116")
    if isinstance(request, Refused):
        return request
    if request.order_type == "RETURN":
        return returns.decide(request, account, world.partner, world.catalog, job.now)
    return new.decide(request, account, world.partner, world.catalog, world.discounts, job.now)


def _placeholder(job: _Job) -> Account:
    """A brand-new customer of a segment that exists for previews alone (accounts.md 5.7)."""
    customer_id = job.order_call.customer_id
    segment = PLACEHOLDERS[customer_id]
    partner = job.world.partner
    customer = Customer(
        customer_id=customer_id,
        partner_id=partner.partner_id,
        reseller_id="",
        status="1000",
        external_reference_id="",
        profile={
            "marketSegment": segment,
            "marketSubSegments": [],
            "address": {"country": partner.country},
        },
        created_at=job.now,
    )
    return Account(customer, [segment])


def _success_status(job: _Job, request: OrderRequest) -> int:
    """201, or what the vendor is seen to answer (setting http_status_profile, orders.md 1.1)."""
    if job.world.partner.settings.http_status_profile != "observed":
        return 201
    return 200 if request.order_type == "PREVIEW" else 202


def _refusal(job: _Job, refusal: Refused) -> _Judged:
    answer = refused(refusal)
    if not is_stored(answer.http_status, refusal.code):
        return _Judged(answer)
    return _stored(job, answer.http_status, answer.body)


def _stored(
    job: _Job,
    http_status: int,
    body: bytes,
    *,
    order: Order | None = None,
    seen_version: int = 0,
    redemptions: tuple[Redemption, ...] = (),
) -> _Judged:
    outcome = Outcome(
        job.asked,
        job.order_call.call.fingerprint(),
        http_status,
        body,
        job.now,
        order,
        seen_version,
        redemptions,
    )
    return _Judged(Answer(http_status, body), outcome)


def _order(
    job: _Job, request: OrderRequest, decision: Accepted, customer: Customer, ids: Ids
) -> Order:
    blocks = ids.returns if request.order_type == "RETURN" else ids.orders
    return Order(
        order_id=job.world.partner.settings.id_prefix + blocks.take(),
        partner_id=customer.partner_id,
        customer_id=customer.customer_id,
        reseller_id=customer.reseller_id,
        order_type=request.order_type,
        status="1002",
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


def _redemptions(order: Order, decision: Accepted) -> tuple[Redemption, ...]:
    """Uses of flexible discounts, recorded with the acceptance (catalog.md 7.2)."""
    if order.order_type == "RETURN":
        return ()
    return tuple(
        Redemption(
            order.partner_id,
            order.customer_id,
            result.id,
            result.code,
            order.order_id,
            line.number,
            line.product_key,
            order.created_at,
            one_time=result.id in decision.one_time_codes,
        )
        for line in order.lines
        for result in line.flex
        if result.result == SUCCESS
    )


def _answers(judged: Sequence[_Judged], won: set[int]) -> list[Answer | Lost]:
    """Answers in order; those whose write lost a race are to be judged again."""
    answers: list[Answer | Lost] = []
    position = 0
    for one in judged:
        if one.outcome is None:
            answers.append(one.answer)
            continue
        answers.append(one.answer if position in won else LOST)
        position += 1
    return answers
