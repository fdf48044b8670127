"""Carrying out accepted work: orders and account validations that are due."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import structlog
from msgspec import Struct
from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE, DUPLICATE, INVALID_ADDRESS, PENDING
from seatledger.domain.fulfilment import Settlement, settle, verdict
from seatledger.domain.model import Account, Customer, Order, Reseller
from seatledger.engine.world import World
from seatledger.store import accounts, rows, settling
from seatledger.store.database import is_away, transaction
from seatledger.store.ids import subscription_id
from seatledger.store.rows import AnyConnection, AnyPool
from seatledger.store.settling import Claim, Due, Event

BATCH_CUSTOMERS = 100
ATTEMPTS_BEFORE_PARKING = 5

log = structlog.get_logger()


class Settled(Struct, frozen=True):
    """One piece of work that left status 1002."""

    kind: str
    id: str
    to: str
    at: datetime
    customer_id: str = ""


async def settle_due(
    source: AnyPool | AnyConnection,
    world: World,
    at: datetime,
    *,
    wait: bool = False,
    most: int | None = None,
) -> list[Settled]:
    """Settle everything of a partner that is due at the business instant `at`.

    Accounts first, because customers that become active set their orders free. The rest is
    `settle_orders`.
    """
    done = await settle_accounts(source, world, at)
    return done + await settle_orders(source, world, at, wait=wait, most=most)


async def settle_orders(
    source: AnyPool | AnyConnection,
    world: World,
    at: datetime,
    *,
    customer_ids: Sequence[str] | None = None,
    wait: bool = False,
    most: int | None = None,
) -> list[Settled]:
    """Settle the orders of some customers, or all, that are due at the business instant `at`.

    `most` bounds the customers settled. With `wait` customers in use elsewhere are waited for,
    otherwise passed over. Work that keeps failing is parked, never retried for ever; an error is
    raised only when the database was away or preferred another transaction.
    """
    done: list[Settled] = []
    remaining = most
    fruitless: set[str] = set()  # customers tried in vain are not tried again by this call
    while remaining is None or remaining > 0:
        limit = BATCH_CUSTOMERS if remaining is None else min(BATCH_CUSTOMERS, remaining)
        claim = Claim(customer_ids, fruitless, limit, wait)
        locked, settled = await _settle_batch(source, world, at, claim)
        done += settled
        if len(locked) < limit:
            break
        served = {one.customer_id for one in settled}
        fruitless |= set(locked) - served
        if remaining is not None:
            remaining -= len(served)
    return done


async def _settle_batch(
    source: AnyPool | AnyConnection, world: World, at: datetime, claim: Claim
) -> tuple[list[str], list[Settled]]:
    """Settle the customers of one claim in one transaction; gives who they were and what was done.

    If that fails, each is tried alone, so that one bad customer holds up nobody else.
    """
    locked: list[str] = []
    try:
        async with transaction(source) as connection:
            locked = await settling.lock_due(connection, world.partner_id, at, claim)
            return locked, await _carry_out(connection, world, locked, at)
    except Exception as error:
        if not locked or is_away(error) or isinstance(error, asyncpg.TransactionRollbackError):
            raise
        if len(locked) == 1:
            await _note_failure(source, locked[0], error)
            return locked, []
    done: list[Settled] = []
    for customer_id in locked:
        alone = Claim([customer_id], claim.but_not, 1, claim.wait)
        done += (await _settle_batch(source, world, at, alone))[1]
    return locked, done


async def _note_failure(
    source: AnyPool | AnyConnection, customer_id: str, error: Exception
) -> None:
    reason = f"{type(error).__name__}: {error}"
    async with transaction(source) as connection:
        parked = await settling.count_attempt(
            connection, customer_id, reason, limit=ATTEMPTS_BEFORE_PARKING
        )
    log.error(
        "settlement failed",
        customer_id=customer_id,
        reason=reason,
        parked=parked,
        exc_info=error,
    )


async def _carry_out(
    connection: AnyConnection, world: World, customer_ids: Sequence[str], at: datetime
) -> list[Settled]:
    if not customer_ids:
        return []
    settlements: list[Settlement] = []
    due = await settling.load_due(connection, customer_ids, at, world.partner.status)
    for one in due:
        settlements += _settle_customer(world, one, at)
    events = [_order_event(one, at) for one in settlements]
    await settling.save(connection, settlements, events)
    return [
        Settled("order", one.order.order_id, one.order.status, at, one.customer.customer_id)
        for one in settlements
    ]


def _settle_customer(world: World, due: Due, at: datetime) -> list[Settlement]:
    """A customer's due orders in turn, each on the account the last one left."""
    account = due.account
    originals = dict(due.originals)
    done: list[Settlement] = []
    for order in due.orders:
        status = verdict(order, account.customer, due.standing)
        if status is None:
            continue
        account = replace(account, reference=originals.get(order.reference_order_id))
        result = settle(order, account, status, world.catalog, at, subscription_id)
        done.append(result)
        if result.original is not None:
            originals[result.original.order_id] = result.original
        account = _after(account, result)
    return done


def _after(account: Account, result: Settlement) -> Account:
    changed = {one.subscription_id: one for one in result.subscriptions}
    kept = [changed.pop(s.subscription_id, s) for s in account.subscriptions]
    return replace(account, customer=result.customer, subscriptions=(*kept, *changed.values()))


def _order_event(result: Settlement, at: datetime) -> Event:
    order: Order = result.order
    kind = "order_failed" if result.failed else "order_completed"
    return Event(order.partner_id, at, kind, order.customer_id, order.order_id, "", order.status)


async def settle_accounts(
    source: AnyPool | AnyConnection, world: World, at: datetime
) -> list[Settled]:
    """Finish the validation of resellers and customers that is due (accounts.md 5.1)."""
    async with transaction(source) as connection:
        resellers, customers = await settling.lock_due_accounts(connection, world.partner_id, at)
        validated = [_validated_reseller(one) for one in resellers]
        await rows.upsert(connection, "reseller", "reseller_id", validated)
        activated = []
        for one in sorted(customers, key=lambda one: (one.created_at, one.customer_id)):
            activated.append(await _validated_customer(connection, one))
            # At once: of two with the same name the later one is the duplicate.
            await rows.upsert(connection, "customer", "customer_id", activated[-1:])
        done = [
            *(Settled("reseller", one.reseller_id, one.status, at) for one in validated),
            *(Settled("customer", c.customer_id, c.status, at, c.customer_id) for c in activated),
        ]
        events = [
            Event(world.partner_id, at, f"{one.kind}_validated", one.customer_id, result=one.to)
            for one in done
        ]
        await rows.insert(connection, "event", events)
        for customer in activated:
            if customer.status != ACTIVE:
                await fail_waiting_orders(connection, world, customer, at)
    return done


def _validated_reseller(reseller: Reseller) -> Reseller:
    status = reseller.injected_status or ACTIVE
    return replace(
        reseller, status=status, version=reseller.version + 1, settle_at=None, injected_status=None
    )


async def _validated_customer(connection: AnyConnection, customer: Customer) -> Customer:
    """Checked for blocked, duplicate, address, in this order; the first hit decides."""
    status = customer.injected_status or ACTIVE
    if status in (ACTIVE, INVALID_ADDRESS) and await accounts.has_twin(connection, customer):
        status = DUPLICATE
    return replace(
        customer, status=status, version=customer.version + 1, settle_at=None, injected_status=None
    )


async def fail_waiting_orders(
    connection: AnyConnection, world: World, customer: Customer, at: datetime
) -> None:
    """Orders that waited for a customer fail with it (1024), whether due or held."""
    if customer.status == PENDING:
        return
    await settling.release_of(connection, world.partner_id, at, customer.customer_id, None)
    await _carry_out(connection, world, [customer.customer_id], at)
