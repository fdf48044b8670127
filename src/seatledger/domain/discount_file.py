"""Reading a file of flexible discounts (catalog.md 9): CSV text -> FlexDiscounts."""

import csv
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation

from seatledger.domain.catalog_file import CatalogFileError
from seatledger.domain.discounts import FIXED, FIXED_PRICE, PERCENTAGE, FlexDiscount, FlexDiscounts

_REQUIRED = frozenset(
    """id code name description category visibility templateId marketSegments countries
    baseOfferIds outcomeType discountValues startDate endDate discountLockEndDate orderTypes
    threeYearCommit commitScope minCommitQuantity minUpgradePercent
    maxRedemptionsPerCustomer customerId codeExpiryDate alwaysFails""".split()
)


def read_discounts(text: str) -> FlexDiscounts:
    """Parse and check a discounts file. All or nothing: CatalogFileError lists every bad row."""
    reader = csv.DictReader(text.splitlines())
    missing = sorted(_REQUIRED - set(reader.fieldnames or ()))
    if missing:
        raise CatalogFileError([f"row 1: missing columns {', '.join(missing)}"])
    discounts: list[FlexDiscount] = []
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
        discounts.append(discount)
    if problems:
        raise CatalogFileError(problems)
    return FlexDiscounts(discounts)


def _discount(raw: Mapping[str, str]) -> FlexDiscount:
    if None in raw or None in raw.values():
        raise ValueError("the header has another number of columns")
    if not 1 <= len(raw["code"]) <= 40:
        raise ValueError(f"code {raw['code']!r} has not 1 to 40 characters")
    outcome = raw["outcomeType"]
    if outcome not in (PERCENTAGE, FIXED, FIXED_PRICE):
        raise ValueError(f"outcomeType {outcome!r} is unknown")
    start, end = _instant(raw["startDate"]), _instant(raw["endDate"])
    if end < start:
        raise ValueError("endDate is before startDate")
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
        lock_end=_optional_instant(raw["discountLockEndDate"]),
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
        country, currency, value = part.split(":")
        values[country, currency] = Decimal(value)
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
