"""An order as a partner asks for it, after the wire form has been checked."""

from collections import Counter

from msgspec import Struct

from seatledger.contract.limits import MAX_EXT_LINE_ITEM_NUMBER, MAX_LINES
from seatledger.contract.statuses import PREVIEW_ORDER_TYPES
from seatledger.domain.outcome import Refused, on_lines


class RequestLine(Struct, frozen=True):
    """A requested line; "" means not sent. `alias_used`: codes came as promotionCodes.

    Without `has_quantity` the quantity is left to the service, as PREVIEW_RENEWAL may.
    """

    number: int
    offer_id: str
    quantity: int
    currency: str = ""
    deployment_id: str = ""
    discount_code: str = ""
    flex_codes: tuple[str, ...] = ()
    alias_used: bool = False
    subscription_id: str = ""
    has_quantity: bool = True


class OrderRequest(Struct, frozen=True):
    """A requested order of any served type (orders.md 1.2)."""

    order_type: str
    lines: tuple[RequestLine, ...]
    external_reference_id: str = ""
    reference_order_id: str = ""
    currency: str = ""
    fetch_price: bool = False
    tracker_id: str = ""

    def currency_of(self, line: RequestLine) -> str:
        """The currency asked for a line: its own, else the order's (orders.md 1.4)."""
        return line.currency or self.currency


def common_refusal(request: OrderRequest) -> Refused | None:
    """Checks 8-12 of orders.md 2.2, the same for every order type."""
    lines = request.lines
    if len(lines) > MAX_LINES:
        return Refused("2119")
    outside = [one.number for one in lines if not 0 <= one.number <= MAX_EXT_LINE_ITEM_NUMBER]
    if outside:
        return on_lines("2123", outside)
    if len({one.number for one in lines}) < len(lines):
        counts = Counter(one.number for one in lines)
        return on_lines("2121", (number for number, count in counts.items() if count > 1))
    if request.currency and any(one.currency and one.currency != request.currency for one in lines):
        return Refused("2140")
    if (
        request.fetch_price
        and request.order_type in PREVIEW_ORDER_TYPES
        and len({request.currency_of(one) for one in lines} - {""}) > 1
    ):
        return Refused("2148")
    return None
