"""Prices of a line: the worked examples of the contract, and what a line is billed for."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from seatledger.domain.calendar import pacific_day
from seatledger.domain.discounts import FIXED, FIXED_PRICE, PERCENTAGE, FlexDiscount
from seatledger.domain.model import Price
from seatledger.domain.pricing import (
    Amounts,
    Charge,
    full_term_charge,
    midterm_charge,
    minor_digits,
    price_line,
    round_half_up,
    unprorated_charge,
)
from tests import samples
from tests.samples import want

ANNIVERSARY = date(2026, 7, 7)  # no 29 February in the year before it

# Charge: `FROM` a full term, `FROM>ANNIVERSARY` mid-term (`!` in an extended term), `90d` days
# before an anniversary with a base of 365.
WORKED_EXAMPLES = """
#  charge                  currency unit    base days daily         qty    raw           line        net
1  2022-03-10              USD      173.28  365  365  -             1      173.28        173.28      173.28
2  2022-07-25>2023-03-10   USD      173.28  365  228  0.474739726   1      108.240657528 108.24      108.24
3  2019-03-10              USD      173.28  366  366  -             1      173.28        173.28      173.28
4  2019-05-20>2020-03-10   USD      173.28  366  295  0.473442622   1      139.66557349  139.67      139.67
5  2020-02-16>2020-03-10   USD      173.28  366  23   0.473442622   1      10.889180306  10.89       10.89
6  90d                     USD      328.50  365  90   0.900000000   10     810           810.00      81.00
7  90d                     USD      345.00  365  90   0.945205479   10     850.6849311   850.68      85.068
8  30d                     USD      299.99  365  30   0.821890410   1      24.6567123    24.66       24.66
9  2025-07-07              USD      299.99  365  365  -             1      299.99        299.99      299.99
9  2025-07-07              USD      299.99  365  365  -             25     7499.75       7499.75     299.99
10 364d                    USD      849.16  365  364  2.326465753   1      846.833534092 846.83      846.83
11 364d                    USD      1363.56 365  364  3.735780821   1      1359.824218844 1359.82    1359.82
12 2025-07-07              USD      350.50  365  365  -             10     3505          3505.00     350.50
13 2025-07-07              USD      328.50  365  365  -             10     3285          3285.00     328.50
14 200d                    EUR      321.12  365  200  0.879780821   3      527.8684926   527.87      175.957
15 200d                    JPY      54700   365  200  149.863013698 3      89917.8082188 89918       29972.7
16 100d                    USD      15.99   365  100  0.043808219   7      30.6657533    30.67       4.381
17 100d                    USD      71.99   365  100  0.197232876   3      59.1698628    59.17       19.723
18 2025-12-29>2027-06-30!  USD      173.28  365  548  0.474739726   1      260.157369848 260.16      260.16
19 1d                      USD      365.00  365  1    1.000000000   1      1             1.00        1.00
20 248d                    USD      365.00  365  248  1.000000000   1      248           248.00      248.00
20 247d                    USD      365.00  365  247  1.000000000   1      247           247.00      247.00
21 180d                    USD      299.99  365  180  0.821890410   200000 29588054.76   29588054.76 147.94
22 2025-07-07              USD      2.67    365  365  -             200000 534000        534000.00   2.67
23 2020-06-12              EUR      374.64  365  365  -             2      749.28        749.28      374.64
24 100d                    USD      270.00  365  100  0.739726027   1      73.9726027    73.97       73.97
24 100d                    USD      162.00  365  100  0.443835616   1      44.3835616    44.38       44.38
"""  # noqa: E501


def day(text: str) -> date:
    return date.fromisoformat(text)


def midterm(days: int) -> Charge:
    """A line bought some days before an anniversary with a base of 365 days."""
    start = ANNIVERSARY - timedelta(days=days)
    return midterm_charge(start, ANNIVERSARY, extended_term=False)


def added(start: str, anniversary: str, *, extended: bool = False) -> Charge:
    return midterm_charge(day(start), day(anniversary), extended_term=extended)


def charge_of(text: str) -> Charge:
    if text.endswith("d"):
        return midterm(int(text[:-1]))
    start, _, anniversary = text.partition(">")
    if not anniversary:
        return full_term_charge(day(start))
    return added(start, anniversary.rstrip("!"), extended=anniversary.endswith("!"))


def worked_examples() -> list[Any]:
    rows = [row.split() for row in WORKED_EXAMPLES.strip().splitlines()[1:]]
    return [
        pytest.param(
            *row[1:],
            id=f"{row[0]}-{row[9]}",
            marks=pytest.mark.proves(f"orders.md 4.6 #{row[0]}", "S-119", "S-120"),
        )
        for row in rows
    ]


@pytest.mark.parametrize(
    ("term", "currency", "unit", "base", "days", "daily", "quantity", "raw", "line", "net"),
    worked_examples(),
)
def test_worked_examples_with_every_intermediate_value(
    term: str,
    currency: str,
    unit: str,
    base: str,
    days: str,
    daily: str,
    quantity: str,
    raw: str,
    line: str,
    net: str,
) -> None:
    charge = charge_of(term)
    assert charge == Charge(int(days), int(base), full_term=daily == "-")
    amounts = price_line(Decimal(unit), int(quantity), charge, currency)
    expected_daily = None if daily == "-" else Decimal(daily)
    assert amounts == Amounts(expected_daily, Decimal(raw), Decimal(line), Decimal(net))
    # Printed as in the table: no digit more, none less.
    assert (str(amounts.amount), str(amounts.net)) == (line, net)


@pytest.mark.proves("orders.md 4.6 #1", "orders.md 4.6 #3", "orders.md 4.6 #22")
@pytest.mark.parametrize(
    ("unit", "days", "quantity", "daily", "raw", "line"),
    [
        ("173.28", 365, 1, "0.474739726", "173.27999999", "173.28"),
        ("173.28", 366, 1, "0.473442622", "173.279999652", "173.28"),
        ("2.67", 365, 200_000, "0.007315068", "533999.964", "533999.96"),
    ],
)
def test_the_formula_drifts_over_a_full_term_where_the_rule_does_not(
    unit: str, days: int, quantity: int, daily: str, raw: str, line: str
) -> None:
    by_formula = price_line(Decimal(unit), quantity, Charge(days, days, full_term=False), "USD")
    assert by_formula.daily == Decimal(daily)
    assert (by_formula.raw, by_formula.amount) == (Decimal(raw), Decimal(line))
    full = price_line(Decimal(unit), quantity, Charge(days, days, full_term=True), "USD")
    assert full.amount == Decimal(unit) * quantity


def discount(kind: str, value: str, currency: str = "USD") -> FlexDiscount:
    """An open discount on everything in the US."""
    place = ("", "") if kind == PERCENTAGE else ("US", currency)
    return FlexDiscount(
        id="D",
        code="CODE",
        name="",
        description="",
        category="STANDARD",
        visibility="OPEN",
        template_id="",
        segments=frozenset({"COM"}),
        countries=frozenset("*"),
        base_offer_ids=frozenset(),
        outcome_type=kind,
        values={place: Decimal(value)},
        start=samples.at("2018-01-01T00:00:00Z"),
        end=samples.at("2099-12-31T23:59:59Z"),
        lock_end=None,
        order_types=frozenset({"NEW"}),
        three_year_commit="",
        commit_scope="",
        min_commit_quantity=None,
        min_upgrade_percent=None,
        max_redemptions=None,
        customer_id="",
        code_expiry=None,
        always_fails=False,
    )


def example(number: int, *more: str) -> pytest.MarkDecorator:
    return pytest.mark.proves(f"orders.md 4.6 #{number}", *more)


@pytest.mark.proves("S-118")
@pytest.mark.parametrize(
    ("price", "kind", "value", "unit"),
    [
        pytest.param("365.00", PERCENTAGE, "10", "328.50", marks=example(6, "S-127")),
        pytest.param("365.00", FIXED, "20", "345.00", marks=example(7, "S-128")),
        pytest.param("875.16", FIXED, "26.00", "849.16", marks=example(10)),
        pytest.param("365.00", PERCENTAGE, "10", "328.50", marks=example(13)),
        pytest.param("398.00", FIXED_PRICE, "15.99", "15.99", marks=example(16)),
        pytest.param("89.99", PERCENTAGE, "20", "71.99", marks=example(17)),
        pytest.param("87.99", PERCENTAGE, "20", "70.39", marks=example(17)),
        pytest.param("85.99", PERCENTAGE, "20", "68.79", marks=example(17)),
        pytest.param("83.99", PERCENTAGE, "20", "67.19", marks=example(17)),
        pytest.param("79.99", PERCENTAGE, "20", "63.99", marks=example(17)),
        pytest.param("77.99", PERCENTAGE, "20", "62.39", marks=example(17)),
        pytest.param("75.99", PERCENTAGE, "20", "60.79", marks=example(17)),
        ("10.01", PERCENTAGE, "50", "5.01"),  # exactly half a cent: up
        ("0.01", PERCENTAGE, "12.5", "0.01"),
        ("19.99", PERCENTAGE, "100", "0.00"),
        ("19.99", FIXED, "20", "0"),
        ("15.00", FIXED_PRICE, "15.99", "15.00"),  # a discount never raises a price
    ],
)
def test_units_after_a_flexible_discount(price: str, kind: str, value: str, unit: str) -> None:
    found = discount(kind, value).unit_price(Decimal(price), "US", "USD")
    assert found == Decimal(unit)


def test_a_percentage_is_rounded_to_the_digits_of_the_currency() -> None:
    # 58300 x 0.875 = 51012.5
    assert discount(PERCENTAGE, "12.5").unit_price(Decimal(58300), "JP", "JPY") == 51013


@pytest.mark.parametrize(
    ("lines", "summary"),
    [
        pytest.param(
            [("328.50", 90, 10), ("345.00", 90, 10)], "1660.68", marks=example(7, "S-129", "S-125")
        ),
        pytest.param([("299.99", 365, 1), ("299.99", 365, 25)], "7799.74", marks=example(9)),
        pytest.param([("849.16", 364, 1), ("1363.56", 364, 1)], "2206.65", marks=example(11)),
    ],
)
def test_summaries_are_exact_sums_of_lines(lines: list[tuple[str, int, int]], summary: str) -> None:
    amounts = (
        price_line(Decimal(unit), quantity, midterm(days), "USD").amount
        for unit, days, quantity in lines
    )
    assert sum(amounts) == Decimal(summary)


@pytest.mark.proves("orders.md 4.6 #24")
@pytest.mark.parametrize(
    ("target", "source", "summary"), [("270", "162", "29.59"), ("300", "180", "32.87")]
)
def test_lines_are_rounded_before_they_are_netted(target: str, source: str, summary: str) -> None:
    bought, given = (
        price_line(Decimal(unit), 1, midterm(100), "USD").amount for unit in (target, source)
    )
    assert bought - given == Decimal(summary)


@pytest.mark.proves("orders.md 4.6 #20", "S-097")
@pytest.mark.parametrize(
    ("instant", "pacific", "days"),
    [("2025-11-02T03:00:00Z", "2025-11-01", 248), ("2025-11-02T09:00:00Z", "2025-11-02", 247)],
)
def test_the_pacific_day_starts_the_charge(instant: str, pacific: str, days: int) -> None:
    start = pacific_day(samples.at(instant))
    assert start == day(pacific)
    charge = midterm_charge(start, ANNIVERSARY, extended_term=False)
    assert charge == Charge(days, 365, full_term=False)


@pytest.mark.parametrize(
    ("charge", "days", "base"),
    [
        pytest.param(added("2019-05-20", "2020-03-10"), 295, 366, id="29 February inside"),
        pytest.param(added("2020-03-01", "2020-03-10"), 9, 366, id="even when it is past"),
        pytest.param(added("2024-03-01", "2025-02-28"), 364, 366, id="day count decides"),
        pytest.param(added("2020-03-10", "2021-02-28"), 355, 366, id="29 February opens it"),
        pytest.param(added("2023-03-01", "2024-02-29"), 365, 366, id="29 February ends it"),
        pytest.param(added("2025-07-06", "2026-07-07"), 365, 365, id="capped at the base"),
        pytest.param(added("2026-07-07", "2026-07-07"), 1, 365, id="at least a day"),
        pytest.param(added("2026-07-09", "2026-07-07"), 1, 365, id="never negative"),
        pytest.param(
            added("2025-07-06", "2027-07-07", extended=True), 731, 365, id="extended: no cap"
        ),
    ],
)
def test_days_and_base_of_a_mid_term_line(charge: Charge, days: int, base: int) -> None:
    assert (charge.days, charge.base_days) == (days, base)
    assert charge.full_term is (days == base)


@pytest.mark.parametrize(
    ("start", "days"),
    [
        ("2025-07-07", 365),
        ("2027-07-07", 366),
        ("2024-02-29", 365),
        ("2024-02-28", 366),
        ("2023-03-01", 366),
        ("2024-03-01", 365),
    ],
)
def test_a_full_term_counts_its_own_days(start: str, days: int) -> None:
    assert full_term_charge(day(start)) == Charge(days, days, full_term=True)
    assert unprorated_charge(day(start)) == Charge(None, days, full_term=True)


def price(offer_id: str, quantity: int, buyer: Any, now: str, **facts: Any) -> Price:
    (line,) = samples.sold(want(offer_id, quantity), buyer=buyer, now=now, **facts)
    assert line.price is not None
    return line.price


def test_the_first_order_is_a_full_term_from_its_utc_day() -> None:
    # 2024-02-28 in California, 2024-02-29 in UTC: the anniversary is 2025-02-28.
    first = price("65322651CA01A12", 1, samples.customer(), "2024-02-29T05:00:00Z")
    assert (first.days, first.base_days, first.daily) == (365, 365, None)
    assert first.amount == Decimal("173.28")


def test_a_lapsed_term_without_seats_is_opened_anew() -> None:
    lapsed = samples.customer(anniversary="2025-07-07")
    opened = price("65322651CA01A12", 2, lapsed, "2025-08-01T12:00:00Z")
    assert (opened.days, opened.base_days, opened.amount) == (365, 365, Decimal("346.56"))


@pytest.mark.proves("orders.md 4.6 #18")
def test_an_extended_term_bills_its_first_order_by_days() -> None:
    extended = samples.customer(anniversary="2027-06-30", extended_term=True, term=0)
    first = price("65322651CA01A12", 1, extended, "2025-12-29T20:00:00Z")
    assert (first.days, first.base_days) == (548, 365)
    assert first.amount == Decimal("260.16")


@pytest.mark.parametrize("now", ["2026-05-01T12:00:00Z", "2026-07-06T12:00:00Z"])
def test_products_of_their_own_term_are_billed_in_full_whenever_bought(now: str) -> None:
    running = samples.customer(anniversary="2026-07-07")
    pack = price("65327733CA01A12", 3, running, now)
    assert (pack.days, pack.base_days, pack.daily) == (365, 365, None)
    assert pack.amount == 3 * pack.partner_price


def test_unprorated_consumables_are_billed_in_full_and_show_no_days() -> None:
    running = samples.customer(anniversary="2026-07-07")
    transactions = price("65322435CAT1A12", 100, running, "2026-07-01T12:00:00Z")
    assert (transactions.days, transactions.daily) == (None, None)
    assert transactions.amount == Decimal("432.00")


@pytest.mark.parametrize(
    ("value", "digits", "rounded"),
    [
        ("0.005", 2, "0.01"),
        ("0.0049999", 2, "0.00"),
        ("2.5", 0, "3"),
        ("1E+3", 2, "1000.00"),
        ("123456789012.345", 2, "123456789012.35"),
    ],
)
def test_rounding_is_half_up(value: str, digits: int, rounded: str) -> None:
    assert str(round_half_up(Decimal(value), digits)) == rounded


def test_the_largest_line_is_exact() -> None:
    amounts = price_line(Decimal("99999.99"), 200_000, midterm(364), "USD")
    assert amounts.daily == Decimal("273.972575342")
    assert amounts.raw == Decimal("273.972575342") * 364 * 200_000
    assert amounts.amount == Decimal("19945203484.90")


@pytest.mark.parametrize(
    ("currency", "digits"), [("USD", 2), ("EUR", 2), ("GBP", 2), ("AUD", 2), ("JPY", 0)]
)
def test_minor_digits(currency: str, digits: int) -> None:
    assert minor_digits(currency) == digits
