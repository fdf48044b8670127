"""Placing orders: read, decide, write, settle; many at a time (orders.md 1, platform.md 5)."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import structlog

from seatledger.domain.outcome import Refused
from seatledger.engine.batcher import LOST, Batcher, Lost
from seatledger.engine.calls import Answer, InjectedFailure, Unavailable, refused
from seatledger.engine.in_flight import InFlight
from seatledger.engine.judging import Job, Judged, OrderCall, asked_of, decide_in_turn, job_in
from seatledger.engine.settle import settle_orders
from seatledger.engine.world import World, Worlds
from seatledger.store import placing
from seatledger.store.database import is_away
from seatledger.store.ids import Ids
from seatledger.store.placing import Known, Outcome
from seatledger.store.rows import AnyConnection, AnyPool

log = structlog.get_logger()


class _PartnerGone(Exception):
    """A call's partner was removed while the call waited."""


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
        return await self._in_flight.once(
            call.key,
            lambda: self._batcher.submit(order_call, (call.partner_id, order_call.customer_id)),
            lambda: refused(Refused("4122")),
        )

    async def drain(self) -> None:
        """Finish what is queued."""
        await self._batcher.drain()

    async def _run(self, calls: Sequence[OrderCall]) -> list[Answer | Lost]:
        try:
            return await self._place_batch(calls)
        except (asyncpg.UniqueViolationError, asyncpg.TransactionRollbackError):
            # Another process took a one-time code or a key between our read and our write.
            return [LOST for _ in calls]
        except _PartnerGone:
            if len(calls) > 1:
                raise  # the batcher runs the items one by one
            return [refused(Refused("4115"))]
        except Exception as error:
            if is_away(error):
                raise Unavailable(5) from error
            raise

    async def _place_batch(self, calls: Sequence[OrderCall]) -> list[Answer | Lost]:
        """One connection serves the whole batch: whoever held one and waited for another could
        wait for ever."""
        async with self._pool.acquire() as connection:
            jobs = [await self._job(call, connection) for call in calls]
            known = await placing.read(connection, asked_of(jobs))
            if await self._freshen(jobs, known, connection):
                jobs = [await self._job(call, connection) for call in calls]
                known = await placing.read(connection, asked_of(jobs))
            await self._ids.reserve_orders(connection, len(jobs))
            judged = decide_in_turn(jobs, known, self._ids)
            outcomes = [one.outcome for one in judged if isinstance(one, Judged) and one.outcome]
            if any(call.call.fail_after_write for call in calls):
                return await self._write_and_fail(connection, outcomes, calls)
            won = await placing.write(connection, outcomes) if outcomes else set()
        judged = _without_losers(judged, won)
        await self._settle_at_once(jobs, judged)
        return [one.answer if isinstance(one, Judged) else one for one in judged]

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
    ) -> list[Answer | Lost]:
        """A fault: the writes happen and are rolled back, as if the process had failed there."""
        if len(calls) > 1:
            raise InjectedFailure  # the batcher runs the items one by one
        async with connection.transaction():
            if outcomes:
                await placing.write(connection, outcomes)
            raise InjectedFailure

    async def _settle_at_once(self, jobs: Sequence[Job], judged: Sequence[Judged | Lost]) -> None:
        """Settle what worlds with immediate settlement have accepted, before answering.

        The orders are committed: whatever happens here, they are answered as accepted, and what
        stays unsettled is due for the worker.
        """
        due: dict[str, tuple[World, datetime, list[str]]] = {}
        for job, one in zip(jobs, judged, strict=True):
            accepted = isinstance(one, Judged) and one.outcome and one.outcome.order
            if accepted and job.world.settles_at_once:
                _, _, customers = due.setdefault(job.world.partner_id, (job.world, job.now, []))
                customers.append(job.order_call.customer_id)
        for world, now, customers in due.values():
            try:
                await settle_orders(self._pool, world, now, customer_ids=customers, wait=True)
            except Exception:
                log.exception("settlement left to the worker", partner_id=world.partner_id)


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
