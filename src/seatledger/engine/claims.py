"""Working off what is due: customers claimed in batches, one bad customer holding up nobody."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import asyncpg
import structlog
from msgspec import Struct

from seatledger.metrics import WORK_FAILED
from seatledger.store import settling
from seatledger.store.database import is_away, transaction
from seatledger.store.rows import AnyConnection, AnyPool
from seatledger.store.settling import Claim

BATCH_CUSTOMERS = 100
# Whoever has an anniversary cannot order until it has run: nobody waits for these locks. A quarter
# of a block of order ids, so that none is left over.
TURN_CUSTOMERS = 250
ATTEMPTS_BEFORE_PARKING = 5
_RETRY = "tried again by itself, up to five times in all; orders of this customer wait meanwhile"
_RESUME = "remove the cause, then: seatledger customer resume {}"
_ANOTHER_FIRST = (asyncpg.TransactionRollbackError, asyncpg.LockNotAvailableError)

log = structlog.get_logger()

T = TypeVar("T")
Lock = Callable[[AnyConnection, Claim], Awaitable[list[str]]]
Carry = Callable[[AnyConnection, Sequence[str]], Awaitable[list[T]]]


class Scope(Struct, frozen=True):
    """How far a call goes: which customers, how many pieces of work, and whether it waits.

    With `wait` customers in use elsewhere are waited for, otherwise passed over. `failed` are
    customers to leave alone; those whose work fails join them. Once `is_over` says so no further
    batch begins: what is left stays due. With `lanes` so many batches are under way at once, in no
    order among each other: one is decided on while the database writes another. That takes a pool,
    and no `wait`.
    """

    customer_ids: Sequence[str] | None = None
    most: int | None = None
    wait: bool = False
    failed: set[str] = set()
    is_over: Callable[[], bool] = lambda: False
    lanes: int = 1


async def work_off(
    source: AnyPool | AnyConnection,
    scope: Scope,
    lock: Lock,
    carry_out: Carry[T],
    customer_of: Callable[[T], str],
    *,
    in_turns: bool = False,
) -> list[T]:
    """Lock customers that have work due, a batch at a time, and carry it out.

    A batch is one transaction. With `in_turns` it leaves customers with more to do, who come again;
    otherwise it does all of theirs, and what comes in meanwhile is left to whoever made it. Work
    that keeps failing is parked, never retried for ever; an error is raised only when the database
    was away, a row stayed locked, or another transaction was preferred.
    """
    done: list[T] = []
    in_vain: set[str] = set()
    torn = False
    whole = TURN_CUSTOMERS if in_turns else BATCH_CUSTOMERS

    async def lane() -> None:
        nonlocal torn
        while not torn and not scope.is_over():
            limit = whole if scope.most is None else min(whole, scope.most - len(done))
            if limit <= 0:
                return
            claim = Claim(scope.customer_ids, scope.failed | in_vain, limit, scope.wait)
            try:
                locked, results = await _batch(source, claim, lock, carry_out, scope.failed)
            except Exception:
                torn = True
                raise
            done.extend(results)
            if not locked or (len(locked) < limit and not in_turns):
                return
            served = {customer_of(one) for one in results}
            in_vain.update(set(locked) - served)

    if scope.lanes == 1:
        await lane()
    else:  # all to their end, so that no error tears another batch off
        ends = await asyncio.gather(*(lane() for _ in range(scope.lanes)), return_exceptions=True)
        for error in filter(None, ends):
            raise error
    return done


async def _batch(
    source: AnyPool | AnyConnection,
    claim: Claim,
    lock: Lock,
    carry_out: Carry[T],
    failed: set[str],
) -> tuple[list[str], list[T]]:
    """Work off one claim in one transaction; gives who was locked and what was done.

    If that fails, each customer is tried alone; those who fail alone join `failed`.
    """
    locked: list[str] = []
    try:
        async with transaction(source) as connection:
            locked = await lock(connection, claim)
            return locked, await carry_out(connection, locked) if locked else []
    except Exception as error:
        if not locked or is_away(error) or isinstance(error, _ANOTHER_FIRST):
            raise
        if len(locked) == 1:
            await _note_failure(source, locked[0], error)
            failed.add(locked[0])
            return locked, []
    done: list[T] = []
    for customer_id in locked:
        alone = Claim([customer_id], claim.but_not, 1, claim.wait)
        done += (await _batch(source, alone, lock, carry_out, failed))[1]
    return locked, done


async def _note_failure(
    source: AnyPool | AnyConnection, customer_id: str, error: Exception
) -> None:
    reason = f"{type(error).__name__}: {error}"
    async with transaction(source) as connection:
        parked = await settling.count_attempt(
            connection, customer_id, reason, limit=ATTEMPTS_BEFORE_PARKING
        )
    WORK_FAILED.add()
    log.error(
        "work failed",
        customer_id=customer_id,
        reason=reason,
        parked=parked,
        next=_RESUME.format(customer_id) if parked else _RETRY,
        exc_info=error,
    )
