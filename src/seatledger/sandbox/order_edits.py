"""Direct edits of orders: their creation date, and their status with its effects (sandbox.md 3)."""

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from seatledger.contract.resources import OrderOut
from seatledger.contract.statuses import (
    ACTIVE,
    FAILED_ORDER_STATUSES,
    INACTIVE,
    PENDING,
    RETURNED,
)
from seatledger.domain.effects import Settlement
from seatledger.domain.invariants import History
from seatledger.domain.model import Order
from seatledger.domain.outcome import Refused
from seatledger.engine import manual, render
from seatledger.engine.context import Engine
from seatledger.engine.world import World
from seatledger.engine.writes import in_turn
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.edit_bodies import OrderEdit, moment_of
from seatledger.sandbox.edits import locked_history, save, with_next_version
from seatledger.store import history
from seatledger.store.rows import AnyConnection

_GIVEN_BACK_WHOLE = frozenset({"NEW", "RENEWAL"})


async def order(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/customers/{customer-id}/orders/{order-id}."""
    wanted: OrderEdit = control.body(OrderEdit)
    customer_id, order_id = control.params["customer-id"], control.params["order-id"]
    return 200, await edit_order(control.engine, control.own, customer_id, order_id, wanted)


async def edit_order(
    engine: Engine, world: World, customer_id: str, order_id: str, wanted: OrderEdit
) -> OrderOut:
    """Set an order's creation date, its status with its real effects, or both.

    Settling (1002 -> 1000), failing (1002 -> 1004, 102x) and giving back (1000 -> 1008) work as
    ever; Conflict for every other change of status unless forced (orders.md 1.6).
    """
    at = engine.worlds.now(world)
    created_at = moment_of(wanted.creation_date, "creationDate")

    async def edit(connection: AnyConnection) -> OrderOut:
        return_id = ""
        if wanted.status == RETURNED:
            return_id = world.partner.settings.id_prefix + await engine.ids.returns.new(connection)
        before = await locked_history(connection, world, customer_id, "2115")
        after = before
        if created_at is not None:
            after = _moved(before, _order_of(before, order_id), created_at)
        stored = _order_of(after, order_id)
        settlement = None
        if wanted.status is None or wanted.status == stored.status:
            after = with_next_version(after)
        elif wanted.force:
            after = with_next_version(manual.with_order(after, _forced(stored, wanted.status)))
        else:
            settlement = _transition(world, after, stored, wanted.status, return_id, at)
        await save(connection, world, before, after, at, settlement=settlement, forced=wanted.force)
        shown = await history.order(connection, world.partner_id, customer_id, order_id)
        assert shown is not None
        return render.order_by_id(shown, fetch_price=False)

    return await in_turn(engine.pool, edit)


def _order_of(known: History, order_id: str) -> Order:
    found = manual.find_order(known, order_id)
    if found is None:
        raise Refusal(Refused("2115"))
    return found


def _moved(before: History, stored: Order, created_at: datetime) -> History:
    """An order created at another instant, with what began with it: subscriptions, the term.

    A customer is never younger than its orders.
    """
    customer = replace(before.customer, created_at=min(before.customer.created_at, created_at))
    began = _subscriptions_begun(before, stored)
    seats = tuple(
        replace(one, created_at=one.created_at + (created_at - stored.created_at))
        if one.subscription_id in began
        else one
        for one in before.subscriptions
    )
    after = manual.with_order(before, replace(stored, created_at=created_at))
    after = replace(after, customer=customer, subscriptions=seats)
    opened = min(
        (
            one.order_id
            for one in before.orders
            if one.order_type == "NEW" and one.created_at == before.customer.term_started_at
        ),
        default=None,
    )
    if opened != stored.order_id:
        return after
    return replace(after, customer=replace(customer, term_started_at=created_at))


def _subscriptions_begun(known: History, stored: Order) -> set[str]:
    """The subscriptions that an order was the first to fill."""
    first: dict[str, Order] = {}
    for one in known.orders:
        for line in one.lines:
            earliest = first.setdefault(line.subscription_id, one)
            if (one.created_at, one.order_id) < (earliest.created_at, earliest.order_id):
                first[line.subscription_id] = one
    return {key for key, one in first.items() if key and one.order_id == stored.order_id}


def _forced(stored: Order, status: str) -> Order:
    lines = tuple(replace(line, status=status) for line in stored.lines)
    return replace(stored, status=status, lines=lines, run_at=None, forced=True)


def _transition(
    world: World, known: History, stored: Order, status: str, return_id: str, at: datetime
) -> Settlement:
    """The settlement a change of status stands for; Conflict when there is none."""
    wanted = (stored.status, status)
    if stored.forced:
        raise Conflict("the order was edited by force before; only force changes it now")
    try:
        if stored.status == PENDING and status in _settled_statuses(stored):
            found = manual.settle_order(known, stored, status, world.rules, at)
        elif wanted == (ACTIVE, RETURNED) and stored.order_type in _GIVEN_BACK_WHOLE:
            found = manual.give_back(known, stored, return_id, world.rules, at)
        else:
            raise Conflict(
                f"a {stored.order_type} order does not go from {stored.status} to {status} "
                "without force"
            )
    except LookupError as error:
        raise Conflict(f"the order cannot become {status}: {error}") from error
    if found.failed and status in (ACTIVE, RETURNED):
        raise Conflict(f"the order cannot become {status}: its seats are not there any more")
    return found


def _settled_statuses(stored: Order) -> frozenset[str]:
    """What a pending order may settle to; a credit knows only these two (orders.md 1.6)."""
    if stored.order_type == "RETURN":
        return frozenset({ACTIVE, INACTIVE})
    return FAILED_ORDER_STATUSES | {ACTIVE}
