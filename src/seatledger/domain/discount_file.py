"""Reading a file of flexible discounts (catalog.md 9): CSV text -> FlexDiscounts."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from seatledger.contract.countries import SUPPORTED
from seatledger.domain.catalog import Catalog
from seatledger.domain.catalog_file import CatalogFileError
from seatledger.domain.discounts import (
    CLOSED,
    CURRENT_YEAR,
    EVERYWHERE,
    EXISTING_3YC,
    FIRST_YEAR,
    FIXED,
    FIXED_PRICE,
    FULL_TERM,
    INTRO,
    NEW_TO_3YC,
    NON_3YC,
    OPEN,
    PERCENTAGE,
    STANDARD,
    FlexDiscount,
    FlexDiscounts,
)
from seatledger.domain.pricing import minor_digits, round_half_up
from seatledger.domain.profiles import MARKET_SEGMENTS

_REQUIRED = frozenset(
    """id code name description category visibility templateId marketSegments countries
    baseOfferIds outcomeType discountValues startDate endDate discountLockEndDate orderTypes
    threeYearCommit commitScope minCommitQuantity minUpgradePercent
    maxRedemptionsPerCustomer customerId codeExpiryDate alwaysFails""".split()
)
_KNOWN_VALUES = {
    "category": frozenset({STANDARD, INTRO}),
    "visibility": frozenset({OPEN, CLOSED}),
    "outcomeType": frozenset({PERCENTAGE, FIXED, FIXED_PRICE}),
    "threeYearCommit": frozenset({"", NEW_TO_3YC, EXISTING_3YC, NON_3YC}),
    "commitScope": frozenset({"", FIRST_YEAR, CURRENT_YEAR, FULL_TERM}),
    "alwaysFails": frozenset({"true", "false"}),
}
_KNOWN_LISTS = {
    "marketSegments": MARKET_SEGMENTS,
    "countries": SUPPORTED | {EVERYWHERE},
    "orderTypes": frozenset({"NEW", "RENEWAL", "SWITCH"}),
}

_Row = tuple[int, FlexDiscount]


def read_discounts(text: str, catalog: Catalog | None = None) -> FlexDiscounts:
    """Parse and check a discounts file. All or nothing: CatalogFileError lists every bad row.

    With a `catalog` the products that discounts name must be in it.
    """
    reader = csv.DictReader(text.splitlines())
    missing = sorted(_REQUIRED - set(reader.fieldnames or ()))
    if missing:
        raise CatalogFileError([f"row 1: missing columns {', '.join(missing)}"])
    found: list[_Row] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    for raw in reader:
        number = reader.line_num
        try:
            discount = _discount(raw)
        except InvalidOperation:
            problems.append(f"row {number}: discountValues {raw['discountValues']!r} is no number")
            continue
        except ValueError as error:
            problems.append(f"row {number}: {error}")
            continue
        if discount.id in seen:
            problems.append(f"row {number}: id {discount.id} stands in row {seen[discount.id]} too")
        seen[discount.id] = number
        found.append((number, discount))
    if not problems:
        problems += _overlaps(found)
        problems += _unknown_products(found, catalog) if catalog is not None else ()
    if problems:
        raise CatalogFileError(problems)
    return FlexDiscounts(discount for _, discount in found)


def _overlaps(rows: Sequence[_Row]) -> Iterator[str]:
    """A code means one open discount at a time in a segment (catalog.md 7)."""
    for index, (number, one) in enumerate(rows):
        for other_number, other in rows[:index]:
            if (
                one.code == other.code
                and not one.is_closed
                and not other.is_closed
                and one.segments & other.segments
                and one.start <= other.end
                and other.start <= one.end
            ):
                yield f"row {number}: code {one.code} overlaps that of row {other_number}"


def _unknown_products(rows: Sequence[_Row], catalog: Catalog) -> Iterator[str]:
    for number, one in rows:
        for offer_id in sorted(one.base_offer_ids):
            product = catalog.product_of(offer_id)
            if product is None or product.base_offer_id != offer_id:
                yield f"row {number}: baseOfferIds {offer_id} is no base offer of the catalogue"


def _discount(raw: Mapping[str, str]) -> FlexDiscount:
    if None in raw or None in raw.values():
        raise ValueError("it has not as many columns as the header")
    if not 1 <= len(raw["code"]) <= 40:
        raise ValueError(f"code {raw['code']!r} has not 1 to 40 characters")
    _check_values(raw)
    outcome = raw["outcomeType"]
    start, end = _instant(raw["startDate"]), _instant(raw["endDate"])
    if end < start:
        raise ValueError("endDate is before startDate")
    lock_end = _optional_instant(raw["discountLockEndDate"])
    if lock_end is not None and lock_end < end:
        raise ValueError("discountLockEndDate is before endDate")
    return FlexDiscount(
        id=raw["id"],
        code=raw["code"],
        name=raw["name"],
        description=raw["description"],
        category=raw["category"],
        visibility=raw["visibility"],
        template_id=raw["templateId"],
        segments=_split(raw["marketSegments"]),
        countries=_split(raw["countries"]),
        base_offer_ids=_split(raw["baseOfferIds"]),
        outcome_type=outcome,
        values=_values(outcome, raw["discountValues"]),
        start=start,
        end=end,
        lock_end=lock_end,
        order_types=_split(raw["orderTypes"]),
        three_year_commit=raw["threeYearCommit"],
        commit_scope=raw["commitScope"],
        min_commit_quantity=_optional_int(raw, "minCommitQuantity"),
        min_upgrade_percent=_optional_int(raw, "minUpgradePercent"),
        max_redemptions=_optional_int(raw, "maxRedemptionsPerCustomer"),
        customer_id=raw["customerId"],
        code_expiry=_optional_instant(raw["codeExpiryDate"]),
        always_fails=raw["alwaysFails"] == "true",
    )


def _check_values(raw: Mapping[str, str]) -> None:
    """ValueError for a word that no rule knows."""
    for name, known in _KNOWN_VALUES.items():
        if raw[name] not in known:
            raise ValueError(f"{name} {raw[name]!r} is unknown")
    for name, known in _KNOWN_LISTS.items():
        unknown = sorted(_split(raw[name]) - known)
        if unknown or not raw[name]:
            raise ValueError(f"{name} {'|'.join(unknown)!r} is unknown")


def _values(outcome: str, text: str) -> dict[tuple[str, str], Decimal]:
    if outcome == PERCENTAGE:
        percent = Decimal(text)
        if not 0 < percent <= 100:
            raise ValueError(f"discountValues {text!r} is no percentage")
        return {("", ""): percent}
    values: dict[tuple[str, str], Decimal] = {}
    for part in text.split("|"):
        if part.count(":") != 2:
            raise ValueError(f"discountValues {part!r} is not COUNTRY:CURRENCY:VALUE")
        country, currency, amount = part.split(":")
        value = Decimal(amount)
        if not value.is_finite() or value <= 0:
            raise ValueError(f"discountValues {part!r} is not positive")
        if value != round_half_up(value, minor_digits(currency)):
            raise ValueError(f"discountValues {part!r} has more digits than {currency} allows")
        values[country, currency] = value
    return values


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return instant


def _optional_instant(text: str) -> datetime | None:
    return _instant(text) if text else None


def _optional_int(raw: Mapping[str, str], name: str) -> int | None:
    if not raw[name]:
        return None
    if not raw[name].isdecimal():
        raise ValueError(f"{name} {raw[name]!r} is no whole number")
    return int(raw[name])


def _split(text: str) -> frozenset[str]:
    return frozenset(part for part in text.split("|") if part)
