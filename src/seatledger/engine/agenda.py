"""What happens by itself: anniversaries, ends of commitments and windows (subscriptions.md 9.1).

A customer's due things happen in one transaction each, under its lock. The unique anniversary of
an order and the customer's own dates see to it that a run takes place once, whoever starts it.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from seatledger.domain.due_work import Supply, let_happen
from seatledger.domain.effects import Fact
from seatledger.domain.reconciliation import closing_after, month_closed_at
from seatledger.engine.claims import Scope, work_off
from seatledger.engine.reconciliation import generate
from seatledger.engine.settle import Settled, event_of, settle_accounts, settle_orders
from seatledger.engine.world import World
from seatledger.metrics import HAPPENED
from seatledger.store import agenda as store
from seatledger.store import due as due_work
from seatledger.store import rows
from seatledger.store.agenda import Changes, Waiting
from seatledger.store.database import transaction
from seatledger.store.ids import Ids, subscription_id
from seatledger.store.rows import AnyConnection, AnyPool
from seatledger.store.settling import Claim, Event
from seatledger.tracing import tracing

SETTLEMENT, MONTH_END = "settlement", "reconciliation_month_end"


class Occurred(Struct, frozen=True, gc=False):
    """Something that happened at a business instant, "" where no id is concerned."""

    at: datetime
    kind: str
    result: str = ""
    customer_id: str = ""
    order_id: str = ""
    subscription_id: str = ""
    reseller_id: str = ""


async def carry_out_due(
    source: AnyPool | AnyConnection, world: World, ids: Ids, at: datetime, scope: Scope
) -> list[Occurred]:
    """Everything due at the business instant `at`: accepted work first, then the agenda.

    It goes on until nothing is left, because one sets the other free.
    """
    done: list[Occurred] = []
    while True:
        sorts = await due_work.sorts_due(source, world.partner_id, at)
        settled: list[Settled] = []
        if sorts & {"reseller", "customer"}:
            settled += await settle_accounts(source, world, at, scope, kinds=sorts)
        if settled or "order" in sorts:
            settled += await settle_orders(source, world, at, scope)
        happened: list[Occurred] = []
        if settled or "agenda" in sorts:
            happened = await run_agenda(source, world, ids, at, scope)
        done += [told for one in settled for told in _settlement(one)]
        done += happened
        if _is_spent(scope, done):
            return done
        if not happened:
            return done + await close_months(source, world, at, scope)


async def carry_out_agenda(
    source: AnyPool | AnyConnection, world: World, ids: Ids, at: datetime, scope: Scope
) -> list[Occurred]:
    """What happens by itself by the business instant `at`, accepted work left alone."""
    done: list[Occurred] = []
    while happened := await run_agenda(source, world, ids, at, scope):
        done += happened
        if _is_spent(scope, done):
            return done
    return done + await close_months(source, world, at, scope)


def _is_spent(scope: Scope, done: Sequence[Occurred]) -> bool:
    return scope.is_over() or (scope.most is not None and len(done) >= scope.most)


async def close_months(
    source: AnyPool | AnyConnection, world: World, at: datetime, scope: Scope
) -> list[Occurred]:
    """Generate the reconciliation files of months that close by `at` (orders.md 9)."""
    done: list[Occurred] = []
    while not scope.is_over():
        async with transaction(source) as connection:
            closing = await store.closes_month_at(connection, world.partner_id)
            if closing is None or closing > at:
                return done
            month = month_closed_at(closing)
            await generate(connection, world, month, at)
            await store.set_closing(connection, world.partner_id, closing_after(closing))
            event = Event(world.partner_id, at, MONTH_END, result=month)
            await rows.insert(connection, "event", [event])
        HAPPENED.add(MONTH_END)
        done.append(Occurred(at, MONTH_END, month))
        if closing_after(closing) > at:
            break
    return done


def _settlement(one: Settled) -> list[Occurred]:
    settled = Occurred(
        one.at,
        SETTLEMENT,
        one.to,
        one.customer_id,
        order_id=one.id if one.kind == "order" else "",
        reseller_id=one.id if one.kind == "reseller" else "",
    )
    return [settled, *(_occurred(one.customer_id, fact, one.at) for fact in one.facts)]


def _occurred(customer_id: str, fact: Fact, at: datetime) -> Occurred:
    return Occurred(at, fact.kind, fact.result, customer_id, fact.order_id, fact.subscription_id)


async def run_agenda(
    source: AnyPool | AnyConnection, world: World, ids: Ids, at: datetime, scope: Scope
) -> list[Occurred]:
    """Let happen what falls due for customers by the business instant `at`.

    What makes an order settles it in the same transaction, unless settlement, as it is by then,
    holds it.
    """
    present = world

    async def lock(connection: AnyConnection, claim: Claim) -> list[str]:
        nonlocal present
        settlement = await store.hold_settlement(connection, world.partner_id)
        if settlement is None:
            return []
        present = world.with_settlement(*settlement)
        return await store.lock_due(connection, world.partner_id, at, claim)

    async def carry_out(connection: AnyConnection, locked: Sequence[str]) -> list[Occurred]:
        with tracing.span("anniversary", partner_id=world.partner_id, customers=len(locked)):
            waiting = await store.load_due(connection, locked, world.partner.status)
            # Last: others take ids as they wait.
            await ids.reserve_orders(connection, len(waiting))
            changes = Changes([], [], [], [], [], [])
            done = _decide(waiting, present, ids, at, changes)
            await store.save(connection, changes)
            return done

    done = await work_off(
        source, scope, lock, carry_out, lambda one: one.customer_id, in_turns=True
    )
    for one in done:
        HAPPENED.add(one.kind)
    return done


def _decide(
    waiting: Sequence[Waiting], world: World, ids: Ids, at: datetime, changes: Changes
) -> list[Occurred]:
    """The next due thing of each customer; its rows go into `changes`.

    One-time codes that customers before it have spent are gone for it.
    """
    prefix = world.partner.settings.id_prefix
    supply = Supply(world.settles_at(at), lambda: prefix + ids.orders.take(), subscription_id)
    rules = world.rules
    spent: set[str] = set()
    done: list[Occurred] = []
    for one in waiting:
        account = one.account
        if spent:
            account = replace(account, closed_codes_taken=account.closed_codes_taken | spent)
        happened = let_happen(account, one.standing, rules, at, supply)
        customer = happened.customer
        changes.customers.append(customer)
        changes.orders += happened.orders
        changes.subscriptions += happened.subscriptions
        changes.entries += happened.entries
        changes.redemptions += happened.redemptions
        spent.update(use.discount_id for use in happened.redemptions if use.one_time)
        for fact in happened.facts:
            changes.events.append(event_of(customer, fact, at))
            done.append(_occurred(customer.customer_id, fact, at))
    return done
