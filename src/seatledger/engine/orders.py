"""Placing orders: read, decide, write, settle; many at a time (orders.md 1, platform.md 5)."""

import asyncio
from collections.abc import Sequence

import asyncpg
import structlog
from msgspec import Struct
from msgspec.structs import replace

from seatledger.domain.outcome import Refused
from seatledger.engine.batcher import LOST, Batcher, Lost
from seatledger.engine.calls import Answer, InjectedFailure, Unavailable, refused
from seatledger.engine.claims import Scope
from seatledger.engine.in_flight import InFlight
from seatledger.engine.judging import Job, Judged, OrderCall, asked_of, decide_in_turn, job_in
from seatledger.engine.settle import settle_orders
from seatledger.engine.world import Worlds
from seatledger.metrics import BATCH_LOST, BATCH_ORDERS, BATCH_SECONDS, ORDERS
from seatledger.store import placing
from seatledger.store.database import is_away
from seatledger.store.ids import Ids
from seatledger.store.placing import Known, Outcome
from seatledger.store.rows import AnyConnection, AnyPool
from seatledger.tracing import here, tracing

log = structlog.get_logger()


class _PartnerGone(Exception):
    """A call's partner was removed while the call waited."""


class _Placed(Struct, frozen=True):
    """An answer, and the settlement to wait for before it goes out."""

    answer: Answer
    settlement: "asyncio.Task[None] | None" = None


class Orders:
    """Places orders of every partner through one batcher."""

    def __init__(self, pool: AnyPool, worlds: Worlds, ids: Ids) -> None:
        self._pool = pool
        self._worlds = worlds
        self._ids = ids
        self._batcher: Batcher[OrderCall, _Placed] = Batcher(self._run)
        self._settlements: set[asyncio.Task[None]] = set()
        self._in_flight = InFlight()

    async def place(self, order_call: OrderCall) -> Answer:
        """Answer a POST: a stored answer again, a refusal, a preview, or a new order.

        Raises Unavailable (503) when the customer's turn does not come or the database is away.
        """
        call = order_call.call
        return await self._in_flight.once(
            call.key, lambda: self._place(order_call), lambda: refused(Refused("4122"))
        )

    async def drain(self) -> None:
        """Finish what is queued."""
        await self._batcher.drain()
        if self._settlements:
            await asyncio.wait(self._settlements)

    async def _place(self, order_call: OrderCall) -> Answer:
        partner_id, customer_id = order_call.call.partner_id, order_call.customer_id
        if tracing.tracer is not None:
            order_call = replace(order_call, span=here())
        placed = await self._batcher.submit(order_call, (partner_id, customer_id))
        if placed.settlement is not None:
            await asyncio.shield(placed.settlement)  # it is its neighbours' too
        return placed.answer

    async def _run(self, calls: Sequence[OrderCall]) -> list[_Placed | Lost]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            with tracing.batch("order batch", [one.span for one in calls]):
                return await self._place_batch(calls)
        except (
            asyncpg.UniqueViolationError,
            asyncpg.TransactionRollbackError,
            asyncpg.LockNotAvailableError,
        ):
            # Another process was first with a one-time code or a key, or holds on to it.
            if len(calls) > 1:
                raise  # the batcher runs the items one by one
            return [LOST]
        except _PartnerGone:
            if len(calls) > 1:
                raise
            return [_Placed(refused(Refused("4115")))]
        except Exception as error:
            if is_away(error):
                raise Unavailable(5) from error
            raise
        finally:
            BATCH_ORDERS.observe(len(calls))
            BATCH_SECONDS.observe(loop.time() - began)

    async def _place_batch(self, calls: Sequence[OrderCall]) -> list[_Placed | Lost]:
        """One connection serves the whole batch: whoever held one and waited for another could
        wait for ever."""
        async with self._pool.acquire() as connection:
            jobs = [await self._job(call, connection) for call in calls]
            with tracing.span("order read"):
                known = await placing.read(connection, asked_of(jobs))
            if await self._freshen(jobs, known, connection):
                jobs = [await self._job(call, connection) for call in calls]
                known = await placing.read(connection, asked_of(jobs))
            await self._ids.reserve_orders(connection, len(jobs))
            judged = decide_in_turn(jobs, known, self._ids)
            outcomes = [one.outcome for one in judged if isinstance(one, Judged) and one.outcome]
            if any(call.call.fail_after_write for call in calls):
                return await self._write_and_fail(connection, outcomes, calls)
            won: set[int] = set()
            if outcomes:
                with tracing.span("order write", orders=len(outcomes)):
                    won = await placing.write(connection, outcomes)
        judged = _without_losers(judged, won)
        _count(jobs, judged)
        settlements = self._begin_settlements(jobs, judged)
        return [
            one if isinstance(one, Lost) else _Placed(one.answer, settlement)
            for one, settlement in zip(judged, settlements, strict=True)
        ]

    async def _job(self, order_call: OrderCall, connection: AnyConnection) -> Job:
        partner_id = order_call.call.partner_id
        world = self._worlds.kept(partner_id)
        if world is None:
            world = await self._worlds.refresh(partner_id, connection)
        if world is None:
            raise _PartnerGone
        return job_in(order_call, world, self._worlds.now(world))

    async def _freshen(
        self, jobs: Sequence[Job], known: Sequence[Known], connection: AnyConnection
    ) -> bool:
        """Bring worlds that changed elsewhere up to date; whether any had."""
        stale = {
            job.world.partner_id
            for job, one in zip(jobs, known, strict=True)
            if one.partner_version != job.world.row.version
        }
        for partner_id in stale:
            await self._worlds.refresh(partner_id, connection)
        return bool(stale)

    async def _write_and_fail(
        self, connection: AnyConnection, outcomes: Sequence[Outcome], calls: Sequence[OrderCall]
    ) -> list[_Placed | Lost]:
        """A fault: the writes happen and are rolled back, as if the process had failed there."""
        if len(calls) > 1:
            raise InjectedFailure  # the batcher runs the items one by one
        async with connection.transaction():
            if outcomes:
                await placing.write(connection, outcomes)
            raise InjectedFailure

    def _begin_settlements(
        self, jobs: Sequence[Job], judged: Sequence[Judged | Lost]
    ) -> list["asyncio.Task[None] | None"]:
        """Begin to settle what worlds with immediate settlement have accepted, one task a world.

        Beside the batcher's lanes: a customer somebody holds keeps nobody else's orders waiting.
        """
        due: dict[str, list[Job]] = {}
        for job, one in zip(jobs, judged, strict=True):
            if _settles_at_once(job, one):
                due.setdefault(job.world.partner_id, []).append(job)
        tasks = {
            partner_id: asyncio.create_task(self._settle(one)) for partner_id, one in due.items()
        }
        for task in tasks.values():
            self._settlements.add(task)
            task.add_done_callback(self._settlements.discard)
        return [
            tasks[job.world.partner_id] if _settles_at_once(job, one) else None
            for job, one in zip(jobs, judged, strict=True)
        ]

    async def _settle(self, jobs: Sequence[Job]) -> None:
        """Settle what a world has accepted; customers that somebody holds come last.

        The orders are committed: whatever happens here, they are answered as accepted, and what
        stays unsettled is due for the worker.
        """
        world, now = jobs[-1].world, max(job.now for job in jobs)
        customers = {job.order_call.customer_id for job in jobs}
        scope = Scope(sorted(customers))
        try:
            settled = await settle_orders(self._pool, world, now, scope)
            held = customers - {one.customer_id for one in settled} - scope.failed
            if held:
                await settle_orders(self._pool, world, now, Scope(sorted(held), wait=True))
        except Exception:
            log.exception("settlement left to the worker", partner_id=world.partner_id)


def _count(jobs: Sequence[Job], judged: Sequence[Judged | Lost]) -> None:
    for job, one in zip(jobs, judged, strict=True):
        if isinstance(one, Lost):
            BATCH_LOST.add()
            continue
        code = "replayed" if one.answer.replayed else one.answer.code
        ORDERS.add(job.order_type or "unknown", code or "accepted")


def _settles_at_once(job: Job, one: Judged | Lost) -> bool:
    is_accepted = isinstance(one, Judged) and one.outcome is not None and one.outcome.order
    return bool(is_accepted) and job.world.settles_at_once


def _without_losers(judged: Sequence[Judged | Lost], won: set[int]) -> list[Judged | Lost]:
    """LOST for those whose write took no effect; `won` counts the ones that had to be written."""
    kept: list[Judged | Lost] = []
    position = 0
    for one in judged:
        if isinstance(one, Judged) and one.outcome is not None:
            kept.append(one if position in won else LOST)
            position += 1
        else:
            kept.append(one)
    return kept
