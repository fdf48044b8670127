"""Flexible discounts: who may use a code on which line, and the unit price (catalog.md 7)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from seatledger.domain.pricing import minor_digits, round_half_up

PERCENTAGE = "PERCENTAGE_DISCOUNT"
FIXED = "FIXED_DISCOUNT"
FIXED_PRICE = "FIXED_PRICE"
STANDARD = "STANDARD"
INTRO = "INTRO"
OPEN = "OPEN"
CLOSED = "CLOSED"
NEW_TO_3YC = "NEW_TO_3YC"
EXISTING_3YC = "EXISTING_3YC"
NON_3YC = "NON_3YC"
FIRST_YEAR = "FIRST_YEAR"
CURRENT_YEAR = "CURRENT_YEAR"
FULL_TERM = "FULL_TERM"
EVERYWHERE = "*"


class FlexDiscount(Struct, frozen=True):
    """A campaign code. Empty `base_offer_ids` covers every product, `countries` ("*",) all."""

    id: str
    code: str
    name: str
    description: str
    category: str
    visibility: str
    template_id: str
    segments: frozenset[str]
    countries: frozenset[str]
    base_offer_ids: frozenset[str]
    outcome_type: str
    values: Mapping[tuple[str, str], Decimal]
    start: datetime
    end: datetime
    lock_end: datetime | None
    order_types: frozenset[str]
    three_year_commit: str
    commit_scope: str
    min_commit_quantity: int | None
    min_upgrade_percent: int | None
    max_redemptions: int | None
    customer_id: str
    code_expiry: datetime | None
    always_fails: bool

    @property
    def is_closed(self) -> bool:
        """Handed to one customer: searches do not show it (catalog.md 7.1)."""
        return self.visibility == CLOSED

    @property
    def one_time_closed(self) -> bool:
        """Handed to one customer for one use."""
        return self.is_closed and self.max_redemptions == 1

    @property
    def is_reusable(self) -> bool:
        """Whether those who used it in time may go on with it until a lock date."""
        return self.lock_end is not None

    @property
    def last_moment(self) -> datetime:
        """After it nobody can use it any more."""
        latest = self.lock_end or self.end
        return min(latest, self.code_expiry) if self.code_expiry is not None else latest

    def names_product(self, product_key: str) -> bool:
        """Whether the product is listed (an empty list names none, yet covers all)."""
        return any(offer_id[:10] == product_key for offer_id in self.base_offer_ids)

    def covers_product(self, product_key: str) -> bool:
        """Whether the discount applies to the product."""
        return not self.base_offer_ids or self.names_product(product_key)

    def covers_place(self, country: str, currency: str) -> bool:
        """Whether a line in a country and currency can be discounted."""
        return self._names_country(country) and self.value_for(country, currency) is not None

    def covers_country(self, country: str) -> bool:
        """Whether lines in a country can be discounted, in one currency at least."""
        if not self._names_country(country):
            return False
        return self.outcome_type == PERCENTAGE or any(place == country for place, _ in self.values)

    def _names_country(self, country: str) -> bool:
        return EVERYWHERE in self.countries or country in self.countries

    def value_for(self, country: str, currency: str) -> Decimal | None:
        """Percent, or an amount in major units; None if there is none for the place."""
        if self.outcome_type == PERCENTAGE:
            return self.values[("", "")]
        return self.values.get((country, currency))

    def unit_price(self, partner_price: Decimal, country: str, currency: str) -> Decimal:
        """Full-term unit price after the discount (orders.md 4.5), never above `partner_price`."""
        value = self.value_for(country, currency)
        assert value is not None
        if self.outcome_type == PERCENTAGE:
            return round_half_up(partner_price * (100 - value) / 100, minor_digits(currency))
        if self.outcome_type == FIXED:
            return max(Decimal(0), partner_price - value)
        return min(partner_price, value)


class FlexDiscounts:
    """One immutable version of the campaign codes."""

    def __init__(self, discounts: Iterable[FlexDiscount]) -> None:
        self.all: tuple[FlexDiscount, ...] = tuple(discounts)
        self.one_time_ids = frozenset(one.id for one in self.all if one.one_time_closed)
        self.bound_customers = frozenset(one.customer_id for one in self.all) - {""}
        self._by_id = {one.id: one for one in self.all}
        self._by_code: dict[str, list[FlexDiscount]] = {}
        for discount in self.all:
            self._by_code.setdefault(discount.code, []).append(discount)

    def with_code(self, code: str) -> list[FlexDiscount]:
        """Every discount that carries a code (it may return in another year or segment)."""
        return self._by_code.get(code, [])

    def get(self, discount_id: str) -> FlexDiscount | None:
        """The discount with an id."""
        return self._by_id.get(discount_id)

    def find(self, code: str, segment: str, now: datetime) -> FlexDiscount | None:
        """The discount a code means for a segment at an instant; any other if none fits."""
        known = self.with_code(code)
        fitting = [discount for discount in known if segment in discount.segments]
        live = [discount for discount in fitting if discount.start <= now <= discount.end]
        for choice in (live, sorted(fitting, key=lambda one: one.start, reverse=True), known):
            if choice:
                return choice[0]
        return None
