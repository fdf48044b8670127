"""Looking into a world: why, whether it is sound, what happened (sandbox.md 5.5)."""

import io
from typing import Annotated, Any

from msgspec import Meta, Struct

from seatledger.api.orders import read_parsed
from seatledger.api.query import Query
from seatledger.contract.walker import is_storable
from seatledger.domain import why
from seatledger.domain.outcome import Refused
from seatledger.engine import maintenance, reconciliation, render
from seatledger.engine.explain import explain_preview
from seatledger.engine.sheets import CSV, XLSX
from seatledger.sandbox.control import Control, Document, Refusal
from seatledger.store import history, worldlog
from seatledger.store.settling import Event

_MOST_EVENTS = 1_000
_EXPLAINED = ("PREVIEW", "NEW", "PREVIEW_RENEWAL", "RENEWAL")  # those that are priced


class ReconciliationIn(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """POST /sandbox/reconciliation-files: a month like 202602, a currency where there are more."""

    month: Annotated[str, Meta(min_length=1)]
    currency: str | None = None


async def explain_order(control: Control) -> tuple[int, Any]:
    """GET /sandbox/explain/orders/{order-id}: the stored decision, step by step."""
    async with control.engine.pool.acquire() as connection:
        order = await history.any_order(connection, control.partner_id, control.params["order-id"])
    if order is None:
        raise Refusal(Refused("2115"))
    told: dict[str, Any] = {"lines": []}
    if order.basis is not None:
        told = why.explain(order.order_type, order.basis, order.lines)
    return 200, {"orderId": order.order_id, "orderType": order.order_type, **told}


async def explain_order_preview(control: Control) -> tuple[int, Any]:
    """POST /sandbox/explain/preview: an order body with its customerId, decided and told.

    Refused as the order would be; without an `orderType` it is a PREVIEW.
    """
    customer_id = control.raw.get("customerId")
    if customer_id in (None, ""):
        raise Refusal(Refused("1122", ("customerId",)))
    if not isinstance(customer_id, str) or not is_storable(customer_id):
        raise Refusal(Refused("1117", ("customerId",)))
    order_type = control.raw.get("orderType", "PREVIEW")
    if order_type not in _EXPLAINED:
        raise Refusal(Refused("1117", ("orderType",)))
    body = {**control.raw, "orderType": order_type}
    _, request = read_parsed(body, Query(b""), customer_id, control.own.partner)
    if isinstance(request, Refused):
        raise Refusal(request)
    decision = await explain_preview(control.engine, control.own, customer_id, request)
    if isinstance(decision, Refused):
        raise Refusal(decision)
    preview = render.preview(request, decision, customer_id)
    told = why.explain(request.order_type, decision.basis, decision.lines)
    return 200, {"preview": preview, **told}


async def invariants(control: Control) -> tuple[int, Any]:
    """GET /sandbox/invariants."""
    report = await maintenance.check_partner(control.engine.pool, control.partner_id)
    return 200, {
        "ok": report.ok,
        "checked": report.checked,
        "violations": report.violations,
        "parked": [{"customerId": one.customer_id, "reason": one.reason} for one in report.parked],
    }


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


async def reconciliation_file(control: Control) -> tuple[int, Any]:
    """POST /sandbox/reconciliation-files: a month's file as CSV, or as XLSX if accepted."""
    wanted: ReconciliationIn = control.body(ReconciliationIn)
    media_type = XLSX if XLSX in control.accept.lower() else CSV
    content = io.BytesIO()
    refused = await reconciliation.write(
        control.engine.pool,
        control.engine.worlds,
        control.partner_id,
        wanted.month,
        wanted.currency or "",
        media_type,
        content,
    )
    if refused is not None:
        raise Refusal(refused)
    return 200, Document(content.getvalue(), media_type)
