"""How a world's accepted work settles: the mode, and settling by hand (sandbox.md 5.2)."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from seatledger.domain.outcome import Refused
from seatledger.engine.agenda import carry_out_due, run_agenda
from seatledger.engine.claims import Scope
from seatledger.engine.settle import Settled, settle_accounts, settle_orders
from seatledger.engine.world import World
from seatledger.sandbox.control import Control, Refusal
from seatledger.store import agenda, partners
from seatledger.store import due as due_work


class SettlementIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """PUT /sandbox/settlement."""

    mode: Literal["auto", "immediate", "manual", "delay"]
    delay_seconds: Annotated[int, Meta(ge=0, le=31_536_000)] | None = None


class SettleIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """POST /sandbox/settle."""

    customer_id: str | None = None
    order_id: str | None = None
    kinds: tuple[Literal["order", "reseller", "customer"], ...] | None = None
    max: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


async def set_settlement(control: Control) -> tuple[int, Any]:
    """PUT /sandbox/settlement; `manual` holds what waits, leaving it settles what it held."""
    wanted: SettlementIn = control.body(SettlementIn)
    world = control.own
    now = control.engine.worlds.now(world)
    delay = (wanted.delay_seconds or 0) if wanted.mode == "delay" else 0
    async with control.engine.pool.acquire() as connection, connection.transaction():
        # First, so that what is judged on the old mode from here on is judged again.
        before = await partners.set_settlement(connection, world.partner_id, wanted.mode, delay)
        if wanted.mode == "manual":
            await due_work.release(connection, world.partner_id, None)
        else:
            if before == "manual":
                await due_work.release(connection, world.partner_id, now)
            # None of the orders to come may overtake an earlier one.
            await due_work.bring_forward(
                connection, world.partner_id, now + timedelta(seconds=delay)
            )
    fresh = await control.engine.worlds.refresh(world.partner_id)
    if fresh is None:
        raise Refusal(Refused("4115"))
    if wanted.mode in ("immediate", "delay"):
        await carry_out_due(control.engine.pool, fresh, control.engine.ids, now, Scope())
    return 200, settlement_of(fresh)


async def show_settlement(control: Control) -> tuple[int, Any]:
    """GET /sandbox/settlement."""
    return 200, settlement_of(control.own)


def settlement_of(world: World) -> dict[str, Any]:
    """The settlement mode as answered."""
    return {
        "mode": world.row.settlement_mode,
        "delaySeconds": world.row.settlement_delay,
    }


async def settle(control: Control) -> tuple[int, Any]:
    """POST /sandbox/settle: everything held or due settles now, failures included.

    With ids only that customer's work, or its orders up to one; `kinds` narrows it further, `max`
    bounds how much is taken, the oldest first. A parked customer is tried again.
    """
    wanted: SettleIn = control.body(SettleIn)
    world = control.own
    pool = control.engine.pool
    now = control.engine.worlds.now(world)
    kinds = wanted.kinds or due_work.KINDS_OF_WORK
    async with pool.acquire() as connection, connection.transaction():
        known = await due_work.exists(
            connection, world.partner_id, wanted.customer_id, wanted.order_id
        )
        if not all(known):
            raise Refusal(Refused("2115" if known[0] else "1116"))
        customers = await due_work.customers_of(
            connection, world.partner_id, wanted.customer_id, wanted.order_id
        )
        await due_work.resume(connection, world.partner_id, customers)
        await due_work.release(
            connection,
            world.partner_id,
            now,
            kinds=kinds,
            customer_id=wanted.customer_id,
            order_id=wanted.order_id,
            most=wanted.max,
        )
    scope = Scope(customers, most=wanted.max, wait=True)
    done: list[Settled] = []
    if set(kinds) & {"reseller", "customer"} and not wanted.order_id:
        done += await settle_accounts(pool, world, now, scope, kinds=kinds)
    if "order" in kinds:
        done += await settle_orders(pool, world, now, scope)
    if wanted.max is None:
        await run_agenda(pool, world, control.engine.ids, now, Scope(customers, wait=True))
    async with pool.acquire() as connection, connection.transaction():
        settlement = await agenda.hold_settlement(connection, world.partner_id)
        remaining = await due_work.count_due(connection, world.partner_id, now)
        if settlement is not None and settlement[0] == "manual":
            # What had to wait is not let go by the clock.
            await due_work.release(connection, world.partner_id, None)
    return 200, {
        "settled": [{"kind": one.kind, "id": one.id, "from": "1002", "to": one.to} for one in done],
        "remaining": remaining,
    }
