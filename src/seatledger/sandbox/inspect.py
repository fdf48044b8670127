"""Looking into a world: why, whether it is sound, what happened (sandbox.md 5.5)."""

from typing import Any

from seatledger.api.orders import read_order
from seatledger.api.query import Query
from seatledger.domain import why
from seatledger.domain.outcome import Refused
from seatledger.engine import maintenance, render
from seatledger.engine.explain import explain_preview
from seatledger.sandbox.control import Control, Refusal
from seatledger.store import history, worldlog
from seatledger.store.settling import Event

_MOST_EVENTS = 1_000


async def explain_order(control: Control) -> tuple[int, Any]:
    """GET /sandbox/explain/orders/{order-id}: the stored decision, step by step."""
    async with control.engine.pool.acquire() as connection:
        order = await history.any_order(connection, control.partner_id, control.params["order-id"])
    if order is None:
        raise Refusal(Refused("2115"))
    told = why.explain(order.basis, order.lines) if order.basis is not None else {"lines": []}
    return 200, {"orderId": order.order_id, "orderType": order.order_type, **told}


async def explain_order_preview(control: Control) -> tuple[int, Any]:
    """POST /sandbox/explain/preview: an order body with its customerId, decided and told."""
    customer_id = control.raw.get("customerId")
    if not isinstance(customer_id, str) or not customer_id:
        raise Refusal(Refused("1122", ("customerId",)))
    body = render.encode({**control.raw, "orderType": "PREVIEW"})
    _, request = read_order(body, Query(b""), customer_id, control.own.partner)
    if isinstance(request, Refused):
        raise Refusal(request)
    decision = await explain_preview(control.engine, control.own, customer_id, request)
    if isinstance(decision, Refused):
        raise Refusal(decision)
    preview = render.preview(request, decision, customer_id)
    return 200, {"preview": preview, **why.explain(decision.basis, decision.lines)}


async def invariants(control: Control) -> tuple[int, Any]:
    """GET /sandbox/invariants."""
    report = await maintenance.check_partner(control.engine.pool, control.partner_id)
    return 200, {"ok": report.ok, "checked": report.checked, "violations": report.violations}


async def events(control: Control) -> tuple[int, Any]:
    """GET /sandbox/events?since=&kind=: domain events in order."""
    since = control.query.integer("since", 0, minimum=0)
    kind = control.query.text("kind")
    if control.query.bad:
        raise Refusal(Refused("1132", control.query.bad))
    async with control.engine.pool.acquire() as connection:
        found = await worldlog.events(connection, control.partner_id, since, kind, _MOST_EVENTS)
    return 200, {"items": [_event(sequence, one) for sequence, one in found]}


def _event(sequence: int, one: Event) -> dict[str, Any]:
    named = {
        "customerId": one.customer_id,
        "orderId": one.order_id,
        "subscriptionId": one.subscription_id,
        "result": one.result,
    }
    return {
        "sequence": sequence,
        "at": render.timestamp(one.at),
        "kind": one.kind,
        **{name: value for name, value in named.items() if value},
    }
