"""The way of every write that is not an order: decide on a snapshot, write under a guard."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, TypeVar
from weakref import WeakValueDictionary

import asyncpg
import structlog
from msgspec import Struct

from seatledger.contract.limits import MAX_WAIT_SECONDS
from seatledger.domain.outcome import Refused
from seatledger.engine import render
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
from seatledger.engine.settle import settle_accounts
from seatledger.engine.world import World, Worlds
from seatledger.store import partners, replays
from seatledger.store.database import brief_transaction
from seatledger.store.placing import Stored
from seatledger.store.rows import AnyConnection, AnyPool

log = structlog.get_logger()

T = TypeVar("T")
Write = Callable[[AnyConnection], Awaitable[None]]


class LostRace(Exception):
    """A guarded write found that its row had changed: decide again."""


_PAUSES_SECONDS: Final = (0.0, 0.02, 0.1, 0.5, 2.5)  # before each of the five rounds
_ANOTHER_FIRST: Final = (
    LostRace,
    asyncpg.UniqueViolationError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
)


async def in_rounds(attempt: Callable[[], Awaitable[T]], deadline: float | None = None) -> T:
    """Try until nobody is in the way any more, five times at most (platform.md 5.4).

    A try gives back its connection, and what follows pauses without one. Raises Unavailable after
    the last try, or the one at the `deadline` (clock of the event loop; 5 s from now by default).
    """
    clock = asyncio.get_running_loop().time
    last = clock() + MAX_WAIT_SECONDS if deadline is None else deadline
    for pause in _PAUSES_SECONDS:
        await asyncio.sleep(min(pause, max(0.0, last - clock())))
        try:
            return await attempt()
        except _ANOTHER_FIRST:
            if clock() >= last:
                break
    raise Unavailable(1)


async def in_turn(pool: AnyPool, work: Callable[[AnyConnection], Awaitable[T]]) -> T:
    """Do work in a transaction of its own as soon as nobody holds its rows; in rounds, so that
    waiting takes no connection. The work begins anew with each. Raises Unavailable."""

    async def attempt() -> T:
        async with brief_transaction(pool) as connection:
            return await work(connection)

    return await in_rounds(attempt)


class Done(Struct, frozen=True):
    """A decision to change something: the answer, and the writes that make it true."""

    http_status: int
    resource: Struct
    writes: tuple[Write, ...] = ()
    validates_account: bool = False


class Scene(Struct, frozen=True):
    """What a decision is made with: a connection to read from, the world, the instant.

    `injected_status` is what a sandbox fault makes a new account settle to.
    """

    connection: AnyConnection
    world: World
    now: datetime
    injected_status: str | None = None


Decide = Callable[[Scene], Awaitable[Done | Refused]]


class Writes:
    """Performs idempotent writes of every partner."""

    def __init__(self, pool: AnyPool, worlds: Worlds) -> None:
        self._pool = pool
        self._worlds = worlds
        self._in_flight = InFlight()
        self._turns: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = WeakValueDictionary()

    async def perform(self, call: Call, decide: Decide) -> Answer:
        """Answer a write once per correlation id.

        `decide` reads and judges; no lock is held meanwhile. Its writes and the stored answer go
        into one transaction. Raises Unavailable (503) when the row keeps changing or stays locked.
        """
        return await self._in_flight.once(
            call.key, lambda: self._perform(call, decide), lambda: refused(Refused("4122"))
        )

    async def _perform(self, call: Call, decide: Decide) -> Answer:
        """Here the writes of one account take turns: at once they would race each other, and all
        of them would look after a lock that one can look after. Who waits holds no connection."""
        deadline = asyncio.get_running_loop().time() + MAX_WAIT_SECONDS
        turn = self._turns.setdefault(_turn_of(call), asyncio.Lock())
        try:
            async with asyncio.timeout_at(deadline):
                await turn.acquire()
        except TimeoutError:
            raise Unavailable(1) from None
        try:
            return await in_rounds(lambda: self._attempt(call, decide), deadline)
        finally:
            turn.release()

    async def _attempt(self, call: Call, decide: Decide) -> Answer:
        async with self._pool.acquire() as connection:
            world = await self._worlds.current(call.partner_id, connection)
            if world is None:
                return refused(Refused("4115"))
            now = self._worlds.now(world)
            memory = await replays.recall(
                connection, call.key, call.own_request_id, alive_since(now)
            )
            if memory.stored is not None:
                strict = world.partner.settings.strict_idempotency
                return replay(memory.stored, call.fingerprint(), strict=strict)
            if memory.request_seen:
                return refused(Refused("4120"))
            decision = await decide(Scene(connection, world, now, call.injected_status))
            answer = _answer(decision)
            code = decision.code if isinstance(decision, Refused) else ""
            if is_stored(answer.http_status, code):
                await self._write(connection, call, decision, answer, now, world.row.version)
        if isinstance(decision, Done) and decision.validates_account and world.settles_at_once:
            try:
                await settle_accounts(self._pool, world, now)
            except Exception:
                # The account is committed and stays due for the worker.
                log.exception("validation left to the worker", partner_id=call.partner_id)
        return answer

    async def _write(
        self,
        connection: AnyConnection,
        call: Call,
        decision: Done | Refused,
        answer: Answer,
        now: datetime,
        seen_world: int,
    ) -> None:
        async with brief_transaction(connection):
            if not await partners.hold(connection, call.partner_id, seen_world):
                raise LostRace
            if isinstance(decision, Done):
                for write in decision.writes:
                    await write(connection)
            stored = Stored(answer.http_status, answer.body, call.fingerprint())
            kept = await replays.remember(
                connection, call.key, call.own_request_id, stored, now, alive_since(now)
            )
            if not kept:
                raise LostRace
            if call.fail_after_write:
                raise InjectedFailure


def _turn_of(call: Call) -> tuple[str, ...]:
    """What a write takes its turn at: the account its path names. A new one is nobody else's."""
    steps = call.path.split("/", 4)  # "", v3, customers, the id, what belongs to it
    return call.key if len(steps) < 4 else (call.partner_id, *steps[:4])


def _answer(decision: Done | Refused) -> Answer:
    if isinstance(decision, Refused):
        return refused(decision)
    return Answer(decision.http_status, render.encode(decision.resource))
