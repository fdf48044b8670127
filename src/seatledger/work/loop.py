"""The background worker: settles what is due, partner by partner (orders.md 1.6), and sweeps."""

import asyncio
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta

import structlog

from seatledger.clock import RealClock
from seatledger.engine.agenda import SETTLEMENT, carry_out_agenda, carry_out_due
from seatledger.engine.claims import Scope
from seatledger.engine.context import Engine
from seatledger.engine.retention import Retention
from seatledger.metrics import WORKER_ERRORS, WORKER_ROUNDS
from seatledger.store import due as due_work
from seatledger.store.database import is_away
from seatledger.telemetry import database_away

IDLE_SECONDS = 0.25
LEFT_SECONDS = 1.0  # real time after which due work counts as left behind by its caller
MOST_WORK = 5_000  # of one partner in one round, so that nobody waits for a long backlog
LANES = 3  # batches under way at once: one is decided on while PostgreSQL works at the others
FIRST_REST_SECONDS = 1.0  # of a customer whose work failed; doubled with every failure

log = structlog.get_logger()


class Worker:
    """Looks for due work until told to stop.

    Several may run side by side: customers another worker holds are passed over. Worlds whose
    settlement is manual are left to their callers. So are those whose callers settle what they
    make due, by an order or by moving the clock; but what they leave behind, because they failed
    halfway, is settled too.
    """

    def __init__(self, engine: Engine, events_live: timedelta | None = None) -> None:
        """`events_live` is how long events are kept (business clock), None for ever."""
        self._engine = engine
        self._retention = Retention(engine.pool, engine.clock, events_live)
        self._stopping = asyncio.Event()
        self._due_since: dict[str, float] = {}  # callers' worlds, by monotonic real time
        self._resting = _Resting(engine.clock)

    def stop(self) -> None:
        """Finish the partner under way and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped. Errors are logged and the round is repeated."""
        while not self._stopping.is_set():
            settled = 0
            try:
                WORKER_ROUNDS.add()
                settled = await self.round()
                await self._retention.turn()
            except Exception as error:
                if is_away(error):
                    database_away.note(error, met_by="worker")
                else:
                    WORKER_ERRORS.add()
                    log.exception("worker failed")
            if not settled:
                await self._rest()

    async def round(self) -> int:
        """Settle everything due once; gives how much that was."""
        async with self._engine.pool.acquire() as connection:
            found = await due_work.earliest_due(connection, self._resting.customers())
        self._due_since = {one: at for one, at in self._due_since.items() if one in found}
        settled = 0
        for partner_id, at in found.items():
            if self._stopping.is_set():
                break
            try:
                settled += await self._settle(partner_id, at)
            except Exception as error:
                if is_away(error):
                    raise
                WORKER_ERRORS.add()
                log.exception("settlement failed", partner_id=partner_id)
        return settled

    async def _settle(self, partner_id: str, at: datetime) -> int:
        async with self._engine.pool.acquire() as connection:
            world = await self._engine.worlds.current(partner_id, connection)
        if world is None:
            return 0
        now = self._engine.worlds.now(world)
        if now < at or (world.is_settled_by_callers and not self._is_left_behind(partner_id)):
            return 0
        # A clock that runs fast is late by much of its time: what it passed happens on its instant.
        instant = at if world.row.clock_mode == "running" else now
        resting = self._resting.customers()
        # Where a clock is moved, customers happen in their order (subscriptions.md 9.1).
        lanes = LANES if world.row.clock_mode == "system" else 1
        scope = Scope(most=MOST_WORK, failed=set(resting), lanes=lanes)
        # What is held is its caller's, even while that settles it.
        carry_out = carry_out_agenda if world.row.settlement_mode == "manual" else carry_out_due
        done = await carry_out(self._engine.pool, world, self._engine.ids, instant, scope)
        self._resting.add(scope.failed - resting)
        happened = Counter(one.kind for one in done if one.kind != SETTLEMENT)
        if happened:
            log.info("happened by itself", partner_id=partner_id, **happened)
        return len(done)

    def _is_left_behind(self, partner_id: str) -> bool:
        now = self._engine.clock.monotonic()
        if now - self._due_since.setdefault(partner_id, now) < LEFT_SECONDS:
            return False
        del self._due_since[partner_id]
        return True

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), IDLE_SECONDS)
        except TimeoutError:
            return


class _Resting:
    """Customers whose work failed here, left alone for a while that grows with every failure."""

    def __init__(self, clock: RealClock) -> None:
        self._clock = clock
        self._until: dict[str, tuple[float, float]] = {}  # customer: end and length of its rest

    def customers(self) -> set[str]:
        """Those that rest now."""
        now = self._clock.monotonic()
        # Who has been awake for as long as it slept has recovered.
        self._until = {
            one: (end, length) for one, (end, length) in self._until.items() if now < end + length
        }
        return {one for one, (end, _) in self._until.items() if now < end}

    def add(self, customer_ids: Collection[str]) -> None:
        """Send customers to rest: longer when they have just had one."""
        now = self._clock.monotonic()
        for one in customer_ids:
            _, before = self._until.get(one, (0.0, FIRST_REST_SECONDS / 2))
            self._until[one] = (now + 2 * before, 2 * before)
