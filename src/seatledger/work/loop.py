"""The background worker: settles what is due, partner by partner (orders.md 1.6)."""

import asyncio

import asyncpg
import structlog

from seatledger.engine.context import Engine
from seatledger.engine.settle import settle_due
from seatledger.store import partners

IDLE_SECONDS = 0.25

log = structlog.get_logger()


class Worker:
    """Looks for due work until told to stop.

    Several may run side by side: customers another worker holds are passed over. Worlds whose
    settlement is immediate or manual are left to their callers.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Finish the round under way and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped. Errors are logged and the round is repeated."""
        while not self._stopping.is_set():
            try:
                settled = await self.round()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("worker cannot reach the database", error=str(error))
                settled = 0
            if not settled:
                await self._rest()

    async def round(self) -> int:
        """Settle everything due once; gives how much that was."""
        settled = 0
        async with self._engine.pool.acquire() as connection:
            partner_ids = await partners.all_ids(connection)
        for partner_id in partner_ids:
            async with self._engine.pool.acquire() as connection:
                world = await self._engine.worlds.current(partner_id, connection)
            if world is None or world.row.settlement_mode not in ("auto", "delay"):
                continue
            now = self._engine.worlds.now(world)
            settled += len(await settle_due(self._engine.pool, world, now))
        return settled

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), IDLE_SECONDS)
        except TimeoutError:
            return
