"""Removing what has expired, little by little beside the work (platform.md 5.2)."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from seatledger.clock import RealClock
from seatledger.engine.calls import alive_since
from seatledger.engine.world import business_now
from seatledger.metrics import RETENTION_REMOVED
from seatledger.store import retention
from seatledger.store.retention import EVENTS, REPLAYS, Walk
from seatledger.store.rows import AnyPool

AliveSince: TypeAlias = Callable[[datetime], datetime]  # of a business instant, as is its result
SWEEP_EVERY: Final = timedelta(hours=6)  # real time between two beginnings
_LOOK_SECONDS = 60.0  # how often a process asks whether a sweep is due
_FULL_BUCKET: Final = timedelta(minutes=2)  # the slowest bucket is full after one (platform.md 13)


class Retention:
    """Sweeps the installation, in one of its processes at a time.

    Everything goes by the business clock of its partner; nothing that could still be replayed is
    touched. Events older than `events_live` go too, None keeps them all.
    """

    def __init__(
        self, pool: AnyPool, clock: RealClock, events_live: timedelta | None = None
    ) -> None:
        self._walks: list[tuple[Walk, AliveSince]] = [(walk, alive_since) for walk in REPLAYS]
        if events_live is not None:
            self._walks.append((EVENTS, lambda now: now - events_live))
        self._pool = pool
        self._clock = clock
        self._look_at = clock.monotonic()
        self._sweep: AsyncIterator[int] | None = None

    async def turn(self) -> None:
        """Do the next bit of a sweep, if one is due or under way: one short statement or two."""
        if self._sweep is None and await self._is_due():
            self._sweep = self.sweep()
        if self._sweep is None:
            return
        under_way, self._sweep = self._sweep, None  # a sweep that fails is over
        async for _ in under_way:
            self._sweep = under_way
            return

    async def sweep(self) -> AsyncIterator[int]:
        """Remove everything that has expired; yields after every bit, with the rows it took."""
        async with self._pool.acquire() as connection:
            await retention.delete_full_buckets(connection, self._clock.now() - _FULL_BUCKET)
            unused = await retention.unused_data_sets(connection)
        yield 0
        for walk, since in self._walks:
            async with self._pool.acquire() as connection:
                pages = await retention.page_count(connection, walk)
            for page in range(0, pages, walk.pages):
                yield await self._delete_on(walk, page, since)
        # Whoever read a partner before the first bit has read its data sets by now.
        async with self._pool.acquire() as connection:
            await retention.delete_data_sets(connection, unused)

    async def _is_due(self) -> bool:
        if self._clock.monotonic() < self._look_at:
            return False
        self._look_at = self._clock.monotonic() + _LOOK_SECONDS
        now = self._clock.now()
        async with self._pool.acquire() as connection:
            return await retention.claim_sweep(connection, now, now - SWEEP_EVERY)

    async def _delete_on(self, walk: Walk, page: int, since: AliveSince) -> int:
        async with self._pool.acquire() as connection:
            worlds = await retention.worlds_on(connection, walk, page)
            real = self._clock.now()
            instants = [since(business_now(world, real)) for world in worlds]
            removed = await retention.delete_expired(connection, walk, page, worlds, instants)
        RETENTION_REMOVED.add(walk.table, by=removed)
        return removed
