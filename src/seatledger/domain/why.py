"""Why an order came out as it did: the stored decision told step by step."""

from decimal import Decimal
from typing import Any

from seatledger.contract.statuses import RENEWAL_ORDER_TYPES
from seatledger.domain.model import Basis, OrderLine

_RULE_OF_SALES = "orders.md 3.3: the better of the rank held and the rank of this order"
_RULE_OF_RENEWALS = (
    "accounts.md 7.2: the rank of all that renews into the term, not below a commitment's floor; "
    "a late renewal keeps the rank of the term so far"
)

_RULE_OF_OFFERS = {
    "NEW": "orders.md 3.3: sold at the level asked for; a PREVIEW shows the best one",
    "PREVIEW": "orders.md 3.3: the best level the customer is entitled to",
}


def explain(order_type: str, basis: Basis, lines: tuple[OrderLine, ...]) -> dict[str, Any]:
    """The chain of decisions of an order: level, offer, price row, discount, days, rounding.

    Every number is the one the decision used; nothing is computed anew.
    """
    rule = _RULE_OF_RENEWALS if order_type in RENEWAL_ORDER_TYPES else _RULE_OF_SALES
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
                "committedRank": step.committed_rank,
                "priceLock": step.price_lock,
                "rule": rule,
            }
            for step in basis.levels
        ],
        "lines": [_explain_line(line, _RULE_OF_OFFERS.get(order_type, rule)) for line in lines],
    }


def _explain_line(line: OrderLine, rule: str) -> dict[str, Any]:
    price = line.price
    steps: list[dict[str, Any]] = [
        {
            "step": "offer",
            "offerId": line.offer_id,
            "level": line.offer_id[10:12],
            "rule": rule,
        }
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
