"""Prices of a line: days billed, daily price, line amount (orders.md 4.3, 4.4)."""

from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from functools import lru_cache

from msgspec import Struct

from seatledger.domain.calendar import days_in_year_before, days_in_year_from

# Twelve integer digits times 200,000 seats with nine decimals stay exact within 40 digits.
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)
_MINOR_UNITS = {"JPY": 0}
# Lines of a large order are billed for the same few days, and many cost the same.
_DAYS_KEPT = 1024
_LINES_KEPT = 4096
_QUANTA = tuple(Decimal(1).scaleb(-digits) for digits in range(10))
_SMALLEST = {currency: _QUANTA[digits] for currency, digits in _MINOR_UNITS.items()}


class Charge(Struct, frozen=True):
    """What a line is billed for: days of a base year, or the full term.

    `days` is None on consumables that are never prorated (their `proratedDays` key is absent).
    """

    days: int | None
    base_days: int
    full_term: bool


class Amounts(Struct, frozen=True):
    """The money of a line in major currency units; `daily` is None for a full term."""

    daily: Decimal | None
    raw: Decimal
    amount: Decimal
    net: Decimal


def minor_digits(currency: str) -> int:
    """ISO 4217 minor digits of a supported currency: 2, JPY 0 (orders.md 4.4)."""
    return _MINOR_UNITS.get(currency, 2)


def smallest_amount(currency: str) -> Decimal:
    """One minor unit of a currency, in major units."""
    return _SMALLEST.get(currency, _QUANTA[2])


def round_half_up(value: Decimal, digits: int) -> Decimal:
    """`value` rounded half up to `digits` fraction digits, 9 at most."""
    return value.quantize(_QUANTA[digits], rounding=ROUND_HALF_UP, context=_EXACT)


@lru_cache(_DAYS_KEPT)
def full_term_charge(start: date) -> Charge:
    """A full year from `start` (orders.md 4.3: first order of a term, own-term products)."""
    days = days_in_year_from(start)
    return Charge(days, days, full_term=True)


def unprorated_charge(start: date) -> Charge:
    """A consumable that is always billed in full and shows no days (orders.md 4.3)."""
    return Charge(None, days_in_year_from(start), full_term=True)


@lru_cache(_DAYS_KEPT)
def midterm_charge(pacific_day: date, anniversary: date, *, extended_term: bool) -> Charge:
    """Days from the Pacific day of the request to the anniversary (orders.md 4.3).

    At least 1; at most a base year, unless the customer's first term is an extended one.
    """
    base = days_in_year_before(anniversary)
    days = max(1, (anniversary - pacific_day).days)
    if not extended_term:
        days = min(days, base)
    return Charge(days, base, full_term=days == base)


@lru_cache(_LINES_KEPT)
def price_line(unit: Decimal, quantity: int, charge: Charge, currency: str) -> Amounts:
    """Amounts of a line from its discounted full-term unit price (orders.md 4.4).

    The daily price is truncated at nine decimals, only the line is rounded (half up), and the net
    unit price is read back from the line with one digit more than the currency.
    """
    digits = minor_digits(currency)
    if charge.full_term or charge.days is None:
        daily = None
        raw = _EXACT.multiply(unit, quantity)
    else:
        daily = _EXACT.divide(unit, charge.base_days).quantize(_QUANTA[9], rounding=ROUND_DOWN)
        raw = _EXACT.multiply(daily, charge.days * quantity)
    amount = round_half_up(raw, digits)
    net = round_half_up(_EXACT.divide(amount, quantity), digits + 1)
    trimmed = round_half_up(net, digits)
    return Amounts(daily, raw, amount, trimmed if trimmed == net else net)
