"""What carried-out work changes: a customer, its subscriptions, the ledger that tells of it."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE, INACTIVE, SCHEDULED
from seatledger.domain.catalog import Catalog
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.model import (
    Account,
    Customer,
    LedgerEntry,
    Order,
    OrderLine,
    Partner,
    PartnerSettings,
    Subscription,
)

EXPIRY = "EXPIRY"


class Rules(Struct, frozen=True):
    """What a partner's work is carried out by: its contract, price list and discounts."""

    partner: Partner
    catalog: Catalog
    discounts: FlexDiscounts

    @property
    def settings(self) -> PartnerSettings:
        """The partner's flags."""
        return self.partner.settings


class Fact(Struct, frozen=True, gc=False):
    """Something that happened, for the event log; ids are "" where none is concerned."""

    kind: str
    result: str = ""
    subscription_id: str = ""
    order_id: str = ""


class Settlement(Struct, frozen=True, gc=False):
    """What settling one order changes. `original` is the order a RETURN gave back from.

    `expired` are subscriptions that ended with it. `facts` are what there is to tell beside the
    end of the order itself.
    """

    order: Order
    customer: Customer
    subscriptions: tuple[Subscription, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    original: Order | None = None
    expired: tuple[Subscription, ...] = ()
    facts: tuple[Fact, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether the order ended in a failure status."""
        return self.order.status != ACTIVE


class Ended(Struct, frozen=True, gc=False):
    """What an end without an order changes; `expired` are the subscriptions that it ended."""

    customer: Customer
    subscriptions: tuple[Subscription, ...]
    entries: tuple[LedgerEntry, ...]
    expired: tuple[Subscription, ...]


class Seats:
    """The customer's subscriptions while something changes them.

    `customer` carries the version the change takes effect with.
    """

    def __init__(self, account: Account, customer: Customer, at: datetime) -> None:
        self._all = {one.subscription_id: one for one in account.subscriptions}
        self._changed: dict[str, None] = {}
        self._customer = customer
        self._at = at
        self.entries: list[LedgerEntry] = []

    def __iter__(self) -> Iterator[Subscription]:
        """Every subscription as it is now, in order of creation."""
        return iter(tuple(self._all.values()))

    @property
    def changed(self) -> tuple[Subscription, ...]:
        """Those that were put, each in its last state."""
        return tuple(self._all[subscription_id] for subscription_id in self._changed)

    @property
    def next_position(self) -> int:
        """The place of the next subscription to be created."""
        return 1 + max((one.position for one in self._all.values()), default=0)

    def find_open(self, line: OrderLine) -> Subscription | None:
        """The open co-term subscription a line adds to."""
        for one in self._all.values():
            if one.is_open and not one.own_line and one.key == line.key:
                return one
        return None

    def get(self, subscription_id: str) -> Subscription:
        """A subscription by id."""
        return self._all[subscription_id]

    def put(self, seats: Subscription, order: Order, line: OrderLine) -> None:
        """Store what a line of an order made of a subscription, with its ledger entry."""
        self._put(seats, order.order_type, order.order_id, line.number)

    def expire(self, seats: Subscription) -> None:
        """Let a subscription end on its renewal date: its seats stay on record.

        A scheduled one was never active and leaves no date that could be renewed from.
        """
        ended = replace(
            seats,
            status=INACTIVE,
            explicit_quantity=None,
            expired_on=None if seats.status == SCHEDULED else seats.renewal_date,
        )
        self._put(ended, EXPIRY, "", 0)

    def _put(self, seats: Subscription, kind: str, order_id: str, line_number: int) -> None:
        before = self._all.get(seats.subscription_id)
        self._all[seats.subscription_id] = seats
        self._changed[seats.subscription_id] = None
        self.entries.append(
            LedgerEntry(
                customer_id=self._customer.customer_id,
                version=self._customer.version,
                position=len(self.entries) + 1,
                partner_id=self._customer.partner_id,
                subscription_id=seats.subscription_id,
                kind=kind,
                delta=seats.current_quantity - (before.current_quantity if before else 0),
                balance=seats.current_quantity,
                order_id=order_id,
                line_number=line_number,
                at=self._at,
            )
        )
