"""Deciding a preview outside the order path, to tell how it came about."""

from datetime import UTC, datetime

from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.request import OrderRequest
from seatledger.domain.outcome import Refused
from seatledger.engine.context import Engine
from seatledger.engine.judging import decide
from seatledger.engine.placeholders import placeholder
from seatledger.engine.world import World
from seatledger.store import placing
from seatledger.store.placing import Asked


async def explain_preview(
    engine: Engine, world: World, customer_id: str, request: OrderRequest
) -> Accepted | Refused:
    """The decision an order would get now; nothing is stored, not even the answer."""
    asked = Asked(
        partner_id=world.partner_id,
        path="",
        correlation_id="",
        request_id="",
        alive_since=datetime.max.replace(tzinfo=UTC),
        customer_id=customer_id,
        reference_order_id="",
        wants_deployments=True,
        wants_discounts=True,
        wants_history=True,
    )
    async with engine.pool.acquire() as connection:
        (known,) = await placing.read(connection, [asked])
    now = engine.worlds.now(world)
    account = known.account or placeholder(customer_id, request.order_type, world.partner, now)
    if account is None:
        return Refused("1116")
    return decide(request, account, world, now)
