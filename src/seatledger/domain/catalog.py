"""The catalogue as values: products, offers, price rows, and choosing among them (catalog.md)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import cached_property

from msgspec import Struct

from seatledger.domain.levels import floor_of_level

OPEN_END = date(9999, 12, 31)
STANDARD = "STANDARD"
COMMITTED_LIST = "3YC"
LGA_LIST = "STD-LGA"


class Product(Struct, frozen=True):
    """What is sold, whatever the level: identity is the first 10 characters of its offers."""

    key: str
    base_offer_id: str
    family: str
    program: str
    offer_type: str
    segment: str
    add_on_for: frozenset[str]
    incompatible_with: frozenset[str]
    own_term: bool
    prorated: bool
    renewable: bool
    counts_toward_level: bool
    growth_group: str
    max_orders_per_term: int | None
    end_of_support: date | None


class Offer(Struct, frozen=True):
    """A sellable id: a product at a level, in a variant."""

    offer_id: str
    product: Product
    level: str
    variant: str
    sub_segments: frozenset[str]
    minimum_purchase: int


class RowDescription(Struct, frozen=True, rename="camel"):
    """What a price list says of a row beside its price, "" or None where it says nothing.

    Texts are for display (catalog.md 4.4). `acd_indicator` Add, Change or Delete tells what
    happened to the row on `acd_effective_date`. Money in major currency units.
    """

    product_type: str = ""
    product_type_detail: str = ""
    operating_system: str = ""
    language: str = ""
    version: str = "ALL"
    users: str = ""
    level_details: str = ""
    estimated_street_price: Decimal | None = None
    pool: str = ""
    duration: str = ""
    metric: str = ""
    bridge: str = ""
    upc_ean_code: str = ""
    gtin_code: str = ""
    acd_indicator: str = ""
    acd_effective_date: date | None = None
    acd_description: str = ""
    estimated_ship_date: date | None = None
    public_announce_date: date | None = None
    rma_request_deadline: date | None = None
    additional_detail: str = ""


class PriceRow(Struct, frozen=True, dict=True):  # the dict holds what was worked out once
    """A price of one offer in one list, region and currency, for a window of Pacific days."""

    offer_id: str
    price_list: str
    region: str
    currency: str
    discount_code: str
    first_day: date
    last_day: date
    partner_price: Decimal
    description: RowDescription = RowDescription()

    def covers(self, day: date) -> bool:
        """Whether `day` lies in the window, both ends included."""
        return self.first_day <= day <= self.last_day

    @cached_property
    def row_id(self) -> str:
        """A readable name of the row: its key."""
        code = f"/{self.discount_code}" if self.discount_code else ""
        return (
            f"{self.price_list}/{self.region}/{self.currency}/{self.offer_id}{code}"
            f"@{self.first_day.isoformat()}"
        )


class Catalog:
    """One immutable version of the catalogue with the look-ups the rules need."""

    def __init__(self, offers: Iterable[Offer], rows: Iterable[PriceRow]) -> None:
        self.offers: Mapping[str, Offer] = {offer.offer_id: offer for offer in offers}
        self.rows: tuple[PriceRow, ...] = tuple(rows)
        self.products: dict[str, Product] = {}
        self._by_level: dict[tuple[str, str, str], Offer] = {}
        self._by_place: dict[tuple[str, str, str], list[PriceRow]] = {}
        self._by_product: dict[str, list[PriceRow]] = {}
        self._regions: dict[tuple[str, str], set[str]] = {}
        self._first_days: dict[str, date] = {}
        self._last_days: dict[tuple[str, str], date] = {}  # of a product and list, "" any list
        self._by_list: dict[tuple[str, str, str, str], list[PriceRow]] = {}
        self.first_day = min((row.first_day for row in self.rows), default=OPEN_END)
        for offer in self.offers.values():
            self.products[offer.product.key] = offer.product
            self._by_level[offer.product.key, offer.level, offer.variant] = offer
        for row in self.rows:
            place = (row.offer_id, row.region, row.currency)
            self._by_place.setdefault(place, []).append(row)
            self._by_product.setdefault(row.offer_id[:10], []).append(row)
            self._regions.setdefault((row.offer_id, row.currency), set()).add(row.region)
            product_key = row.offer_id[:10]
            first = self._first_days.get(row.offer_id, row.first_day)
            self._first_days[row.offer_id] = min(first, row.first_day)
            for key in ((product_key, ""), (product_key, row.price_list)):
                last = self._last_days.get(key, row.last_day)
                self._last_days[key] = max(last, row.last_day)
            segment = self.products[row.offer_id[:10]].segment
            kind = (row.price_list, row.region, segment, row.currency)
            self._by_list.setdefault(kind, []).append(row)
        for listed in self._by_list.values():
            listed.sort(key=lambda row: (row.offer_id, row.discount_code, row.first_day))

    def product_of(self, offer_id: str) -> Product | None:
        """The product of an id the list knows, base ids included (catalog.md 1); else None."""
        offer = self.offers.get(offer_id)
        if offer is not None:
            return offer.product
        product = self.products.get(offer_id[:10])
        return product if product and product.base_offer_id == offer_id else None

    def at_level(self, product_key: str, level: str, variant: str = "A") -> Offer | None:
        """The offer of a product at a level."""
        return self._by_level.get((product_key, level, variant))

    def rows_of_product(self, product_key: str) -> list[PriceRow]:
        """Every price row of a product, any level, list, region and currency."""
        return self._by_product.get(product_key, [])

    def regions_of(self, offer_id: str, currency: str) -> Collection[str]:
        """Where an offer has a price in a currency, on whatever day."""
        return self._regions.get((offer_id, currency), ())

    def first_day_of(self, offer_id: str) -> date | None:
        """The day from which an offer has prices; None if it never has one."""
        return self._first_days.get(offer_id)

    def has_ended(self, product_key: str, day: date) -> bool:
        """Whether a product is sold no more on a Pacific day, at any level and place."""
        return (self.last_day_of(product_key) or date.min) < day

    def last_day_of(self, product_key: str, price_list: str = "") -> date | None:
        """The last day a product has prices, in one list or ("") any; None if it never has."""
        return self._last_days.get((product_key, price_list))

    def rows_of_list(
        self, price_list: str, region: str, segment: str, currency: str
    ) -> Sequence[PriceRow]:
        """Every row of one list, whatever its window, in the order of catalog.md 4.3."""
        return self._by_list.get((price_list, region, segment, currency), ())

    def price_row(
        self,
        offer_id: str,
        region: str,
        currency: str,
        day: date,
        *,
        discount_code: str = "",
        commitment_start: date | None = None,
    ) -> PriceRow | None:
        """The row that prices an offer on a Pacific day (catalog.md 5.2), None if not sellable.

        `discount_code` is an accepted HVD code; `commitment_start` the acceptance day of a
        commitment covering the offer, whose list then goes before the standard one.
        """
        rows = self._by_place.get((offer_id, region, currency), ())
        if discount_code:
            return _first(
                row for row in rows if row.discount_code == discount_code and row.covers(day)
            )
        if commitment_start is None:
            return _standard(rows, day)
        committed = [
            row for row in rows if row.price_list == COMMITTED_LIST and not row.discount_code
        ]
        locked = _first(row for row in committed if row.covers(commitment_start))
        if locked is not None:
            return locked
        standard = _standard(rows, day)
        if standard is not None:
            return standard
        later = [row for row in committed if commitment_start < row.first_day <= day]
        return min(later, key=lambda row: row.first_day, default=None)

    def ended_row(
        self,
        offer_id: str,
        region: str,
        currency: str,
        before: date,
        *,
        discount_code: str = "",
        committed: bool = False,
    ) -> PriceRow | None:
        """The last row of an offer whose window ended before a Pacific day (catalog.md 5.2 step 6).

        Rows with the `discount_code`, else those of the committed list first if the customer is
        `committed`, else standard ones.
        """
        ended = [
            row
            for row in self._by_place.get((offer_id, region, currency), ())
            if row.discount_code == discount_code and row.last_day < before
        ]
        lists = [COMMITTED_LIST] if committed or discount_code else []
        for name in (*lists, STANDARD):
            listed = [row for row in ended if row.price_list == name]
            if listed:
                return max(listed, key=lambda row: row.last_day)
        return None


def _first(rows: Iterable[PriceRow]) -> PriceRow | None:
    return next(iter(rows), None)


def _standard(rows: Iterable[PriceRow], day: date) -> PriceRow | None:
    for row in rows:  # the look-up of nearly every line
        if row.price_list == STANDARD and not row.discount_code and row.covers(day):
            return row
    return None


def minimum_purchase(level: str, variant: str, min_quantity: int) -> int:
    """The minimum purchase quantity a row states, 1 when it only states a volume floor.

    It is one iff the variant is `A` and the number is above the level's floor (catalog.md 9).
    """
    if variant == "A" and min_quantity > floor_of_level(level):
        return min_quantity
    return 1
