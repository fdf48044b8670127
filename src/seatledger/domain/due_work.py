"""Carrying out what is due for one customer: accepted orders in turn, and what happens by itself.

orders.md 1.6, subscriptions.md 9.1, sandbox.md 5.1. Pure: the engine and the simulator of the tests
both find what is due, call this, and store what it gives.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from seatledger.domain import agenda, renewal
from seatledger.domain.effects import Fact, Rules, Settlement
from seatledger.domain.fulfilment import NewId, Standing, settle, verdict
from seatledger.domain.model import (
    Account,
    Customer,
    LedgerEntry,
    Order,
    Redemption,
    Subscription,
)
from seatledger.domain.orders.redemptions import redemptions_of


class Supply(Struct, frozen=True):
    """What making an order needs from outside: when it may settle (None: held), and new ids."""

    settles_at: datetime | None
    new_order_id: NewId
    new_subscription_id: NewId


class Happened(Struct, frozen=True, gc=False):
    """What the next due thing of a customer changes, and what there is to tell of it.

    `orders` and `redemptions` are new, `subscriptions` and `customer` in their last state.
    """

    customer: Customer
    orders: tuple[Order, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    redemptions: tuple[Redemption, ...] = ()
    facts: tuple[Fact, ...] = ()


def settle_in_turn(
    account: Account,
    orders: Sequence[Order],
    originals: Mapping[str, Order],
    standing: Standing,
    rules: Rules,
    at: datetime,
    new_id: NewId,
) -> list[Settlement]:
    """Settle a customer's due orders, oldest first, each on the account the last one left.

    `originals` are the orders that RETURNs among them give back from, by id. Orders that wait for
    their customer are passed over. Each settlement carries its facts.
    """
    known = dict(originals)
    done: list[Settlement] = []
    for order in orders:
        status = verdict(order, account.customer, standing)
        if status is None:
            continue
        account = replace(account, reference=known.get(order.reference_order_id))
        result = settle(order, account, status, rules, at, new_id)
        facts = facts_of(account.customer, result)
        if result.original is not None:
            known[result.original.order_id] = result.original
        account = with_settlement(account, result)
        customer = agenda.scheduled(account.customer, account.subscriptions, rules.settings, at)
        account = replace(account, customer=customer)
        done.append(replace(result, customer=customer, facts=facts))
    return done


def with_settlement(account: Account, result: Settlement) -> Account:
    """The account after an order has settled."""
    renewed = (result.order,) if result.order.order_type == "RENEWAL" else ()
    return replace(
        _with(account, result.customer, result.subscriptions),
        term_orders=(*account.term_orders, *renewed),
    )


def let_happen(
    account: Account, standing: Standing, rules: Rules, at: datetime, supply: Supply
) -> Happened:
    """Carry out the next thing that is due for a customer at the business instant `at`.

    When nothing is, its columns were behind: they are put right, and nothing is told. `account`
    holds the deployments and redemptions of the customer; its accepted orders have settled.
    """
    due = agenda.due_now(account, rules.settings, at)
    if due is None:
        customer = agenda.scheduled(account.customer, account.subscriptions, rules.settings, at)
        return Happened(customer)
    if due.kind == agenda.RENEWAL:
        happened = _run(account, standing, rules, at, supply)
    else:
        other = agenda.happen(account, due, rules, at)
        happened = Happened(
            other.customer,
            subscriptions=other.subscriptions,
            entries=other.entries,
            facts=other.facts,
        )
    noted = account.customer.due_at or at  # what fell before it had happened
    customer = agenda.scheduled(
        happened.customer,
        _with(account, happened.customer, happened.subscriptions).subscriptions,
        rules.settings,
        max(due.at, min(noted, at)),
        done=due.phase == agenda.Phase.WINDOWS,
    )
    return replace(
        happened,
        customer=customer,
        facts=(*happened.facts, *_level_facts(account.customer, customer)),
    )


def _run(
    account: Account, standing: Standing, rules: Rules, at: datetime, supply: Supply
) -> Happened:
    """The customer's anniversary: its order settled or, where settlement is held, accepted."""
    customer = replace(account.customer, version=account.customer.version + 1, attempts=0)
    order = renewal.run_order(account, rules, supply.new_order_id(), at, supply.settles_at)
    if order is None:
        ended = renewal.expire_all(replace(account, customer=customer), rules, at)
        return Happened(
            ended.customer,
            subscriptions=ended.subscriptions,
            entries=ended.entries,
            facts=_expiries(ended.expired),
        )
    status = verdict(order, customer, standing)
    is_held = order.run_at is None or order.run_at > at
    if is_held or status is None:
        return Happened(
            customer,
            (order,),
            redemptions=redemptions_of(order, rules.discounts),
            facts=(Fact(agenda.RENEWAL, order.status, order_id=order.order_id),),
        )
    result = settle(order, account, status, rules, at, supply.new_subscription_id)
    renewed = Fact(agenda.RENEWAL, result.order.status, order_id=order.order_id)
    return Happened(
        result.customer,
        (result.order,),
        result.subscriptions,
        result.entries,
        () if result.failed else redemptions_of(result.order, rules.discounts),
        (renewed, *_expiries(result.expired)),
    )


def _with(account: Account, customer: Customer, changed: Sequence[Subscription]) -> Account:
    """The account with its customer and some of its subscriptions changed, new ones last."""
    by_id = {one.subscription_id: one for one in changed}
    kept = [by_id.pop(one.subscription_id, one) for one in account.subscriptions]
    return replace(account, customer=customer, subscriptions=(*kept, *by_id.values()))


def facts_of(before: Customer, result: Settlement) -> tuple[Fact, ...]:
    """What settling an order tells beside its end: subscriptions that ended with it, new levels."""
    return (*_expiries(result.expired), *_level_facts(before, result.customer))


def _expiries(expired: Sequence[Subscription]) -> tuple[Fact, ...]:
    return tuple(Fact(agenda.EXPIRED, one.status, one.subscription_id) for one in expired)


def _level_facts(before: Customer, after: Customer) -> tuple[Fact, ...]:
    return tuple(
        Fact(agenda.LEVEL_CHANGED, now)
        for was, now in (
            (before.license_level, after.license_level),
            (before.consumables_level, after.consumables_level),
        )
        if was != now
    )
