"""What happens by itself: anniversaries, ends of commitments and windows (subscriptions.md 9.1).

A customer's due things happen in one transaction each, under its lock. The unique anniversary of
an order and the customer's own dates see to it that a run takes place once, whoever starts it.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from seatledger.domain.agenda import Fact
from seatledger.domain.due_work import Supply, let_happen
from seatledger.domain.model import Customer
from seatledger.domain.reconciliation import closing_after, month_closed_at
from seatledger.engine.claims import Scope, work_off
from seatledger.engine.reconciliation import generate
from seatledger.engine.settle import Settled, settle_due
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


async def carry_out_agenda(
    source: AnyPool | AnyConnection, world: World, ids: Ids, at: datetime, scope: Scope
) -> list[Occurred]:
    """What happens by itself by the business instant `at`, accepted work left alone."""
    done: list[Occurred] = []
    while happened := await run_agenda(source, world, ids, at, scope):
        done += happened
        if scope.most is not None and len(done) >= scope.most:
            return done
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
        waiting = await store.load_due(connection, locked, world.partner.status)
        await ids.reserve_orders(connection, len(waiting))  # last: others take ids as they wait
        changes = Changes([], [], [], [], [], [])
        done: list[Occurred] = []
        for one in waiting:
            done += _next(one, world, ids, at, changes)
        await store.save(connection, changes)
        return done

    return await work_off(
        source, scope, lock, carry_out, lambda one: one.customer_id, in_turns=True
    )


def _next(
    waiting: Waiting, world: World, ids: Ids, at: datetime, changes: Changes
) -> list[Occurred]:
    """The next due thing of one customer; its rows go into `changes`.

    One-time codes that customers before it have spent are gone for it.
    """

    def new_order_id() -> str:
        return world.partner.settings.id_prefix + ids.orders.take()

    supply = Supply(world.settles_at(at), new_order_id, subscription_id)
    spent = {one.discount_id for one in changes.redemptions if one.one_time}
    account = replace(
        waiting.account, closed_codes_taken=waiting.account.closed_codes_taken | spent
    )
    happened = let_happen(account, waiting.standing, world.rules, at, supply)
    customer = happened.customer
    changes.customers.append(customer)
    changes.orders += happened.orders
    changes.subscriptions += happened.subscriptions
    changes.entries += happened.entries
    changes.redemptions += happened.redemptions
    changes.events += [_event(customer, fact, at) for fact in happened.facts]
    return [
        Occurred(
            at, fact.kind, fact.result, customer.customer_id, fact.order_id, fact.subscription_id
        )
        for fact in happened.facts
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
