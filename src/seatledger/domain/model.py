"""The state the rules read and write. Field names are the columns of the tables in store/.

Values like these never refer back to what holds them: the garbage collector need not look for
cycles among them (`gc=False`), which takes a tenth off work on many.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from msgspec import Struct, field
from msgspec.structs import force_setattr

from seatledger.contract.statuses import OPEN_SUBSCRIPTION_STATUSES, PENDING
from seatledger.domain.benefits import ThreeYearCommit


class Price(Struct, frozen=True, gc=False, omit_defaults=True):
    """The frozen price of a line, every intermediate value included (orders.md 4.4).

    Money in major currency units. `days` is None where nothing is prorated, `daily` for a full
    term. A RETURN carries the price of the line it credits.
    """

    region: str
    row: str
    partner_price: Decimal
    unit_price: Decimal
    base_days: int
    amount: Decimal
    net: Decimal
    days: int | None = None
    daily: Decimal | None = None


class FlexResult(Struct, frozen=True, gc=False):
    """A flexible discount on a line and whether it was granted."""

    id: str
    code: str
    result: str


class OrderLine(Struct, frozen=True, gc=False, omit_defaults=True):
    """A line as stored: numbers are extLineItemNumbers, `term` the customer's term it bills."""

    number: int
    offer_id: str
    quantity: int
    currency: str
    status: str
    subscription_id: str = ""
    deployment_id: str = ""
    discount_code: str = ""
    flex: tuple[FlexResult, ...] = ()
    alias_used: bool = False
    price: Price | None = None
    term: int = 0
    enlarged: bool = False

    @property
    def product_key(self) -> str:
        """Identity of the product: first 10 characters of the offer id."""
        return self.offer_id[:10]

    @property
    def key(self) -> tuple[str, str, str]:
        """Identity of the subscription it feeds: product, deployment, currency."""
        return (self.product_key, self.deployment_id, self.currency)


class LevelStep(Struct, frozen=True, gc=False, omit_defaults=True):
    """How the level of one offerType was found (orders.md 3.3).

    `committed_rank` is the lowest one a commitment allows, `price_lock` the day of its prices.
    """

    offer_type: str
    quantity: int
    earned_rank: int
    held_rank: int
    scale: str
    committed_rank: int = 1
    price_lock: date | None = None


class Basis(Struct, frozen=True, gc=False, omit_defaults=True):
    """What an order was judged on, kept so that `why` can be told later."""

    now: datetime
    pacific_day: date
    anniversary: date | None
    levels: tuple[LevelStep, ...] = ()


class Order(Struct, frozen=True, gc=False):
    """An order; `run_at` is when it may settle (business clock), None = held.

    `anniversary` is set on the one order a customer's anniversary makes by itself.
    """

    order_id: str
    partner_id: str
    customer_id: str
    reseller_id: str
    order_type: str
    status: str
    source: str
    external_reference_id: str
    reference_order_id: str
    created_at: datetime
    lines: tuple[OrderLine, ...]
    basis: Basis | None = None
    completed_at: datetime | None = None
    run_at: datetime | None = None
    injected_status: str | None = None
    tracker_id: str = ""
    forced: bool = False
    quantity: int = -1
    anniversary: date | None = None

    def __post_init__(self) -> None:
        """`quantity` is the sum over the lines; -1 asks for it to be worked out."""
        if self.quantity < 0:
            force_setattr(self, "quantity", sum(line.quantity for line in self.lines))

    @property
    def currency(self) -> str:
        """The one currency of the lines, "" when they differ (orders.md 1.3)."""
        first = self.lines[0].currency
        return first if all(line.currency == first for line in self.lines) else ""

    def line(self, number: int) -> OrderLine | None:
        """The line with an extLineItemNumber."""
        return next((line for line in self.lines if line.number == number), None)


class Subscription(Struct, frozen=True, gc=False):
    """Seats of one product; `explicit_quantity` None means all seats renew (implicit).

    `own_line` is "" for co-term products; own-term ones have a subscription per order line.
    """

    subscription_id: str
    customer_id: str
    partner_id: str
    product_key: str
    offer_id: str
    current_quantity: int
    used_quantity: int
    auto_renewal: bool
    explicit_quantity: int | None
    created_at: datetime
    renewal_date: date
    status: str
    deployment_id: str
    currency: str
    own_line: str = ""
    expired_on: date | None = None
    flex_codes: tuple[str, ...] = ()
    position: int = 0
    tracker_id: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What only one open co-term subscription may hold: product, deployment, currency."""
        return (self.product_key, self.deployment_id, self.currency)

    @property
    def is_open(self) -> bool:
        """Whether it holds its key: active, reserved or scheduled (subscriptions.md 1)."""
        return self.status in OPEN_SUBSCRIPTION_STATUSES

    @property
    def renewal_quantity(self) -> int:
        """What the API shows as renewalQuantity (subscriptions.md 2)."""
        return self.current_quantity if self.explicit_quantity is None else self.explicit_quantity


class Reseller(Struct, frozen=True):
    """A reseller account of a partner."""

    reseller_id: str
    partner_id: str
    status: str
    external_reference_id: str
    profile: dict[str, Any]
    created_at: datetime
    version: int = 1
    settle_at: datetime | None = None
    injected_status: str | None = None

    @property
    def market_segments(self) -> list[str]:
        """Segments it may sell to."""
        segments: list[str] = self.profile["marketSegments"]
        return segments


class Customer(Struct, frozen=True, gc=False):
    """A customer account. `term` counts its terms; `term_started_at` opens the running one.

    `due_at`, `due_phase` and `due_kind` say what happens to it by itself next (domain/agenda.py);
    `attempts` counts what went wrong when its work was carried out, until it is parked for an
    operator.
    """

    customer_id: str
    partner_id: str
    reseller_id: str
    status: str
    external_reference_id: str
    profile: dict[str, Any]
    created_at: datetime
    version: int = 1
    settle_at: datetime | None = None
    injected_status: str | None = None
    coterm_date: date | None = None
    extended_term: bool = False
    term: int = 0
    term_started_at: datetime | None = None
    license_level: str = "01"
    consumables_level: str = "T1"
    hvd_code: str | None = None
    tags: tuple[str, ...] = ()
    benefits: tuple[ThreeYearCommit, ...] = ()
    global_sales: bool = False
    attempts: int = 0
    parked_reason: str | None = None
    due_at: datetime | None = None
    due_phase: int = 0
    due_kind: str = ""

    @property
    def segment(self) -> str:
        """COM, EDU or GOV."""
        value: str = self.profile["marketSegment"]
        return value

    @property
    def sub_segments(self) -> list[str]:
        """Sub-segments of EDU and GOV customers."""
        value: list[str] = self.profile["marketSubSegments"]
        return value

    @property
    def country(self) -> str:
        """ISO 3166-1 alpha-2 country of the address."""
        value: str = self.profile["address"]["country"]
        return value

    @property
    def three_year_commit(self) -> ThreeYearCommit | None:
        """Its three-year commit; None if it never asked for one."""
        return self.benefits[0] if self.benefits else None

    def level(self, offer_type: str) -> str:
        """The level code held for an offerType."""
        return self.license_level if offer_type == "LICENSE" else self.consumables_level


class Deployment(Struct, frozen=True):
    """A country branch of a globally enabled customer."""

    deployment_id: str
    customer_id: str
    partner_id: str
    status: str
    address: dict[str, Any]
    created_at: datetime

    @property
    def country(self) -> str:
        """ISO 3166-1 alpha-2 country of the branch."""
        value: str = self.address["country"]
        return value


class Redemption(Struct, frozen=True, gc=False):
    """One recorded use of a flexible discount; `returned` when its line was given back.

    `subscription_id` is what the line fed, known once its order has completed.
    """

    partner_id: str
    customer_id: str
    discount_id: str
    code: str
    order_id: str
    line_number: int
    product_key: str
    redeemed_at: datetime
    one_time: bool
    returned: bool = False
    subscription_id: str = ""


class LedgerEntry(Struct, frozen=True, gc=False):
    """One change of seats. Never updated: corrections are entries of their own.

    `version` is the customer's version it took effect with, `position` its place therein.
    """

    customer_id: str
    version: int
    position: int
    partner_id: str
    subscription_id: str
    kind: str
    delta: int
    balance: int
    order_id: str
    line_number: int
    at: datetime


class Account(Struct, frozen=True, gc=False):
    """Everything the rules need to know of one customer for one decision."""

    customer: Customer
    reseller_segments: list[str] = field(default_factory=list)
    subscriptions: tuple[Subscription, ...] = ()
    pending: tuple[Order, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    redemptions: tuple[Redemption, ...] = ()
    closed_codes_taken: frozenset[str] = frozenset()
    term_orders: tuple[Order, ...] = ()
    reference: Order | None = None

    @property
    def open_coterm(self) -> tuple[Subscription, ...]:
        """Open subscriptions that follow the anniversary."""
        return tuple(s for s in self.subscriptions if s.is_open and not s.own_line)

    @property
    def pending_orders(self) -> tuple[Order, ...]:
        """Accepted orders not settled yet."""
        return tuple(order for order in self.pending if order.status == PENDING)


class PartnerSettings(Struct, frozen=True):
    """Flags of a partner with their defaults (contract README 5)."""

    partial_returns: bool = False
    early_renewal: bool = False
    switch_orders: bool = False
    recommendations: bool = False
    promotion_codes_alias: bool = True
    late_renewal_days: int = 30
    return_window_days: int = 14
    order_blackout_hours: int = 0
    http_status_profile: str = "seed"
    three_yc_request_ttl_days: int = 7
    three_yc_compliance_days: int = 30
    strict_idempotency: bool = False
    rate_limit_per_minute: int = 0
    token_ttl_seconds: int = 86_399
    id_prefix: str = ""
    relaxed_3yc: bool = False
    recommend_owned: bool = False
    closed_discount_cap: int = 20


class Partner(Struct, frozen=True):
    """A direct contract holder: one tenant, in a sandbox one world."""

    partner_id: str
    name: str
    status: str
    country: str
    regions: tuple[str, ...]
    currencies: dict[str, tuple[str, ...]]
    market_segments: tuple[str, ...]
    programs: tuple[str, ...]
    global_sales_enabled: bool = False
    lga_enabled: bool = False
    settings: PartnerSettings = PartnerSettings()
    quirks: frozenset[str] = frozenset()

    def sells(self, region: str, currency: str) -> bool:
        """Whether the contract covers a currency in a region (2125)."""
        return region in self.regions and currency in self.currencies.get(region, ())
