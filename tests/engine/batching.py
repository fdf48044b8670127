"""What tests of the micro-batcher run it against."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from seatledger.engine.batcher import Batcher, Lost

Results = Sequence[str | Lost]
Answering = Callable[[Sequence[str]], Results]


def echo(items: Sequence[str]) -> Results:
    """Every item gets its own name in capitals."""
    return [item.upper() for item in items]


class Store:
    """What batches run against: each waits until the test lets it go, or is let through."""

    def __init__(self, answer: Answering = echo, *, is_open: bool = False) -> None:
        self.batches: list[list[str]] = []
        self._answer = answer
        self._is_open = is_open
        self._held: list[asyncio.Event] = []
        self._arrived = asyncio.Condition()

    async def run(self, items: Sequence[str]) -> Results:
        """One batch."""
        gate = asyncio.Event()
        async with self._arrived:
            self.batches.append(list(items))
            self._held.append(gate)
            self._arrived.notify_all()
        if not self._is_open:
            await gate.wait()
        return self._answer(items)

    async def has(self, count: int) -> None:
        """Wait until that many batches have come."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.batches) >= count)

    def let_go(self, number: int) -> None:
        """Let a batch finish, counted from 0."""
        self._held[number].set()

    def let_all_go(self) -> None:
        """Let everything finish, now and later."""
        self._is_open = True
        for gate in self._held:
            gate.set()


def start(work: Coroutine[Any, Any, str]) -> "asyncio.Task[str]":
    """Submit without waiting."""
    return asyncio.create_task(work)


async def submit_all(batcher: Batcher[str, str], *items: str) -> list["asyncio.Task[str]"]:
    """Submit items in order, `a1` being the first of the group `a`; nothing is awaited."""
    tasks = [start(batcher.submit(item, item[0])) for item in items]
    await asyncio.sleep(0)  # every task has put its item into the queue
    return tasks


async def occupy(
    store: Store, batcher: Batcher[str, str], *items: str
) -> list["asyncio.Task[str]"]:
    """Submit each item when the one before it is in a lane, which it so has for itself."""
    tasks: list[asyncio.Task[str]] = []
    for number, item in enumerate(items, start=1):
        tasks += await submit_all(batcher, item)
        await store.has(number)
    return tasks


async def go_away(*tasks: "asyncio.Task[str]") -> None:
    """The callers give up: what a test leaves waiting would fail in the midst of another one."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
