"""Why an order came out as it did: the stored decision told step by step."""

from decimal import Decimal
from typing import Any

from seatledger.domain.model import Basis, OrderLine


def explain(basis: Basis, lines: tuple[OrderLine, ...]) -> dict[str, Any]:
    """The chain of decisions of an order: level, offer, price row, discount, days, rounding.

    Every number is the one the decision used; nothing is computed anew.
    """
    return {
        "now": basis.now,
        "pacificDay": basis.pacific_day,
        "anniversary": basis.anniversary,
        "levels": [
            {
                "offerType": step.offer_type,
                "orderedQuantity": step.quantity,
                "earnedRank": step.earned_rank,
                "heldRank": step.held_rank,
                "scale": step.scale,
                "rule": "orders.md 3.3: the better of the rank held and the rank of this order",
            }
            for step in basis.levels
        ],
        "lines": [_explain_line(line) for line in lines],
    }


def _explain_line(line: OrderLine) -> dict[str, Any]:
    price = line.price
    steps: list[dict[str, Any]] = [
        {"step": "offer", "offerId": line.offer_id, "level": line.offer_id[10:12]}
    ]
    if price is not None:
        steps.append(
            {
                "step": "price row",
                "row": price.row,
                "region": price.region,
                "partnerPrice": price.partner_price,
                "rule": "catalog.md 5.2",
            }
        )
        steps += [
            {
                "step": "flexible discount",
                "code": one.code,
                "result": one.result,
                "discountedPartnerPrice": price.unit_price,
                "rule": "orders.md 4.5",
            }
            for one in line.flex
        ]
        steps.append(
            {
                "step": "days",
                "proratedDays": price.days,
                "baseDays": price.base_days,
                "fullTerm": price.daily is None,
                "rule": "orders.md 4.3",
            }
        )
        if price.daily is not None:
            steps.append(
                {
                    "step": "daily price",
                    "daily": price.daily
                    or Decimal(0),  # a zero of nine decimals would print as 0E-9
                    "rule": "orders.md 4.4: truncated at nine decimals",
                }
            )
        steps.append(
            {
                "step": "amount",
                "lineItemPrice": price.amount,
                "netPartnerPrice": price.net,
                "rule": "orders.md 4.4: only the line is rounded, half up",
            }
        )
    return {"extLineItemNumber": line.number, "quantity": line.quantity, "steps": steps}
