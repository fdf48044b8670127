"""The anniversary by hand: a renewal run, and letting a subscription expire (sandbox.md 3)."""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from seatledger.domain import agenda
from seatledger.domain.calendar import utc_day
from seatledger.domain.outcome import Refused
from seatledger.engine import subscriptions
from seatledger.engine.agenda import Occurred, run_agenda
from seatledger.engine.claims import Scope
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.edits import anniversary_today, locked_history
from seatledger.store import edits


class RunIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """POST .../renewal-run."""

    force: bool = False


class ExpireIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """POST .../expire: nothing to say."""


async def renewal_run(control: Control) -> tuple[int, Any]:
    """POST /sandbox/customers/{customer-id}/renewal-run.

    Runs if the anniversary is due; `force` moves it to today first.
    """
    wanted: RunIn = control.body(RunIn)
    customer_id = control.params["customer-id"]
    world, now = control.own, control.engine.worlds.now(control.own)
    today = utc_day(now)
    async with control.engine.pool.acquire() as connection, connection.transaction():
        known = await locked_history(connection, world, customer_id, "1116")
        due = known.customer.coterm_date
        if wanted.force and due is not None and due > today:
            await anniversary_today(connection, world, known, now)
            due = today
        if due is None or not any(one.is_open and not one.own_line for one in known.subscriptions):
            raise Conflict("the customer holds nothing that follows an anniversary")
    if due > today:
        return 200, {"ran": False, "due": due.isoformat()}
    done = await _run(control, customer_id)
    renewals = [one for one in done if one.kind == agenda.RENEWAL]
    order_id = next((one.order_id for one in renewals), "")
    failed = next((one.result for one in renewals if one.result not in ("1000", "1002")), None)
    return 200, {
        "ran": bool(done),
        "orderId": order_id or None,
        "renewed": await _renewed(control, customer_id, order_id) if not failed else [],
        "expired": [one.subscription_id for one in done if one.kind == agenda.EXPIRED],
        "failed": failed,
    }


async def expire(control: Control) -> tuple[int, Any]:
    """POST /sandbox/customers/{c}/subscriptions/{s}/expire.

    As in the vendor's portal: its renewal is switched off, the anniversary moved to today and
    run, so that the customer's other subscriptions renew.
    """
    control.body(ExpireIn)
    customer_id, wanted = control.params["customer-id"], control.params["subscription-id"]
    world, now = control.own, control.engine.worlds.now(control.own)
    async with control.engine.pool.acquire() as connection, connection.transaction():
        known = await locked_history(connection, world, customer_id, "3115")
        found = [one for one in known.subscriptions if one.subscription_id == wanted]
        if not found:
            raise Refusal(Refused("3115"))
        if not found[0].is_open or found[0].own_line:
            raise Conflict("only an open subscription that follows the anniversary can expire")
        switched_off = replace(found[0], auto_renewal=False)
        known = replace(
            known,
            subscriptions=tuple(
                switched_off if one.subscription_id == wanted else one
                for one in known.subscriptions
            ),
        )
        await edits.save(connection, replace(known, subscriptions=tuple(found)), known)
        await anniversary_today(connection, world, known, now)
    await _run(control, customer_id)
    async with control.engine.pool.acquire() as connection:
        shown = await subscriptions.read(connection, world, now, customer_id, wanted)
    assert shown is not None
    return 200, shown


async def _run(control: Control, customer_id: str) -> list[Occurred]:
    """Let what is due for a customer happen; Conflict while accepted orders come first."""
    world, now = control.own, control.engine.worlds.now(control.own)
    done = await run_agenda(
        control.engine.pool, world, control.engine.ids, now, Scope([customer_id], wait=True)
    )
    if not done:
        raise Conflict("accepted orders of the customer settle first")
    return done


async def _renewed(control: Control, customer_id: str, order_id: str) -> list[str]:
    async with control.engine.pool.acquire() as connection:
        known = await edits.lock_history(connection, control.partner_id, customer_id)
    assert known is not None
    return [
        line.subscription_id
        for order in known.orders
        if order.order_id == order_id
        for line in order.lines
    ]
