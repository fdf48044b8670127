"""Carrying out accepted work: orders and account validations that are due."""

from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE, DUPLICATE, INVALID_ADDRESS, PENDING
from seatledger.domain.agenda import scheduled
from seatledger.domain.commitment_life import activated as activated_commit
from seatledger.domain.due_work import settle_in_turn
from seatledger.domain.effects import Fact, Settlement
from seatledger.domain.model import Customer, Order, PartnerSettings, Reseller
from seatledger.engine.claims import Scope, work_off
from seatledger.engine.world import World
from seatledger.metrics import SETTLED
from seatledger.store import accounts, rows, settling
from seatledger.store import due as due_work
from seatledger.store.database import transaction
from seatledger.store.ids import subscription_id
from seatledger.store.rows import AnyConnection, AnyPool
from seatledger.store.settling import Claim, Event
from seatledger.tracing import tracing


class Settled(Struct, frozen=True):
    """One piece of work that left status 1002, and what else came true with it."""

    kind: str
    id: str
    to: str
    at: datetime
    customer_id: str = ""
    facts: tuple[Fact, ...] = ()


async def settle_orders(
    source: AnyPool | AnyConnection, world: World, at: datetime, scope: Scope | None = None
) -> list[Settled]:
    """Settle the orders in scope that are due at the business instant `at`."""

    async def lock(connection: AnyConnection, claim: Claim) -> list[str]:
        return await settling.lock_due(connection, world.partner_id, at, claim)

    async def carry_out(connection: AnyConnection, locked: Sequence[str]) -> list[Settled]:
        with tracing.span("settlement", partner_id=world.partner_id, customers=len(locked)):
            return await _carry_out(connection, world, locked, at)

    scope = scope or Scope()
    done = await work_off(source, scope, lock, carry_out, lambda one: one.customer_id)
    _count(done)
    return done


async def _carry_out(
    connection: AnyConnection, world: World, customer_ids: Sequence[str], at: datetime
) -> list[Settled]:
    settlements: list[Settlement] = []
    due = await settling.load_due(connection, customer_ids, at, world.partner.status)
    for one in due:
        settlements += settle_in_turn(
            one.account,
            one.orders,
            one.originals,
            one.standing,
            world.rules,
            at,
            subscription_id,
        )
    events = [event for one in settlements for event in events_of(one, at)]
    await settling.save(connection, settlements, events)
    return [
        Settled(
            "order", one.order.order_id, one.order.status, at, one.customer.customer_id, one.facts
        )
        for one in settlements
    ]


def events_of(result: Settlement, at: datetime) -> list[Event]:
    """What settling an order tells: its end, and its facts."""
    order: Order = result.order
    kind = "order_failed" if result.failed else "order_completed"
    ended = Fact(kind, order.status, order_id=order.order_id)
    return [event_of(order, fact, at) for fact in (ended, *result.facts)]


def event_of(owner: Customer | Order, fact: Fact, at: datetime) -> Event:
    """A fact of a customer for the event log, at a business instant."""
    return Event(
        owner.partner_id,
        at,
        fact.kind,
        owner.customer_id,
        fact.order_id,
        fact.subscription_id,
        fact.result,
    )


async def settle_accounts(
    source: AnyPool | AnyConnection,
    world: World,
    at: datetime,
    scope: Scope | None = None,
    *,
    kinds: Collection[str] = ("reseller", "customer"),
) -> list[Settled]:
    """Finish the validation of resellers and customers that is due (accounts.md 5.1).

    Where the scope names customers, no reseller is looked at.
    """
    scope = scope or Scope()
    done: list[Settled] = []
    if "reseller" in kinds and scope.customer_ids is None:
        done += await _validate_resellers(source, world, at)
    if "customer" in kinds:
        done += await _validate_customers(source, world, at, scope)
    _count(done)
    return done


def _count(done: Sequence[Settled]) -> None:
    for one in done:
        SETTLED.add(one.kind, one.to)


async def _validate_resellers(
    source: AnyPool | AnyConnection, world: World, at: datetime
) -> list[Settled]:
    async with transaction(source) as connection:
        resellers = await settling.lock_due_resellers(connection, world.partner_id, at)
        validated = [_validated_reseller(one) for one in resellers]
        await rows.upsert(connection, "reseller", "reseller_id", validated)
        done = [Settled("reseller", one.reseller_id, one.status, at) for one in validated]
        await _tell(connection, world, done)
    return done


async def _validate_customers(
    source: AnyPool | AnyConnection, world: World, at: datetime, scope: Scope
) -> list[Settled]:
    async def lock(connection: AnyConnection, claim: Claim) -> list[str]:
        return await settling.lock_due_customers(connection, world.partner_id, at, claim)

    async def carry_out(connection: AnyConnection, locked: Sequence[str]) -> list[Settled]:
        done: list[Settled] = []
        for one in await settling.load_customers(connection, locked):
            customer = await _validated_customer(connection, one, world.partner.settings, at)
            # At once: of two with the same name the later one is the duplicate.
            await rows.upsert(connection, "customer", "customer_id", [customer])
            done.append(Settled("customer", one.customer_id, customer.status, at, one.customer_id))
            await _tell(connection, world, done[-1:])
            if customer.status != ACTIVE:
                done += await fail_waiting_orders(connection, world, customer, at)
        return done

    return await work_off(source, scope, lock, carry_out, lambda one: one.customer_id)


async def _tell(connection: AnyConnection, world: World, validated: Sequence[Settled]) -> None:
    events = [
        Event(world.partner_id, one.at, f"{one.kind}_validated", one.customer_id, result=one.to)
        for one in validated
    ]
    await rows.insert(connection, "event", events)


def _validated_reseller(reseller: Reseller) -> Reseller:
    status = reseller.injected_status or ACTIVE
    return replace(
        reseller, status=status, version=reseller.version + 1, settle_at=None, injected_status=None
    )


async def _validated_customer(
    connection: AnyConnection, customer: Customer, settings: PartnerSettings, at: datetime
) -> Customer:
    """Checked for blocked, duplicate, address, in this order; the first hit decides."""
    status = customer.injected_status or ACTIVE
    if status in (ACTIVE, INVALID_ADDRESS) and await accounts.has_twin(connection, customer):
        status = DUPLICATE
    decided = replace(
        customer,
        status=status,
        version=customer.version + 1,
        settle_at=None,
        injected_status=None,
        attempts=0,
    )
    return scheduled(activated_commit(decided, at), (), settings, at)


async def fail_waiting_orders(
    connection: AnyConnection, world: World, customer: Customer, at: datetime
) -> list[Settled]:
    """Orders that waited for a customer fail with it (1024), whether due or held."""
    if customer.status == PENDING:
        return []
    await due_work.release(connection, world.partner_id, at, customer_id=customer.customer_id)
    return await _carry_out(connection, world, [customer.customer_id], at)
