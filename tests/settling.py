"""Short ways to settle an order as a pure function."""

from collections.abc import Iterable
from itertools import count
from typing import Any

from msgspec.structs import replace

from seatledger.domain.effects import Rules, Settlement
from seatledger.domain.fulfilment import settle
from seatledger.domain.model import Account, Customer, Order, OrderLine, Subscription
from tests import samples
from tests.samples import at

NOW = "2025-07-07T18:00:00Z"
AD = "2026-07-07"
FOLIO, ALL_APPS, ADD_ON = "65304479CA01A12", "11073058CA01A12", "30005893CA01A12"
SIGN, STARTER, PACK = "65322435CAT1A12", "65322450CAT1A12", "65327733CA01A12"


def line(number: int, offer_id: str, quantity: int = 1, **more: Any) -> OrderLine:
    return OrderLine(number, offer_id, quantity, more.pop("currency", "USD"), "1002", **more)


def order(*lines: OrderLine, **more: Any) -> Order:
    """An accepted order."""
    usual = Order(
        order_id="9200000001",
        partner_id="P1",
        customer_id=samples.CUSTOMER_ID,
        reseller_id="R1",
        order_type="NEW",
        status="1002",
        source="API",
        external_reference_id="",
        reference_order_id="",
        created_at=at(NOW),
        lines=lines,
        run_at=at(NOW),
    )
    return replace(usual, **more)


def giving_back(original: Order, *numbers: int) -> Order:
    """An accepted RETURN of lines of an order."""
    lines = [replace(one, status="1002") for one in original.lines if one.number in numbers]
    return order(
        *(replace(one, subscription_id="", term=0) for one in lines),
        order_id="5500000001",
        order_type="RETURN",
        reference_order_id=original.order_id,
    )


def settled(
    what: Order,
    buyer: Customer | None = None,
    held: Iterable[Subscription] = (),
    *,
    status: str = "1000",
    now: str = NOW,
    original: Order | None = None,
) -> Settlement:
    """What settling an order does; new subscriptions are called NEW1, NEW2, ..."""
    account = Account(buyer or samples.customer(), subscriptions=tuple(held), reference=original)
    numbers = count(1)
    rules = Rules(samples.partner(), samples.catalog(), samples.discounts())
    return settle(what, account, status, rules, at(now), lambda: f"NEW{next(numbers)}")


def folio(quantity: int, **changes: Any) -> Subscription:
    return samples.seats(FOLIO, quantity, AD, **changes)
