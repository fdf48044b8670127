"""What happens by itself: anniversaries, ends of commitments and windows (subscriptions.md 9.1).

A customer's due things happen in one transaction each, under its lock. The unique anniversary of
an order and the customer's own dates see to it that a run takes place once, whoever starts it.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from seatledger.domain import agenda, renewal
from seatledger.domain.agenda import Fact
from seatledger.domain.effects import Rules
from seatledger.domain.fulfilment import settle, verdict
from seatledger.domain.model import Account, Customer, Subscription
from seatledger.domain.orders.redemptions import redemptions_of
from seatledger.domain.reconciliation import closing_after, month_closed_at
from seatledger.engine.claims import Scope, work_off
from seatledger.engine.reconciliation import generate
from seatledger.engine.settle import Settled, settle_due, with_settlement
from seatledger.engine.world import World
from seatledger.store import agenda as store
from seatledger.store import partners, rows
from seatledger.store.agenda import Changes, Waiting
from seatledger.store.database import transaction
from seatledger.store.ids import Ids, subscription_id
from seatledger.store.rows import AnyConnection, AnyPool
from seatledger.store.settling import Claim, Event

MONTH_END = "reconciliation_month_end"


class Occurred(Struct, frozen=True):
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
        settled = await settle_due(source, world, at, scope)
        happened = await run_agenda(source, world, ids, at, scope)
        done += [_settlement(one) for one in settled]
        done += happened
        is_spent = scope.most is not None and len(done) >= scope.most
        if is_spent:
            return done
        if not happened:
            return done + await close_months(source, world, at)


async def close_months(
    source: AnyPool | AnyConnection, world: World, at: datetime
) -> list[Occurred]:
    """Generate the reconciliation files of months that close by `at` (orders.md 9)."""
    done: list[Occurred] = []
    while True:
        async with transaction(source) as connection:
            closing = await partners.closes_month_at(connection, world.partner_id)
            if closing is None or closing > at:
                return done
            month = month_closed_at(closing)
            await generate(connection, world, month, at)
            await partners.set_closing(connection, world.partner_id, closing_after(closing))
            event = Event(world.partner_id, at, MONTH_END, result=month)
            await rows.insert(connection, "event", [event])
        done.append(Occurred(at, MONTH_END, month))


def _settlement(one: Settled) -> Occurred:
    return Occurred(
        one.at,
        "settlement",
        one.to,
        one.customer_id,
        order_id=one.id if one.kind == "order" else "",
        reseller_id=one.id if one.kind == "reseller" else "",
    )


async def run_agenda(
    source: AnyPool | AnyConnection, world: World, ids: Ids, at: datetime, scope: Scope
) -> list[Occurred]:
    """Let happen what falls due for customers by the business instant `at`.

    What makes an order settles it in the same transaction, unless settlement holds it.
    """

    async def lock(connection: AnyConnection, claim: Claim) -> list[str]:
        return await store.lock_due(connection, world.partner_id, at, claim)

    async def carry_out(connection: AnyConnection, locked: Sequence[str]) -> list[Occurred]:
        await ids.reserve_orders(connection, len(locked))
        waiting = await store.load_due(connection, locked, world.partner.status)
        changes = Changes([], [], [], [], [], [])
        done: list[Occurred] = []
        for one in waiting:
            done += _next(one, world, ids, at, changes)
        await store.save(connection, changes)
        return done

    return await work_off(source, scope, lock, carry_out, lambda one: one.customer_id)


def _next(
    waiting: Waiting, world: World, ids: Ids, at: datetime, changes: Changes
) -> list[Occurred]:
    """The next due thing of one customer; its rows go into `changes`."""
    account, settings = waiting.account, world.partner.settings
    due = agenda.due_now(account, settings, at)
    if due is None:  # the columns were behind: put right, nothing else
        changes.customers.append(
            agenda.scheduled(account.customer, account.subscriptions, settings, at)
        )
        return []
    if due.kind == agenda.RENEWAL:
        after, facts = _run(waiting, world, ids, at, changes)
    else:
        after, facts = _happen(account, due, world.rules, at, changes)
    customer = agenda.scheduled(
        after.customer,
        after.subscriptions,
        settings,
        due.at,
        done=due.phase == agenda.Phase.WINDOWS,
    )
    changes.customers.append(customer)
    facts += _level_facts(account.customer, customer)
    changes.events += [_event(customer, fact, at) for fact in facts]
    return [
        Occurred(
            at, fact.kind, fact.result, customer.customer_id, fact.order_id, fact.subscription_id
        )
        for fact in facts
    ]


def _happen(
    account: Account, due: agenda.Due, rules: Rules, at: datetime, changes: Changes
) -> tuple[Account, list[Fact]]:
    result = agenda.happen(account, due, rules, at)
    changes.subscriptions += result.subscriptions
    changes.entries += result.entries
    return _with(account, result.customer, result.subscriptions), list(result.facts)


def _run(
    waiting: Waiting, world: World, ids: Ids, at: datetime, changes: Changes
) -> tuple[Account, list[Fact]]:
    """One customer's anniversary: its order settled or, where settlement is held, accepted."""
    account = waiting.account
    customer = replace(account.customer, version=account.customer.version + 1, attempts=0)
    order = renewal.run_order(
        account,
        world.rules,
        world.partner.settings.id_prefix + ids.orders.take(),
        at,
        world.settles_at(at),
    )
    if order is None:
        ended = renewal.expire_all(replace(account, customer=customer), world.rules, at)
        changes.subscriptions += ended.subscriptions
        changes.entries += ended.entries
        return _with(account, ended.customer, ended.subscriptions), _expiries(ended.expired)
    status = verdict(order, customer, waiting.standing)
    is_held = order.run_at is None or order.run_at > at
    if is_held or status is None:
        changes.orders.append(order)
        changes.redemptions += redemptions_of(order, world.discounts)
        return _with(account, customer, ()), [
            Fact(agenda.RENEWAL, order.status, order_id=order.order_id)
        ]
    result = settle(order, account, status, world.rules, at, subscription_id)
    changes.orders.append(result.order)
    changes.subscriptions += result.subscriptions
    changes.entries += result.entries
    if not result.failed:
        changes.redemptions += redemptions_of(result.order, world.discounts)
    after = with_settlement(account, result)
    renewed = Fact(agenda.RENEWAL, result.order.status, order_id=order.order_id)
    return after, [renewed, *_expiries(result.expired)]


def _with(account: Account, customer: Customer, changed: Sequence[Subscription]) -> Account:
    by_id = {one.subscription_id: one for one in changed}
    return replace(
        account,
        customer=customer,
        subscriptions=tuple(by_id.get(s.subscription_id, s) for s in account.subscriptions),
    )


def _expiries(expired: Sequence[Subscription]) -> list[Fact]:
    return [Fact(agenda.EXPIRED, one.status, one.subscription_id) for one in expired]


def _level_facts(before: Customer, after: Customer) -> list[Fact]:
    return [
        Fact("level_changed", now)
        for was, now in (
            (before.license_level, after.license_level),
            (before.consumables_level, after.consumables_level),
        )
        if was != now
    ]


def _event(customer: Customer, fact: Fact, at: datetime) -> Event:
    return Event(
        customer.partner_id,
        at,
        fact.kind,
        customer.customer_id,
        fact.order_id,
        fact.subscription_id,
        fact.result,
    )
