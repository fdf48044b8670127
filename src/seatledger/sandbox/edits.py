"""Direct edits of accounts, orders and subscriptions, with their effects (sandbox.md 3)."""

from datetime import date, datetime
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from seatledger.contract.resources import CustomerOut, OrderOut, ResellerOut, SubscriptionOut
from seatledger.contract.statuses import (
    ACTIVE,
    FAILED_ORDER_STATUSES,
    INACTIVE,
    PENDING,
    RETURNED,
    SCHEDULED,
)
from seatledger.domain.agenda import scheduled
from seatledger.domain.calendar import utc_day
from seatledger.domain.commitment_life import activated
from seatledger.domain.effects import Settlement
from seatledger.domain.invariants import History
from seatledger.domain.levels import LICENSE
from seatledger.domain.model import Customer, Order, Subscription
from seatledger.domain.outcome import Refused
from seatledger.engine import customers, manual, render, resellers
from seatledger.engine.claims import Scope
from seatledger.engine.context import Engine
from seatledger.engine.settle import events_of, fail_waiting_orders, settle_orders
from seatledger.engine.world import World
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.edit_bodies import (
    CustomerEdit,
    DiscountEdit,
    OrderEdit,
    ResellerEdit,
    SubscriptionEdit,
    check_discounts,
    day_of,
    moment_of,
)
from seatledger.store import accounts, edits, history, settling
from seatledger.store.rows import AnyConnection

_GIVEN_BACK_WHOLE = frozenset({"NEW", "RENEWAL"})


async def reseller(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/resellers/{reseller-id}."""
    wanted: ResellerEdit = control.body(ResellerEdit)
    return 200, await edit_reseller(
        control.engine, control.own, control.params["reseller-id"], wanted
    )


async def customer(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/customers/{customer-id}."""
    wanted: CustomerEdit = control.body(CustomerEdit)
    return 200, await edit_customer(
        control.engine, control.own, control.params["customer-id"], wanted
    )


async def order(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/customers/{customer-id}/orders/{order-id}."""
    wanted: OrderEdit = control.body(OrderEdit)
    customer_id, order_id = control.params["customer-id"], control.params["order-id"]
    return 200, await edit_order(control.engine, control.own, customer_id, order_id, wanted)


async def subscription(control: Control) -> tuple[int, Any]:
    """PATCH /sandbox/customers/{customer-id}/subscriptions/{subscription-id}."""
    wanted: SubscriptionEdit = control.body(SubscriptionEdit)
    customer_id, subscription_id = control.params["customer-id"], control.params["subscription-id"]
    return 200, await edit_subscription(
        control.engine, control.own, customer_id, subscription_id, wanted
    )


async def edit_reseller(
    engine: Engine, world: World, reseller_id: str, wanted: ResellerEdit
) -> ResellerOut:
    """Set a reseller's status; its customers' orders follow when they settle (accounts.md 5.1)."""
    async with engine.pool.acquire() as connection, connection.transaction():
        stored = await edits.lock_reseller(connection, world.partner_id, reseller_id)
        if stored is None:
            raise Refusal(Refused("1115"))
        changed = replace(stored, version=stored.version + 1)
        if wanted.status is not None:
            changed = replace(changed, status=wanted.status, settle_at=None, injected_status=None)
        await accounts.replace_reseller(connection, changed, stored.version)
        shown = await resellers.read(connection, world.partner_id, reseller_id)
    assert shown is not None
    return render.reseller(shown, shown.profile)


async def edit_customer(
    engine: Engine, world: World, customer_id: str, wanted: CustomerEdit
) -> CustomerOut:
    """Change a customer; its waiting orders follow its status (accounts.md 5.1).

    A moved anniversary takes the open co-term subscriptions with it.
    """
    at = engine.worlds.now(world)
    check_discounts(wanted.discounts or ())
    coterm = day_of(wanted.coterm_date, "cotermDate")
    async with engine.pool.acquire() as connection, connection.transaction():
        before = await locked_history(connection, world, customer_id, "1116")
        if wanted.global_sales_enabled and not wanted.force:
            _refuse_global_sales(world, before.customer)
        changed = activated(_edited_customer(before.customer, wanted), at)
        after = replace(before, customer=changed)
        if coterm is not None:
            after = _with_anniversary(after, coterm)
        await _save(connection, world, before, after, at)
        if wanted.status not in (None, ACTIVE):
            await fail_waiting_orders(connection, world, after.customer, at)
    if wanted.status == ACTIVE:
        await settle_orders(engine.pool, world, at, Scope([customer_id], wait=True))
    async with engine.pool.acquire() as connection:
        shown = await customers.read(connection, world.partner_id, customer_id)
    assert shown is not None
    return render.customer(shown, shown.profile, world.partner.quirks)


def _refuse_global_sales(world: World, stored: Customer) -> None:
    if not world.partner.global_sales_enabled:
        raise Refusal(Refused("1139"))
    if stored.segment != "COM":
        raise Refusal(Refused("1142"))


def _edited_customer(stored: Customer, wanted: CustomerEdit) -> Customer:
    profile = stored.profile
    if wanted.market_sub_segments is not None:
        profile = {**profile, "marketSubSegments": list(dict.fromkeys(wanted.market_sub_segments))}
    changed = replace(
        stored,
        version=stored.version + 1,
        profile=profile,
        tags=stored.tags if wanted.tags is None else wanted.tags,
    )
    if wanted.status is not None:
        changed = replace(changed, status=wanted.status, settle_at=None, injected_status=None)
    if wanted.global_sales_enabled is not None:
        changed = replace(changed, global_sales=wanted.global_sales_enabled)
    for one in wanted.discounts or ():
        changed = _with_discount(changed, one)
    return changed


def _with_discount(stored: Customer, wanted: DiscountEdit) -> Customer:
    if wanted.offer_type != LICENSE:
        return replace(stored, consumables_level=wanted.level or stored.consumables_level)
    code = stored.hvd_code if wanted.discount_code is UNSET else wanted.discount_code or None
    return replace(stored, license_level=wanted.level or stored.license_level, hvd_code=code)


async def edit_order(
    engine: Engine, world: World, customer_id: str, order_id: str, wanted: OrderEdit
) -> OrderOut:
    """Set an order's creation date, its status with its real effects, or both.

    Settling (1002 -> 1000), failing (1002 -> 1004, 102x) and giving back (1000 -> 1008) work as
    ever; Conflict for every other change of status unless forced (orders.md 1.6).
    """
    at = engine.worlds.now(world)
    created_at = moment_of(wanted.creation_date, "creationDate")
    async with engine.pool.acquire() as connection, connection.transaction():
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
            after = _with_next_version(after)
        elif wanted.force:
            after = _with_next_version(manual.with_order(after, _forced(stored, wanted.status)))
        else:
            settlement = _transition(world, after, stored, wanted.status, return_id, at)
        await _save(
            connection, world, before, after, at, settlement=settlement, forced=wanted.force
        )
        shown = await history.order(connection, world.partner_id, customer_id, order_id)
    assert shown is not None
    return render.order_by_id(shown, fetch_price=False)


def _order_of(known: History, order_id: str) -> Order:
    found = manual.find_order(known, order_id)
    if found is None:
        raise Refusal(Refused("2115"))
    return found


def _moved(before: History, stored: Order, created_at: datetime) -> History:
    """An order created at another instant; the term it opened begins there too."""
    after = manual.with_order(before, replace(stored, created_at=created_at))
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
    return replace(after, customer=replace(before.customer, term_started_at=created_at))


def _with_next_version(known: History) -> History:
    holder = known.customer
    return replace(known, customer=replace(holder, version=holder.version + 1))


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


async def edit_subscription(
    engine: Engine,
    world: World,
    customer_id: str,
    subscription_id: str,
    wanted: SubscriptionEdit,
) -> SubscriptionOut:
    """Change a subscription; a changed number of seats leaves a ledger entry of kind EDIT.

    Raises Conflict when the result could not exist.
    """
    at = engine.worlds.now(world)
    renewal_date = day_of(wanted.renewal_date, "renewalDate")
    async with engine.pool.acquire() as connection, connection.transaction():
        before = await locked_history(connection, world, customer_id, "3115")
        found = [one for one in before.subscriptions if one.subscription_id == subscription_id]
        if not found:
            raise Refusal(Refused("3115"))
        stored = found[0]
        changed = _edited_subscription(stored, wanted)
        if renewal_date is not None:
            changed = replace(changed, renewal_date=renewal_date)
        entry = manual.set_seats(before, stored, changed.current_quantity, at)
        after = replace(
            _with_next_version(before),
            subscriptions=tuple(changed if s is stored else s for s in before.subscriptions),
            entries=before.entries if entry is None else (*before.entries, entry),
        )
        await _save(connection, world, before, after, at)
    return render.subscription(changed)


def _edited_subscription(stored: Subscription, wanted: SubscriptionEdit) -> Subscription:
    quantity = stored.current_quantity
    if wanted.current_quantity is not None:
        quantity = wanted.current_quantity
    used = min(stored.used_quantity, quantity)
    changed = replace(
        stored,
        status=wanted.status or stored.status,
        current_quantity=quantity,
        used_quantity=used if wanted.used_quantity is None else wanted.used_quantity,
    )
    if stored.status != INACTIVE == changed.status:
        changed = replace(changed, explicit_quantity=None)  # subscriptions.md 2
    renewal = wanted.auto_renewal
    if renewal is None:
        return changed
    if renewal.enabled is not None:
        if renewal.enabled and not stored.auto_renewal and stored.status != SCHEDULED:
            changed = replace(changed, explicit_quantity=None)
        changed = replace(changed, auto_renewal=renewal.enabled)
    if renewal.renewal_quantity is not UNSET:
        changed = replace(changed, explicit_quantity=renewal.renewal_quantity)
    return changed


async def locked_history(
    connection: AnyConnection, world: World, customer_id: str, unknown_code: str
) -> History:
    """A locked customer with everything of it; Refusal with `unknown_code` if there is none."""
    found = await edits.lock_history(connection, world.partner_id, customer_id)
    if found is None:
        raise Refusal(Refused(unknown_code))
    return found


async def anniversary_today(
    connection: AnyConnection, world: World, before: History, at: datetime
) -> None:
    """Move a customer's anniversary to the UTC day of the business instant `at`."""
    after = _with_anniversary(_with_next_version(before), utc_day(at))
    await _save(connection, world, before, after, at)


def _with_anniversary(known: History, day: date) -> History:
    """The anniversary moved, and with it the open subscriptions that follow it."""
    return replace(
        known,
        customer=replace(known.customer, coterm_date=day),
        subscriptions=tuple(
            replace(one, renewal_date=day) if one.is_open and not one.own_line else one
            for one in known.subscriptions
        ),
    )


async def _save(
    connection: AnyConnection,
    world: World,
    before: History,
    after: History,
    at: datetime,
    *,
    settlement: Settlement | None = None,
    forced: bool = False,
) -> None:
    """Write an edit made at a business instant; Conflict when it breaks what held before it."""
    result = after if settlement is None else manual.with_settlement(after, settlement)
    broken = [] if forced else manual.newly_broken(before, result)
    if broken:
        raise Conflict("; ".join(broken))
    customer = scheduled(result.customer, result.subscriptions, world.partner.settings, at)
    if settlement is None:
        await edits.save(connection, before, replace(after, customer=customer))
        return
    settlement = replace(settlement, customer=customer)
    await edits.save(connection, before, manual.with_order(after, settlement.order))
    await settling.save(connection, [settlement], events_of(settlement, at))
