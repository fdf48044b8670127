"""Reading a catalogue file: CSV text -> Catalog, or every bad row with its line (catalog.md 9)."""

import csv
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from seatledger.contract.countries import PRICE_REGIONS
from seatledger.contract.limits import MAX_QUANTITY
from seatledger.domain.catalog import (
    COMMITTED_LIST,
    LGA_LIST,
    OPEN_END,
    STANDARD,
    Catalog,
    Offer,
    PriceRow,
    Product,
    RowDescription,
    minimum_purchase,
)
from seatledger.domain.levels import CONSUMABLES, LEVELS, LICENSE, level_at, rank_of_level
from seatledger.domain.pricing import minor_digits

_REQUIRED = frozenset(
    """offerId productFamily program offerType productTypeDetail marketSegment marketSubSegment
    region currency priceListType level minQuantity discountCode addOnFor incompatibleWith
    maxOrdersPerTerm termRule renewable countsTowardLevel growthGroup firstOrderDate
    lastOrderDate endOfSupportDate partnerPrice""".split()
)
_SEGMENT_LETTERS = {"A": "COM", "B": "EDU", "C": "GOV"}
_KNOWN_VALUES: Mapping[str, Container[str]] = {
    "program": MAX_QUANTITY,
    "offerType": (LICENSE, CONSUMABLES),
    "marketSegment": _SEGMENT_LETTERS.values(),
    "region": PRICE_REGIONS,
    "priceListType": (STANDARD, COMMITTED_LIST, LGA_LIST),
    "level": LEVELS,
    "termRule": ("COTERM", "OWN_12_MONTHS"),
    "renewable": ("true", "false"),
    "countsTowardLevel": ("true", "false"),
}
_DESCRIPTIONS = fields(RowDescription)
_DESCRIPTION_DATES = frozenset(
    """acdEffectiveDate estimatedShipDate publicAnnounceDate rmaRequestDeadline""".split()
)
_STREET_PRICE = "estimatedStreetPrice"
_INDICATORS = ("", "Add", "Change", "Delete")


class CatalogFileError(ValueError):
    """A refused file; `problems` has one sentence per bad row, each beginning `row N:`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class LoadedCatalog(Struct, frozen=True):
    """A catalogue read from a file, its row count, and warnings that do not refuse it."""

    catalog: Catalog
    rows: int
    warnings: tuple[str, ...]


def read_catalog(text: str) -> LoadedCatalog:
    """Parse and check a catalogue file. All or nothing: CatalogFileError lists every bad row."""
    reader = csv.DictReader(text.splitlines())
    missing = sorted(_REQUIRED - set(reader.fieldnames or ()))
    if missing:
        raise CatalogFileError([f"row 1: missing columns {', '.join(missing)}"])
    parsed: list[tuple[int, Mapping[str, str], PriceRow]] = []
    problems: list[str] = []
    for raw in reader:
        try:
            _check_cells(raw)
            parsed.append((reader.line_num, raw, _price_row(raw)))
        except ValueError as error:
            problems.append(f"row {reader.line_num}: {error}")
    if not parsed and not problems:
        problems.append("row 1: the file has no rows")
    if not problems:
        problems.extend(_overlaps(parsed))
        problems.extend(_rising_prices(parsed))
    if problems:
        raise CatalogFileError(problems)
    products = _products(parsed)
    unknown = [
        f"row {number}: add-on target {target} is not in the file"
        for number, raw, _ in parsed
        for target in _split(raw["addOnFor"])
        if target not in products
    ]
    if unknown:
        raise CatalogFileError(unknown)
    rows = [row for _, _, row in parsed]
    offers = _offers(parsed, products)
    return LoadedCatalog(Catalog(offers, rows), len(rows), tuple(_letter_warnings(parsed)))


def _check_cells(raw: Mapping[str, str]) -> None:
    """ValueError for a cell that the rules could not work with."""
    if None in raw or None in raw.values():
        raise ValueError("it has not as many columns as the header")
    for name, known in _KNOWN_VALUES.items():
        if raw[name] not in known:
            raise ValueError(f"{name} {raw[name]!r} is unknown")
    for name in ("minQuantity", "maxOrdersPerTerm"):
        if not (raw[name] or "0").isdecimal():
            raise ValueError(f"{name} {raw[name]!r} is no whole number")
    _day(raw, "endOfSupportDate")


def _day(raw: Mapping[str, str], name: str) -> date | None:
    if not raw[name]:
        return None
    try:
        return date.fromisoformat(raw[name])
    except ValueError:
        raise ValueError(f"{name} {raw[name]!r} is no date") from None


def _price_row(raw: Mapping[str, str]) -> PriceRow:
    offer_id = raw["offerId"]
    if len(offer_id) != 15:
        raise ValueError(f"offerId {offer_id!r} has not 15 characters")
    price = _price(raw, "partnerPrice")
    first = _day(raw, "firstOrderDate")
    last = _day(raw, "lastOrderDate") or OPEN_END
    if first is None:
        raise ValueError("firstOrderDate is missing")
    if last < first:
        raise ValueError(f"window {first} to {last} ends before it begins")
    if raw["level"] != offer_id[10:12]:
        raise ValueError(f"level {raw['level']!r} is not that of {offer_id}")
    return PriceRow(
        offer_id,
        raw["priceListType"],
        raw["region"],
        raw["currency"],
        raw["discountCode"],
        first,
        last,
        price,
        _description(raw),
    )


def _price(raw: Mapping[str, str], name: str) -> Decimal:
    """A price of a row, with no more digits than its currency has (catalog.md 9)."""
    try:
        price = Decimal(raw[name])
    except InvalidOperation:
        raise ValueError(f"{name} {raw[name]!r} is no number") from None
    if not price.is_finite() or price <= 0:
        raise ValueError(f"{name} {raw[name]!r} is not positive")
    exponent = price.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > minor_digits(raw["currency"]):
        raise ValueError(f"{name} {price} has more digits than {raw['currency']} allows")
    return price


def _description(raw: Mapping[str, str]) -> RowDescription:
    """The descriptive columns a file has; none of them is required (catalog.md 4.4)."""
    values: dict[str, Any] = {}
    for field in _DESCRIPTIONS:
        name = field.encode_name
        if not raw.get(name):
            continue
        if name in _DESCRIPTION_DATES:
            values[field.name] = _day(raw, name)
        else:
            values[field.name] = _price(raw, name) if name == _STREET_PRICE else raw[name]
    described = RowDescription(**values)
    if described.acd_indicator not in _INDICATORS:
        raise ValueError(f"acdIndicator {described.acd_indicator!r} is unknown")
    return described


def _place(row: PriceRow) -> tuple[str, ...]:
    return (row.price_list, row.region, row.currency, row.discount_code)


def _overlaps(parsed: Iterable[tuple[int, Mapping[str, str], PriceRow]]) -> Iterable[str]:
    windows: dict[tuple[str, ...], list[tuple[date, date, int]]] = defaultdict(list)
    for number, _, row in parsed:
        windows[row.offer_id, *_place(row)].append((row.first_day, row.last_day, number))
    for key, spans in windows.items():
        spans.sort()
        for (_, end, one), (start, _, other) in pairwise(spans):
            if start <= end:
                yield f"row {other}: window of {key[0]} overlaps that of row {one}"


def _rising_prices(parsed: Iterable[tuple[int, Mapping[str, str], PriceRow]]) -> Iterable[str]:
    """Within one list, window and scale a better level must not cost more."""
    scales: dict[tuple[object, ...], list[tuple[int, Decimal, int]]] = defaultdict(list)
    for number, raw, row in parsed:
        rank = rank_of_level(raw["level"])
        if rank is not None and row.offer_id[12] == "A":
            offer_type = LICENSE if raw["level"].isdecimal() else CONSUMABLES
            is_plain = raw["level"] == level_at(offer_type, "PLAIN", rank)
            key = (row.offer_id[:10], *_place(row), is_plain, row.first_day, row.last_day)
            scales[key].append((rank, row.partner_price, number))
    for levels in scales.values():
        levels.sort()
        for (rank, price, one), (higher, better, other) in pairwise(levels):
            if higher > rank and better > price:
                yield f"row {other}: price {better} is above that of the lower level in row {one}"


def _products(parsed: Iterable[tuple[int, Mapping[str, str], PriceRow]]) -> dict[str, Product]:
    first_rows: dict[str, Mapping[str, str]] = {}
    tiered: set[str] = set()
    incompatible: dict[str, set[str]] = defaultdict(set)
    for _, raw, row in parsed:
        key = row.offer_id[:10]
        first_rows.setdefault(key, raw)
        if raw["level"].startswith("T"):
            tiered.add(key)
        for other in _split(raw["incompatibleWith"]):
            incompatible[key].add(other)
            incompatible[other].add(key)
    return {
        key: Product(
            key=key,
            base_offer_id=key + ("T1A12" if key in tiered else "01A12"),
            family=raw["productFamily"],
            program=raw["program"],
            offer_type=raw["offerType"],
            segment=raw["marketSegment"],
            add_on_for=_split(raw["addOnFor"]),
            incompatible_with=frozenset(incompatible[key]),
            own_term=raw["termRule"] == "OWN_12_MONTHS",
            prorated=raw["termRule"] == "COTERM" and raw["offerType"] != CONSUMABLES,
            renewable=raw["renewable"] == "true",
            counts_toward_level=raw["countsTowardLevel"] == "true",
            growth_group=raw["growthGroup"],
            max_orders_per_term=int(raw["maxOrdersPerTerm"]) if raw["maxOrdersPerTerm"] else None,
            end_of_support=_day(raw, "endOfSupportDate"),
        )
        for key, raw in first_rows.items()
    }


def _offers(
    parsed: Iterable[tuple[int, Mapping[str, str], PriceRow]], products: Mapping[str, Product]
) -> Iterable[Offer]:
    offers: dict[str, Offer] = {}
    for _, raw, row in parsed:
        variant = row.offer_id[12]
        offers.setdefault(
            row.offer_id,
            Offer(
                offer_id=row.offer_id,
                product=products[row.offer_id[:10]],
                level=raw["level"],
                variant=variant,
                sub_segments=_split(raw["marketSubSegment"]),
                minimum_purchase=minimum_purchase(
                    raw["level"], variant, int(raw["minQuantity"] or 0)
                ),
            ),
        )
    return offers.values()


def _letter_warnings(parsed: Iterable[tuple[int, Mapping[str, str], PriceRow]]) -> Iterable[str]:
    for number, raw, row in parsed:
        segment = _SEGMENT_LETTERS.get(row.offer_id[9])
        if segment != raw["marketSegment"]:
            yield f"row {number}: {row.offer_id} is sold to {raw['marketSegment']}"


def _split(text: str) -> frozenset[str]:
    return frozenset(part for part in text.split("|") if part)
