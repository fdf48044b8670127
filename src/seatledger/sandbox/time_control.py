"""A world's clock and the settling of its work (sandbox.md 5.1, 5.2)."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from seatledger.api.query import instant_of
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.settle import Settled, settle_accounts, settle_due, settle_orders
from seatledger.engine.world import World
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.store import partners, settling
from seatledger.store.rows import AnyConnection

MOST_LISTED_EVENTS = 200


class ClockIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """PUT /sandbox/clock."""

    mode: Literal["frozen", "running"] | None = None
    rate: Annotated[int, Meta(ge=1, le=31_536_000)] | None = None
    now: str | None = None


class AdvanceIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """POST /sandbox/clock/advance: exactly one of the first six."""

    days: Annotated[int, Meta(ge=0, le=36_500)] | None = None
    hours: Annotated[int, Meta(ge=0, le=876_000)] | None = None
    seconds: Annotated[int, Meta(ge=0, le=3_153_600_000)] | None = None
    months: Annotated[int, Meta(ge=0, le=1_200)] | None = None
    to: str | None = None
    to_next: Literal["settlement"] | None = None
    stop_on: Literal["settlement"] | None = None
    dry_run: bool | None = None
    limit: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None


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


async def show_clock(control: Control) -> tuple[int, Any]:
    """GET /sandbox/clock."""
    return 200, await clock_of(control, control.own)


async def clock_of(control: Control, world: World) -> dict[str, Any]:
    """The clock with what is due next."""
    async with control.engine.pool.acquire() as connection:
        due = await settling.next_due(connection, world.partner_id)
    now = control.engine.worlds.now(world)
    shown: dict[str, Any] = {
        "now": render.timestamp(now),
        "mode": "running" if world.row.clock_mode == "system" else world.row.clock_mode,
        "rate": world.row.clock_rate if world.row.clock_mode == "running" else 0,
    }
    if due is not None:
        shown["nextDue"] = {"at": render.timestamp(due), "kind": "settlement"}
    return shown


async def set_clock(control: Control) -> tuple[int, Any]:
    """PUT /sandbox/clock: freeze, run, or set forwards."""
    wanted: ClockIn = control.body(ClockIn)
    world = control.own
    now = control.engine.worlds.now(world)
    target = now
    if wanted.now is not None:
        instant = instant_of(wanted.now)
        if instant is None:
            raise Refusal(Refused("1117", ("now",)))
        if instant < now:
            raise Conflict("a clock moves forwards only; reset the world or make a new one")
        target = instant
    elif wanted.mode is None:
        raise Refusal(Refused("1122", ("mode",)))
    if target > now:
        await _advance(control, world, now, target)
    mode = wanted.mode or world.row.clock_mode
    real = control.engine.clock.now()
    async with control.engine.pool.acquire() as connection:
        await partners.set_clock(
            connection,
            world.partner_id,
            mode="frozen" if mode == "system" else mode,
            at=target,
            real=real,
            rate=float(wanted.rate or 1),
        )
    fresh = await control.engine.worlds.refresh(world.partner_id)
    assert fresh is not None
    return 200, await clock_of(control, fresh)


async def advance(control: Control) -> tuple[int, Any]:
    """POST /sandbox/clock/advance: everything due in between happens at its own instant."""
    wanted: AdvanceIn = control.body(AdvanceIn)
    world = control.own
    now = control.engine.worlds.now(world)
    async with control.engine.pool.acquire() as connection:
        due = await settling.next_due(connection, world.partner_id)
    target = _target(wanted, now, due)
    if target < now:
        raise Conflict("a clock moves forwards only; reset the world or make a new one")
    if wanted.stop_on is not None and due is not None and due <= target:
        target = max(now, due)
    async with control.engine.pool.acquire() as connection:
        waiting = await settling.count_due(connection, world.partner_id, target)
    if wanted.dry_run:
        return 200, _advanced(now, now, [], waiting)
    if wanted.limit is not None and waiting > wanted.limit:
        raise Conflict(f"{waiting} events would run, more than the limit of {wanted.limit}")
    done = await _advance(control, world, now, target)
    async with control.engine.pool.acquire() as connection:
        left = await settling.count_due(connection, world.partner_id, target)
    return 200, _advanced(now, target, done, left)


def _target(wanted: AdvanceIn, now: datetime, due: datetime | None) -> datetime:
    steps: dict[str, object] = {
        "days": wanted.days,
        "hours": wanted.hours,
        "seconds": wanted.seconds,
        "months": wanted.months,
        "to": wanted.to,
        "toNext": wanted.to_next,
    }
    given = [name for name, value in steps.items() if value is not None]
    if not given:
        raise Refusal(Refused("1122", ("days",)))
    if len(given) > 1:
        raise Refusal(Refused("1117", tuple(given)))
    try:
        if wanted.to is not None:
            instant = instant_of(wanted.to)
            if instant is None:
                raise Refusal(Refused("1117", ("to",)))
            return instant
        if wanted.to_next is not None:
            if due is None:
                raise Conflict("nothing is due")
            return max(now, due)
        if wanted.months is not None:
            return _add_months(now, wanted.months)
        return now + timedelta(
            days=wanted.days or 0, hours=wanted.hours or 0, seconds=wanted.seconds or 0
        )
    except (OverflowError, ValueError) as error:
        raise Refusal(Refused("1117", tuple(given))) from error


def _add_months(instant: datetime, months: int) -> datetime:
    index = instant.year * 12 + instant.month - 1 + months
    year, month = index // 12, index % 12 + 1
    day = min(instant.day, monthrange(year, month)[1])
    return instant.replace(year=year, month=month, day=day, tzinfo=UTC)


async def _advance(
    control: Control, world: World, now: datetime, target: datetime
) -> list[Settled]:
    """Walk due instant by due instant; two walks of one world at once are refused (409)."""
    done: list[Settled] = []
    async with control.engine.pool.acquire() as guard:
        if not await settling.try_lock_clock(guard, world.partner_id):
            raise Conflict("this world's clock is being advanced already")
        try:
            instant = now
            stuck: datetime | None = None
            while True:
                due = await settling.next_due(guard, world.partner_id)
                if due is None or due > target or due == stuck:
                    break
                instant = max(instant, due)
                await _set(control, world, instant, guard)
                settled = await settle_due(guard, world, instant, wait=True)
                done += settled
                stuck = None if settled else due  # a worker may have been faster
            await _set(control, world, target, guard)
        finally:
            await settling.unlock_clock(guard, world.partner_id)
    return done


async def _set(control: Control, world: World, at: datetime, connection: AnyConnection) -> None:
    row = world.row
    await partners.set_clock(
        connection,
        world.partner_id,
        mode="frozen" if row.clock_mode == "system" else row.clock_mode,
        at=at,
        real=control.engine.clock.now(),
        rate=row.clock_rate,
    )
    await control.engine.worlds.refresh(world.partner_id, connection)


def _advanced(start: datetime, now: datetime, done: list[Settled], pending: int) -> dict[str, Any]:
    return {
        "from": render.timestamp(start),
        "now": render.timestamp(now),
        "events": [_event(one) for one in done[:MOST_LISTED_EVENTS]],
        "counts": {"settlement": len(done)} if done else {},
        "pending": pending,
    }


def _event(one: Settled) -> dict[str, Any]:
    shown = {
        "at": render.timestamp(one.at),
        "kind": "settlement",
        f"{one.kind}Id": one.id,
        "result": one.to,
    }
    if one.customer_id:
        shown["customerId"] = one.customer_id
    return shown


async def set_settlement(control: Control) -> tuple[int, Any]:
    """PUT /sandbox/settlement; leaving `manual` settles what it held."""
    wanted: SettlementIn = control.body(SettlementIn)
    world = control.own
    now = control.engine.worlds.now(world)
    async with control.engine.pool.acquire() as connection, connection.transaction():
        await partners.set_settlement(
            connection, world.partner_id, wanted.mode, wanted.delay_seconds or 0
        )
        if wanted.mode != "manual":
            await settling.release_held(connection, world.partner_id, now)
            # None of the orders to come may overtake an earlier one.
            seconds = (wanted.delay_seconds or 0) if wanted.mode == "delay" else 0
            latest = now + timedelta(seconds=seconds)
            await settling.release_held(
                connection, world.partner_id, latest, kinds=("order",), delayed=True
            )
    fresh = await control.engine.worlds.refresh(world.partner_id)
    assert fresh is not None
    if wanted.mode in ("immediate", "delay"):
        await settle_due(control.engine.pool, fresh, now)
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

    With ids only that customer's orders, or those up to one order; `kinds` narrows it further.
    """
    wanted: SettleIn = control.body(SettleIn)
    world = control.own
    pool = control.engine.pool
    now = control.engine.worlds.now(world)
    kinds = wanted.kinds or settling.KINDS_OF_WORK
    names_orders = bool(wanted.order_id or wanted.customer_id)
    customer_ids = None
    async with pool.acquire() as connection, connection.transaction():
        if names_orders:
            await settling.release_of(
                connection, world.partner_id, now, wanted.customer_id, wanted.order_id
            )
            customer_ids = await settling.customers_of(
                connection, world.partner_id, wanted.customer_id, wanted.order_id
            )
        else:
            await settling.release_held(connection, world.partner_id, now, kinds=kinds)
    done: list[Settled] = []
    if not names_orders and set(kinds) & {"reseller", "customer"}:
        done += await settle_accounts(pool, world, now)
    if "order" in kinds:
        done += await settle_orders(
            pool, world, now, customer_ids=customer_ids, wait=True, most=wanted.max
        )
    async with pool.acquire() as connection:
        remaining = await settling.count_due(connection, world.partner_id, now)
    return 200, {
        "settled": [{"kind": one.kind, "id": one.id, "from": "1002", "to": one.to} for one in done],
        "remaining": remaining,
    }
