"""The rows a simulated world keeps of a customer, and the events it tells."""

from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from seatledger.contract.statuses import PENDING
from seatledger.domain.effects import Fact, Settlement
from seatledger.domain.invariants import History
from seatledger.domain.model import (
    Customer,
    Deployment,
    LedgerEntry,
    Order,
    Redemption,
    Subscription,
)


@dataclass
class Books:
    """Everything stored about one customer."""

    customer: Customer
    deployments: tuple[Deployment, ...] = ()
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    entries: list[LedgerEntry] = field(default_factory=list)
    redemptions: list[Redemption] = field(default_factory=list)

    @property
    def history(self) -> History:
        """As the invariants read it."""
        return History(
            self.customer,
            tuple(self.orders.values()),
            tuple(self.subscriptions.values()),
            tuple(self.entries),
        )

    @property
    def waiting(self) -> list[Order]:
        """Accepted orders, in the order in which they settle."""
        found = [one for one in self.orders.values() if one.status == PENDING]
        return sorted(found, key=lambda one: (one.created_at, one.order_id))


@dataclass(frozen=True)
class Event:
    """Something that happened at a business instant."""

    at: datetime
    customer_id: str
    fact: Fact


def redeemed(use: Redemption, one: Settlement) -> Redemption:
    """A use of a discount after an order has settled: what it fed, whether it was given back."""
    line = one.order.line(use.line_number)
    if line is None:
        return use
    if one.original is not None and use.order_id == one.original.order_id:
        return replace(use, returned=True)
    if use.order_id == one.order.order_id and one.order.order_type == "NEW":
        return replace(use, subscription_id=line.subscription_id)
    return use
