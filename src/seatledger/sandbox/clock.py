"""A world's clock: shown, set, and advanced (sandbox.md 5.1)."""

import asyncio
from calendar import monthrange
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from seatledger.api.answers import OverBudget
from seatledger.api.query import instant_of
from seatledger.domain.calendar import EARLIEST, LATEST
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.agenda import Occurred
from seatledger.engine.world import World
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.walk import STOP_ON, TOO_MANY, Walk, Walked
from seatledger.store import due as due_work
from seatledger.store.due import Work
from seatledger.store.rows import AnyConnection

MOST_LISTED_EVENTS = 200
# How often a call asks for the clock while another one has it, and how long it pauses in between.
TURNS, PAUSE_SECONDS = 20, 0.05
_BACKWARDS = "a clock moves forwards only: restore a snapshot, or reset the world"

DueKind = Literal[
    "settlement",
    "renewal",
    "level_changed",
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

    While another call has it, it is waited for a moment, without a connection; then Conflict (409).
    """
    for turn in range(TURNS):
        if turn:
            await asyncio.sleep(PAUSE_SECONDS)
        async with control.engine.pool.acquire() as connection:
            if not await due_work.try_lock_clock(connection, control.partner_id):
                continue
            try:
                world = await control.engine.worlds.refresh(control.partner_id, connection)
                if world is None:
                    raise Refusal(Refused("4115"))
                yield connection, world
            finally:
                await due_work.unlock_clock(connection, control.partner_id)
            return
    raise Conflict("this world's clock is being set or advanced already")


async def set_clock(control: Control) -> tuple[int, Any]:
    """PUT /sandbox/clock: freeze, run, or set forwards.

    Raises OverBudget (503) when its time is over on the way: it may be repeated from there.
    """
    wanted: ClockIn = control.body(ClockIn)
    if wanted.now is None and wanted.mode is None:
        raise Refusal(Refused("1122", ("mode",)))
    async with clock_held(control) as (connection, world):
        walk = Walk(control.engine, connection, world)
        target = walk.start if wanted.now is None else moment_in_range(wanted.now, "now")
        if target < walk.start:
            raise Conflict(_BACKWARDS)
        if target > walk.start and (await walk.to(target)).stopped:
            raise OverBudget
        kept_rate = world.row.clock_rate if world.row.clock_mode == "running" else 1.0
        await walk.show(target, mode=wanted.mode, rate=float(wanted.rate or kept_rate))
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
    """POST /sandbox/clock/advance: everything due in between happens at its own instant.

    Raises OverBudget (503) when there is no time to find out whether `limit` holds.
    """
    wanted: AdvanceIn = control.body(AdvanceIn)
    async with clock_held(control) as (connection, world):
        walk = Walk(control.engine, connection, world)
        due = None
        if wanted.to_next is not None:
            due = await due_work.next_due(connection, world.partner_id, wanted.to_next)
        target = _target(wanted, walk.start, due)
        if target < walk.start:
            raise Conflict(_BACKWARDS)
        if wanted.dry_run or wanted.limit is not None:
            would = await walk.rehearse(target, wanted.stop_on, wanted.limit)
            if would.stopped == TOO_MANY:
                raise Conflict(f"more than the limit of {wanted.limit} events would run")
            if wanted.dry_run:
                return 200, _advanced(walk.start, would)
            if would.stopped not in ("", STOP_ON):
                raise OverBudget
        return 200, _advanced(walk.start, await walk.to(target, wanted.stop_on))


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
                raise Conflict(
                    f"no {wanted.to_next} is anybody's next event; to find a later one, advance by "
                    f'months or to a day with "stopOn": "{wanted.to_next}"'
                )
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


def _advanced(start: datetime, walked: Walked) -> dict[str, Any]:
    shown = {
        "from": render.timestamp(start),
        "now": render.timestamp(walked.now),
        "events": [_event(one) for one in walked.done[:MOST_LISTED_EVENTS]],
        "counts": dict(sorted(Counter(one.kind for one in walked.done).items())),
        "pending": walked.pending,
    }
    return shown | ({"stopped": walked.stopped} if walked.stopped else {})


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
