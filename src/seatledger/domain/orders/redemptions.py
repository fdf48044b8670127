"""Uses of flexible discounts, as they are recorded with an accepted order (catalog.md 7.2)."""

from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.model import Order, Redemption
from seatledger.domain.orders.flex import SUCCESS


def redemptions_of(order: Order, discounts: FlexDiscounts) -> tuple[Redemption, ...]:
    """One for every line that was granted its discount; a RETURN uses none."""
    if order.order_type == "RETURN":
        return ()
    once = discounts.one_time_ids
    return tuple(
        Redemption(
            order.partner_id,
            order.customer_id,
            result.id,
            result.code,
            order.order_id,
            line.number,
            line.product_key,
            order.created_at,
            one_time=result.id in once,
            subscription_id=line.subscription_id,
        )
        for line in order.lines
        for result in line.flex
        if result.result == SUCCESS
    )
