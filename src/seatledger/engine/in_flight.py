"""Repeats of a call that is still running in this process (platform.md 5.2, 5.3)."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

WAIT_SECONDS = 0.25

T = TypeVar("T")


class InFlight:
    """Keeps repeats of a running call apart from it.

    A repeat waits up to a quarter of a second for the first to end and then runs itself: it finds
    the stored answer, or, where nothing was stored, it does the work; that of several such
    repeats only one takes effect is the database's part. If the first takes longer, the repeat is
    told so.
    """

    def __init__(self, wait_seconds: float = WAIT_SECONDS) -> None:
        self._wait_seconds = wait_seconds
        self._running: dict[Hashable, asyncio.Future[None]] = {}

    async def once(
        self, key: Hashable, run: Callable[[], Awaitable[T]], busy: Callable[[], T]
    ) -> T:
        """Run `run` when nobody runs under the key; `busy()` when that takes too long."""
        first = self._running.get(key)
        if first is not None:
            await asyncio.wait({first}, timeout=self._wait_seconds)
            return await run() if first.done() else busy()
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running[key] = ended
        try:
            return await run()
        finally:
            del self._running[key]
            ended.set_result(None)
