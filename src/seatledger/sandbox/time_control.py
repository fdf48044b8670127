"""A world's clock and the settling of its work (sandbox.md 5.1, 5.2)."""

from calendar import monthrange
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from seatledger.api.query import instant_of
from seatledger.domain.calendar import EARLIEST, LATEST
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.agenda import Occurred, carry_out_due, run_agenda
from seatledger.engine.claims import Scope
from seatledger.engine.settle import Settled, settle_accounts, settle_orders
from seatledger.engine.world import World
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.store import due as due_work
from seatledger.store import partners
from seatledger.store.due import Work
from seatledger.store.rows import AnyConnection

MOST_LISTED_EVENTS = 200

DueKind = Literal[
    "settlement",
    "renewal",
    "subscription_expired",
    "credit_pack_expired",
    "late_renewal_window_closed",
    "three_year_commit_request_expiry",
    "three_year_commit_noncompliant",
    "commitment_end",
    "recommitment_start",
    "reconciliation_month_end",
]


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
    to_next: DueKind | None = None
    stop_on: DueKind | None = None
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
    """The clock with what is due next for an account."""
    async with control.engine.pool.acquire() as connection:
        due = await due_work.next_due(connection, world.partner_id, of_accounts=True)
    now = control.engine.worlds.now(world)
    mode = world.row.clock_mode
    shown: dict[str, Any] = {
        "now": render.timestamp(now),
        "mode": "running" if mode == "system" else mode,
        "rate": {"system": 1, "frozen": 0}.get(mode, world.row.clock_rate),
    }
    if due is not None:
        shown["nextDue"] = _listed(due)
    return shown


@asynccontextmanager
async def clock_held(control: Control) -> AsyncIterator[tuple[AnyConnection, World]]:
    """The right to set the caller's clock, with the world as it is once that is ours.

    Conflict (409) while another call has it.
    """
    async with control.engine.pool.acquire() as connection:
        if not await due_work.try_lock_clock(connection, control.partner_id):
            raise Conflict("this world's clock is being set or advanced already")
        try:
            world = await control.engine.worlds.refresh(control.partner_id, connection)
            if world is None:
                raise Refusal(Refused("4115"))
            yield connection, world
        finally:
            await due_work.unlock_clock(connection, control.partner_id)


async def set_clock(control: Control) -> tuple[int, Any]:
    """PUT /sandbox/clock: freeze, run, or set forwards."""
    wanted: ClockIn = control.body(ClockIn)
    if wanted.now is None and wanted.mode is None:
        raise Refusal(Refused("1122", ("mode",)))
    async with clock_held(control) as (connection, world):
        now = control.engine.worlds.now(world)
        target = now if wanted.now is None else moment_in_range(wanted.now, "now")
        if target < now:
            raise Conflict("a clock moves forwards only; reset the world or make a new one")
        if target > now:
            await _walk(control, world, connection, target, None)
        mode = wanted.mode or world.row.clock_mode
        kept_rate = world.row.clock_rate if world.row.clock_mode == "running" else 1.0
        await partners.set_clock(
            connection,
            world.partner_id,
            mode="frozen" if mode == "system" else mode,
            at=target,
            real=control.engine.clock.now(),
            rate=float(wanted.rate or kept_rate),
        )
        fresh = await control.engine.worlds.refresh(world.partner_id, connection)
    if fresh is None:
        raise Refusal(Refused("4115"))
    return 200, await clock_of(control, fresh)


def moment_in_range(text: str, path: str) -> datetime:
    """An instant a business clock may show; Refusal 1117 with the path for anything else."""
    instant = instant_of(text)
    if instant is None or not EARLIEST <= instant <= LATEST:
        raise Refusal(Refused("1117", (path,)))
    return instant


async def advance(control: Control) -> tuple[int, Any]:
    """POST /sandbox/clock/advance: everything due in between happens at its own instant."""
    wanted: AdvanceIn = control.body(AdvanceIn)
    async with clock_held(control) as (connection, world):
        now = control.engine.worlds.now(world)
        due = await due_work.next_due(connection, world.partner_id, wanted.to_next)
        target = _target(wanted, now, due)
        if target < now:
            raise Conflict("a clock moves forwards only; reset the world or make a new one")
        waiting = await due_work.count_due(connection, world.partner_id, target)
        if wanted.dry_run:
            listed = await due_work.due_until(
                connection, world.partner_id, target, MOST_LISTED_EVENTS
            )
            return 200, _advanced(now, now, [_listed(one) for one in listed], Counter(), waiting)
        if wanted.limit is not None and waiting > wanted.limit:
            raise Conflict(f"{waiting} events would run, more than the limit of {wanted.limit}")
        reached, done = await _walk(control, world, connection, target, wanted.stop_on)
        left = await due_work.count_due(connection, world.partner_id, reached)
    events = [_event(one) for one in done[:MOST_LISTED_EVENTS]]
    return 200, _advanced(now, reached, events, Counter(one.kind for one in done), left)


def _target(wanted: AdvanceIn, now: datetime, due: Work | None) -> datetime:
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
            return moment_in_range(wanted.to, "to")
        if wanted.to_next is not None:
            if due is None:
                raise Conflict(f"no {wanted.to_next} is due next")
            return max(now, due.at)
        target = _add_months(now, wanted.months or 0) + timedelta(
            days=wanted.days or 0, hours=wanted.hours or 0, seconds=wanted.seconds or 0
        )
    except (OverflowError, ValueError):
        target = datetime.max.replace(tzinfo=UTC)
    if target > LATEST:
        raise Refusal(Refused("1117", tuple(given)))
    return target


def _add_months(instant: datetime, months: int) -> datetime:
    index = instant.year * 12 + instant.month - 1 + months
    year, month = index // 12, index % 12 + 1
    day = min(instant.day, monthrange(year, month)[1])
    return instant.replace(year=year, month=month, day=day, tzinfo=UTC)


async def _walk(
    control: Control,
    world: World,
    connection: AnyConnection,
    target: datetime,
    stop_on: str | None,
) -> tuple[datetime, list[Occurred]]:
    """Go from due instant to due instant up to `target`; gives where it ended and what happened.

    The clock is set before the work of an instant is done: whatever a crash leaves is due, and the
    next walk begins with it.
    """
    done: list[Occurred] = []
    instant = control.engine.worlds.now(world)
    failed: set[str] = set()
    due = await due_work.next_due(connection, world.partner_id)
    while due is not None and due.at <= target:
        instant = max(instant, due.at)
        await _set(control, world, instant, connection)
        happened = await carry_out_due(
            connection, world, control.engine.ids, instant, Scope(wait=True, failed=failed)
        )
        done += happened
        if any(one.kind == stop_on for one in happened):
            return instant, done
        # What fails, or comes in meanwhile, stays due: the walk goes on.
        due = await due_work.next_due(connection, world.partner_id, after=instant)
    await _set(control, world, target, connection)
    return target, done


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


def _advanced(
    start: datetime,
    now: datetime,
    events: list[dict[str, Any]],
    counts: Counter[str],
    pending: int,
) -> dict[str, Any]:
    return {
        "from": render.timestamp(start),
        "now": render.timestamp(now),
        "events": events,
        "counts": dict(sorted(counts.items())),
        "pending": pending,
    }


def _event(one: Occurred) -> dict[str, Any]:
    shown = {"at": render.timestamp(one.at), "kind": one.kind, "result": one.result}
    ids = {
        "customerId": one.customer_id,
        "orderId": one.order_id,
        "subscriptionId": one.subscription_id,
        "resellerId": one.reseller_id,
    }
    return shown | {name: value for name, value in ids.items() if value}


def _listed(due: Work) -> dict[str, Any]:
    shown = {"at": render.timestamp(due.at), "kind": due.kind}
    if due.customer_id:
        shown["customerId"] = due.customer_id
    if due.id:
        shown[f"{due.what}Id"] = due.id
    return shown


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
        remaining = await due_work.count_due(connection, world.partner_id, now)
        if world.row.settlement_mode == "manual":  # what had to wait is not let go by the clock
            await due_work.release(connection, world.partner_id, None)
    return 200, {
        "settled": [{"kind": one.kind, "id": one.id, "from": "1002", "to": one.to} for one in done],
        "remaining": remaining,
    }
