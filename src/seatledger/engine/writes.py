"""The way of every write that is not an order: decide on a snapshot, write under a guard."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import asyncpg
import structlog
from msgspec import Struct

from seatledger.contract.limits import MAX_ATTEMPTS, MAX_WAIT_SECONDS
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
from seatledger.store.database import LOCK_TIMEOUT_MS, is_away
from seatledger.store.placing import Stored
from seatledger.store.rows import AnyConnection, AnyPool

log = structlog.get_logger()

Write = Callable[[AnyConnection], Awaitable[None]]


class LostRace(Exception):
    """A guarded write found that its row had changed: decide again."""


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

    async def perform(self, call: Call, decide: Decide) -> Answer:
        """Answer a write once per correlation id.

        `decide` reads and judges; no lock is held meanwhile. Its writes and the stored answer go
        into one transaction. Raises Unavailable (503) when the database is away or the row keeps
        changing or stays locked.
        """
        return await self._in_flight.once(
            call.key, lambda: self._perform(call, decide), lambda: refused(Refused("4122"))
        )

    async def _perform(self, call: Call, decide: Decide) -> Answer:
        loop = asyncio.get_running_loop()
        last_start = loop.time() + MAX_WAIT_SECONDS - LOCK_TIMEOUT_MS / 1000
        for _ in range(MAX_ATTEMPTS):
            try:
                return await self._attempt(call, decide)
            except (LostRace, asyncpg.UniqueViolationError, asyncpg.TransactionRollbackError):
                continue
            except asyncpg.LockNotAvailableError as error:
                if loop.time() > last_start:
                    raise Unavailable(1) from error
            except Exception as error:
                if is_away(error):
                    raise Unavailable(5) from error
                raise
        raise Unavailable(1)

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
        async with connection.transaction():
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


def _answer(decision: Done | Refused) -> Answer:
    if isinstance(decision, Refused):
        return refused(decision)
    return Answer(decision.http_status, render.encode(decision.resource))
