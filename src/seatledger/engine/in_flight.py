"""Repeats of a call that is still running in this process (platform.md 5.2, 5.3)."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

WAIT_SECONDS = 0.25

T = TypeVar("T")


class InFlight:
    """Runs one call per key at a time.

    A repeat waits up to a quarter of a second for the first to end and then runs itself: it finds
    the stored answer. If the first takes longer, the repeat is told so.
    """

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Future[None]] = {}

    async def once(
        self, key: Hashable, run: Callable[[], Awaitable[T]], busy: Callable[[], T]
    ) -> T:
        """Run `run` when the key is free; `busy()` when it does not become so in time."""
        deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
        while (first := self._running.get(key)) is not None:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return busy()
            await asyncio.wait({first}, timeout=left)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running[key] = ended
        try:
            return await run()
        finally:
            del self._running[key]
            ended.set_result(None)
