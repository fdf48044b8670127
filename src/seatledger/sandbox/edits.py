"""Direct edits of accounts and subscriptions, with their effects (sandbox.md 3)."""

from datetime import date, datetime
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from seatledger.contract.resources import CustomerOut, ResellerOut, SubscriptionOut
from seatledger.contract.statuses import ACTIVE, INACTIVE, SCHEDULED
from seatledger.domain.agenda import scheduled
from seatledger.domain.calendar import utc_day
from seatledger.domain.commitment_life import activated
from seatledger.domain.commitments import with_reached
from seatledger.domain.due_work import facts_of
from seatledger.domain.effects import Settlement
from seatledger.domain.invariants import History
from seatledger.domain.levels import LICENSE
from seatledger.domain.model import Account, Customer, Subscription
from seatledger.domain.outcome import Refused
from seatledger.engine import customers, manual, render, resellers, subscriptions
from seatledger.engine.claims import Scope
from seatledger.engine.context import Engine
from seatledger.engine.settle import events_of, fail_waiting_orders, settle_orders
from seatledger.engine.world import World
from seatledger.engine.writes import in_turn
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.edit_bodies import (
    CustomerEdit,
    DiscountEdit,
    ResellerEdit,
    SubscriptionEdit,
    check_discounts,
    day_of,
)
from seatledger.store import accounts, edits, settling
from seatledger.store.rows import AnyConnection


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

    async def edit(connection: AnyConnection) -> ResellerOut:
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

    return await in_turn(engine.pool, edit)


async def edit_customer(
    engine: Engine, world: World, customer_id: str, wanted: CustomerEdit
) -> CustomerOut:
    """Change a customer; its waiting orders follow its status (accounts.md 5.1).

    A moved anniversary takes the open co-term subscriptions with it.
    """
    at = engine.worlds.now(world)
    check_discounts(wanted.discounts or ())
    coterm = day_of(wanted.coterm_date, "cotermDate")

    async def edit(connection: AnyConnection) -> CustomerOut:
        before = await locked_history(connection, world, customer_id, "1116")
        if wanted.global_sales_enabled and not wanted.force:
            _refuse_global_sales(world, before.customer)
        changed = activated(_edited_customer(before.customer, wanted), at)
        after = replace(before, customer=changed)
        if coterm is not None:
            after = _with_anniversary(after, coterm)
        await save(connection, world, before, after, at)
        if wanted.status == ACTIVE:
            await settle_orders(connection, world, at, Scope([customer_id]))
        elif wanted.status is not None:
            await fail_waiting_orders(connection, world, after.customer, at)
        shown = await customers.read(connection, world.partner, customer_id)
        assert shown is not None
        return shown

    return await in_turn(engine.pool, edit)


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


async def edit_subscription(
    engine: Engine,
    world: World,
    customer_id: str,
    subscription_id: str,
    wanted: SubscriptionEdit,
) -> SubscriptionOut:
    """Change a subscription; a changed number of seats leaves a ledger entry of kind EDIT.

    Accepted minimums it reaches are committed to (accounts.md 10.2). Raises Conflict when the
    result could not exist.
    """
    at = engine.worlds.now(world)
    renewal_date = day_of(wanted.renewal_date, "renewalDate")

    async def edit(connection: AnyConnection) -> SubscriptionOut:
        before = await locked_history(connection, world, customer_id, "3115")
        stored = next(
            (one for one in before.subscriptions if one.subscription_id == subscription_id), None
        )
        if stored is None:
            raise Refusal(Refused("3115"))
        changed = _edited_subscription(stored, wanted)
        if renewal_date is not None:
            changed = replace(changed, renewal_date=renewal_date)
        entry = manual.set_seats(before, stored, changed.current_quantity, at)
        after = replace(
            with_next_version(before),
            subscriptions=tuple(changed if s is stored else s for s in before.subscriptions),
            entries=before.entries if entry is None else (*before.entries, entry),
        )
        account = Account(after.customer, subscriptions=after.subscriptions)
        after = replace(after, customer=with_reached(account, world.catalog))
        await save(connection, world, before, after, at)
        return subscriptions.shown(changed, account, world, at)

    return await in_turn(engine.pool, edit)


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
    after = _with_anniversary(with_next_version(before), utc_day(at))
    await save(connection, world, before, after, at)


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


def with_next_version(known: History) -> History:
    """The history with its customer's version counted on."""
    holder = known.customer
    return replace(known, customer=replace(holder, version=holder.version + 1))


async def save(
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
    facts = facts_of(before.customer, settlement)
    settlement = replace(settlement, customer=customer, facts=facts)
    await edits.save(connection, before, manual.with_order(after, settlement.order))
    await settling.save(connection, [settlement], events_of(settlement, at))
