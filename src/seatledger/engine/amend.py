"""PATCH of an order: its externalReferenceId (orders.md 7.3, S-181 to S-190)."""

from typing import Any

from msgspec.structs import replace

from seatledger.domain.model import Order
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.bodies import Body, field_refusal, is_same
from seatledger.engine.writes import Done, Scene
from seatledger.store import history
from seatledger.store.rows import AnyConnection


async def amend_order(scene: Scene, customer_id: str, order_id: str, body: Body) -> Done | Refused:
    """Change the reference of an order of any type and status; everything else stays."""
    order = await history.order(scene.connection, scene.world.partner_id, customer_id, order_id)
    if order is None:
        return Refused("2115")
    missing = ["externalReferenceId"] if body.raw.get("externalReferenceId") is None else []
    refused = field_refusal(body, missing=missing)
    if refused is not None:
        return refused
    reference: str = body.raw["externalReferenceId"]
    changed = replace(order, external_reference_id=reference)
    fixed = _read_only_faults(body.raw, changed)
    if fixed:
        return Refused("1119", tuple(fixed))

    async def write(connection: AnyConnection) -> None:
        await history.set_reference(connection, order_id, reference)

    return Done(200, render.amended_order(changed), (write,))


def _read_only_faults(raw: dict[str, Any], order: Order) -> list[str]:
    """Order fields sent with another value than a GET shows, read with or without prices."""
    views = [
        render.to_builtins(render.order_by_id(order, fetch_price=fetch_price))
        for fetch_price in (False, True)
    ]
    return [
        name
        for name, sent in raw.items()
        if sent is not None and not any(is_same(sent, view.get(name)) for view in views)
    ]
