"""The anniversary by hand: a renewal run, and letting a subscription expire (sandbox.md 3)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from seatledger.contract.resources import SubscriptionOut
from seatledger.contract.statuses import ACTIVE, PENDING
from seatledger.domain import agenda
from seatledger.domain.agenda import scheduled
from seatledger.domain.calendar import utc_day
from seatledger.domain.invariants import History, has_run
from seatledger.domain.model import Account
from seatledger.domain.outcome import Refused
from seatledger.domain.renewal import expire_one
from seatledger.engine import subscriptions
from seatledger.engine.agenda import Occurred, run_agenda
from seatledger.engine.claims import Scope
from seatledger.engine.writes import in_turn
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.edits import anniversary_today, locked_history
from seatledger.store import edits, rows
from seatledger.store.rows import AnyConnection
from seatledger.store.settling import Event


class RunIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """POST .../renewal-run."""

    force: bool = False


class ExpireIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """POST .../expire: nothing to say."""


async def renewal_run(control: Control) -> tuple[int, Any]:
    """POST /sandbox/customers/{customer-id}/renewal-run.

    Runs if the anniversary is due; `force` moves it to today first, unless today's has run. Moved
    and run together, or not at all.
    """
    wanted: RunIn = control.body(RunIn)
    customer_id = control.params["customer-id"]
    world, now = control.own, control.engine.worlds.now(control.own)
    today = utc_day(now)

    async def run(connection: AnyConnection) -> dict[str, Any]:
        known = await locked_history(connection, world, customer_id, "1116")
        due = known.customer.coterm_date
        if due is None or not any(one.is_open and not one.own_line for one in known.subscriptions):
            raise Conflict("the customer holds nothing that follows an anniversary")
        if due > today and (not wanted.force or has_run(known, today)):
            return {"ran": False, "due": due.isoformat()}
        done = await _run(control, connection, known, now)
        return _report(done, await locked_history(connection, world, customer_id, "1116"))

    return 200, await in_turn(control.engine.pool, run)


def _report(done: Sequence[Occurred], after: History) -> dict[str, Any]:
    """What a run has done, and the customer it has left."""
    runs = [one for one in done if one.kind == agenda.RENEWAL]
    order_id = next((one.order_id for one in runs), "")
    failed = next((one.result for one in runs if one.result not in (ACTIVE, PENDING)), None)
    lines = [line for one in after.orders if one.order_id == order_id for line in one.lines]
    return {
        "ran": True,
        "orderId": order_id or None,
        "renewed": [] if failed else [line.subscription_id for line in lines],
        "expired": [one.subscription_id for one in done if one.kind == agenda.EXPIRED],
        "failed": failed,
    }


async def expire(control: Control) -> tuple[int, Any]:
    """POST /sandbox/customers/{c}/subscriptions/{s}/expire.

    As in the vendor's portal: its renewal is switched off, the anniversary moved to today and
    run, so that the customer's other subscriptions renew. Where today's has run, it ends alone.
    """
    control.body(ExpireIn)
    customer_id, wanted = control.params["customer-id"], control.params["subscription-id"]
    world, now = control.own, control.engine.worlds.now(control.own)

    async def end(connection: AnyConnection) -> SubscriptionOut | None:
        known = await locked_history(connection, world, customer_id, "3115")
        found = next((one for one in known.subscriptions if one.subscription_id == wanted), None)
        if found is None:
            raise Refusal(Refused("3115"))
        if not found.is_open or found.own_line:
            raise Conflict("only an open subscription that follows the anniversary can expire")
        if has_run(known, utc_day(now)):
            await _end(control, connection, known, wanted, now)
        else:
            off = replace(found, auto_renewal=False)
            switched_off = replace(
                known,
                subscriptions=tuple(off if one is found else one for one in known.subscriptions),
            )
            await edits.save(connection, known, switched_off)
            await _run(control, connection, switched_off, now)
        return await subscriptions.read(connection, world, now, customer_id, wanted)

    return 200, await in_turn(control.engine.pool, end)


async def _run(
    control: Control, connection: AnyConnection, known: History, now: datetime
) -> list[Occurred]:
    """Let what is due today for a locked customer happen, its anniversary moved here if need be.

    Conflict where the run cannot begin or fails: the caller's transaction then undoes all of it.
    """
    _require_settled(known)
    if known.customer.parked_reason is not None:
        raise Conflict("the customer's work is parked: resume it first")
    world, day = control.own, known.customer.coterm_date
    if day is None or day > utc_day(now):
        await anniversary_today(connection, world, known, now)
    scope = Scope([known.customer.customer_id], wait=True)
    done = await run_agenda(connection, world, control.engine.ids, now, scope)
    if not done:
        raise Conflict("the run failed; the log says why")
    return done


def _require_settled(known: History) -> None:
    if any(one.status == PENDING for one in known.orders):
        raise Conflict("accepted orders of the customer settle first")


async def _end(
    control: Control, connection: AnyConnection, known: History, wanted: str, now: datetime
) -> None:
    """End one subscription of a locked customer today, without a run."""
    _require_settled(known)
    customer = replace(known.customer, version=known.customer.version + 1)
    account = Account(customer, subscriptions=known.subscriptions)
    ended = expire_one(account, wanted, now)
    (one,) = ended.subscriptions
    held = tuple(one if s.subscription_id == wanted else s for s in known.subscriptions)
    after = replace(
        known,
        customer=scheduled(customer, held, control.own.partner.settings, now),
        subscriptions=held,
        entries=(*known.entries, *ended.entries),
    )
    await edits.save(connection, known, after)
    told = Event(
        one.partner_id, now, agenda.EXPIRED, one.customer_id, "", one.subscription_id, one.status
    )
    await rows.insert(connection, "event", [told])
