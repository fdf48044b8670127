"""The background worker: settles what is due, partner by partner (orders.md 1.6)."""

import asyncio
from datetime import datetime

import structlog

from seatledger.engine.context import Engine
from seatledger.engine.settle import settle_due
from seatledger.store import settling
from seatledger.store.database import is_away

IDLE_SECONDS = 0.25
LEFT_SECONDS = 1.0  # real time after which due work counts as left behind by its caller
MOST_CUSTOMERS = 1_000  # of one partner in one round, so that nobody waits for a long backlog

log = structlog.get_logger()


class Worker:
    """Looks for due work until told to stop.

    Several may run side by side: customers another worker holds are passed over. Worlds whose
    settlement is manual are left to their callers. So are those whose callers settle what they
    make due, by an order or by moving the clock; but what they leave behind, because they failed
    halfway, is settled too.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stopping = asyncio.Event()
        self._due_since: dict[str, float] = {}  # callers' worlds, by monotonic real time

    def stop(self) -> None:
        """Finish the partner under way and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped. Errors are logged and the round is repeated."""
        while not self._stopping.is_set():
            settled = 0
            try:
                settled = await self.round()
            except Exception as error:
                if is_away(error):
                    log.warning("worker cannot reach the database", error=str(error))
                else:
                    log.exception("worker failed")
            if not settled:
                await self._rest()

    async def round(self) -> int:
        """Settle everything due once; gives how much that was."""
        async with self._engine.pool.acquire() as connection:
            found = await settling.earliest_due(connection)
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
                log.exception("settlement failed", partner_id=partner_id)
        return settled

    async def _settle(self, partner_id: str, at: datetime) -> int:
        async with self._engine.pool.acquire() as connection:
            world = await self._engine.worlds.current(partner_id, connection)
        if world is None or world.row.settlement_mode == "manual":
            return 0
        now = self._engine.worlds.now(world)
        if now < at or (world.is_settled_by_callers and not self._is_left_behind(partner_id)):
            return 0
        return len(await settle_due(self._engine.pool, world, now, most=MOST_CUSTOMERS))

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
