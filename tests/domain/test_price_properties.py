"""Random baskets priced twice: by the service, and by a naive reading of the contract.

The second implementation reads the CSV files itself and counts in fractions; it shares no code
with the service.
"""

import csv
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from seatledger.domain.benefits import ThreeYearCommit
from seatledger.domain.model import Customer, OrderLine
from seatledger.domain.orders.new import Accepted
from seatledger.domain.pricing import Charge, price_line
from tests import samples
from tests.samples import want

PLACES = {"US": ("NA", "USD"), "DE": ("WE", "EUR"), "GB": ("WE", "GBP"), "JP": ("JP", "JPY")}
LICENSE_STEPS = ((100, 4), (50, 3), (10, 2), (0, 1))
CONSUMABLE_STEPS = (
    (100_000, 7), (50_000, 6), (15_000, 5), (5_000, 4), (2_500, 3), (1_000, 2), (0, 1),
)  # fmt: skip

Row = dict[str, str]
ROWS: list[Row] = [
    row
    for row in csv.DictReader(samples.data_file("sample_catalog.csv").splitlines())
    if row["marketSegment"] == "COM" and row["offerId"][12] == "A" and not row["discountCode"]
]
DISCOUNTS = {
    row["code"]: row
    for row in csv.DictReader(samples.data_file("sample_flex_discounts.csv").splitlines())
}
CODES = ("BLACK_FRIDAY_10_PERCENT_OFF", "BLACK_FRIDAY_20_DOLLAR_OFF", "INTRO-PHOTON", "NEW YEAR")


class Wish(NamedTuple):
    """A line somebody wants."""

    offer_id: str
    quantity: int
    code: str


class Basket(NamedTuple):
    """An order with everything its prices depend on; `commitment` is the day it was accepted."""

    country: str
    now: datetime
    anniversary: date | None
    extended: bool
    held_rank: int
    commitment: date | None
    wishes: tuple[Wish, ...]


class Priced(NamedTuple):
    """What a line should come out as."""

    offer_id: str
    partner_price: Fraction
    unit: Fraction
    days: int | None
    base: int
    daily: Fraction | None
    line: Fraction
    net: Fraction


def half_up(value: Fraction, digits: int) -> Fraction:
    return Fraction(floor(value * 10**digits + Fraction(1, 2)), 10**digits)


def year_before(day: date) -> date:
    return date(day.year - 1, day.month, 28 if (day.month, day.day) == (2, 29) else day.day)


def year_after(day: date) -> date:
    return date(day.year + 1, day.month, 28 if (day.month, day.day) == (2, 29) else day.day)


def levels(basket: Basket, offer_type: str) -> Iterable[str]:
    """Levels to try, best first."""
    attributes = {row["offerId"][:10]: row for row in ROWS}
    ordered = sum(
        wish.quantity
        for wish in basket.wishes
        if attributes[wish.offer_id[:10]]["offerType"] == offer_type
        and attributes[wish.offer_id[:10]]["countsTowardLevel"] == "true"
    )
    is_license = offer_type == "LICENSE"
    steps = LICENSE_STEPS if is_license else CONSUMABLE_STEPS
    rank = next(rank for floor_, rank in steps if ordered >= floor_)
    if is_license:
        rank = max(rank, basket.held_rank)
    for step in range(rank, 0, -1):
        if is_license:
            if basket.commitment and step > 1:
                yield f"1{step}"
            yield f"0{step}"
        else:
            yield f"T{step}"
    if not is_license:
        yield "01"


def row_of(basket: Basket, offer_id: str, today: date) -> Row | None:
    """catalog.md 5.2, steps 2, 4 and 5."""
    region, currency = PLACES[basket.country]
    found = [
        row
        for row in ROWS
        if row["offerId"] == offer_id and (row["region"], row["currency"]) == (region, currency)
    ]

    def first(price_list: str, day: date) -> Row | None:
        return next(
            (
                row
                for row in found
                if row["priceListType"] == price_list
                and row["firstOrderDate"] <= day.isoformat()
                and day.isoformat() <= (row["lastOrderDate"] or "9999")
            ),
            None,
        )

    committed = basket.commitment if found and found[0]["offerType"] == "LICENSE" else None
    locked = first("3YC", committed) if committed else None
    standard = first("STANDARD", today)
    if locked or standard or committed is None:
        return locked or standard
    later = [
        row
        for row in found
        if row["priceListType"] == "3YC"
        and committed.isoformat() < row["firstOrderDate"] <= today.isoformat()
    ]
    return min(later, key=lambda row: row["firstOrderDate"], default=None)


def discounted(price: Fraction, code: str, country: str, currency: str) -> Fraction:
    if not code:
        return price
    row = DISCOUNTS[code]
    digits = 0 if currency == "JPY" else 2
    if row["outcomeType"] == "PERCENTAGE_DISCOUNT":
        return half_up(price * (100 - Fraction(row["discountValues"])) / 100, digits)
    values = dict(part.rsplit(":", 1) for part in row["discountValues"].split("|"))
    value = Fraction(values[f"{country}:{currency}"])
    if row["outcomeType"] == "FIXED_DISCOUNT":
        return max(Fraction(0), price - value)
    return min(price, value)


def naive(basket: Basket, wish: Wish) -> Priced:
    """orders.md 3.3 and 4, word by word."""
    _, currency = PLACES[basket.country]
    digits = 0 if currency == "JPY" else 2
    pacific = basket.now.astimezone(ZoneInfo("America/Los_Angeles")).date()
    attributes = next(row for row in ROWS if row["offerId"] == wish.offer_id)
    offer_id, row = next(
        (offer_id, row)
        for level in levels(basket, attributes["offerType"])
        if (offer_id := f"{wish.offer_id[:10]}{level}A12")
        and (row := row_of(basket, offer_id, pacific)) is not None
    )
    price = Fraction(row["partnerPrice"])
    unit = discounted(price, wish.code, basket.country, currency)
    shows_days = not (
        attributes["offerType"] == "CONSUMABLES" and attributes["termRule"] == "COTERM"
    )
    full_term = attributes["offerType"] == "CONSUMABLES" or basket.anniversary is None
    if full_term:
        start = pacific if attributes["offerType"] == "CONSUMABLES" else basket.now.date()
        days = base = (year_after(start) - start).days
    else:
        assert basket.anniversary is not None
        base = (basket.anniversary - year_before(basket.anniversary)).days
        days = max(1, (basket.anniversary - pacific).days)
        if not basket.extended:
            days = min(days, base)
        full_term = days == base
    daily = None
    raw = unit * wish.quantity
    if not full_term:
        daily = Fraction(floor(unit / base * 10**9), 10**9)
        raw = daily * days * wish.quantity
    line = half_up(raw, digits)
    net = half_up(line / wish.quantity, digits + 1)
    return Priced(offer_id, price, unit, days if shows_days else None, base, daily, line, net)


def shown(line: OrderLine) -> Priced:
    """A line of the service in the same words."""
    price = line.price
    assert price is not None
    return Priced(
        line.offer_id,
        Fraction(price.partner_price),
        Fraction(price.unit_price),
        price.days,
        price.base_days,
        None if price.daily is None else Fraction(price.daily),
        Fraction(price.amount),
        Fraction(price.net),
    )


def sellable(country: str) -> list[str]:
    """Offers of a place that need no other product and have no limit."""
    region, currency = PLACES[country]
    return sorted(
        {
            row["offerId"]
            for row in ROWS
            if (row["region"], row["currency"]) == (region, currency)
            and not row["addOnFor"]
            and not row["maxOrdersPerTerm"]
        }
    )


def fitting(country: str, offer_id: str, now: datetime) -> list[str]:
    """Codes a customer may use on an offer."""
    instant = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    attributes = next(row for row in ROWS if row["offerId"] == offer_id)
    return [
        code
        for code in CODES
        if attributes["offerType"] == "LICENSE"
        and (row := DISCOUNTS[code])["startDate"] <= instant <= row["endDate"]
        and (not row["baseOfferIds"] or offer_id[:10] in row["baseOfferIds"])
        and (row["countries"] == "*" or country in row["countries"].split("|"))
    ]


QUANTITIES = st.one_of(
    st.integers(1, 120), st.sampled_from([9, 10, 49, 50, 99, 100, 999, 1_000, 10_000])
)
INSTANTS = st.datetimes(
    datetime(2019, 1, 1),  # noqa: DTZ001 (the strategy wants naive bounds)
    datetime(2030, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@st.composite
def baskets(draw: st.DrawFn, *, any_code: bool = False) -> Basket:
    """Baskets whose codes fit, or of any code."""
    country = draw(st.sampled_from(["US", "US", "US", *PLACES]))
    now = draw(INSTANTS).replace(microsecond=0)
    extended = draw(st.booleans())
    left = draw(st.none() | st.integers(1, 730 if extended else 366))
    wishes = []
    for offer_id in draw(st.lists(st.sampled_from(sellable(country)), min_size=1, max_size=6)):
        codes = CODES if any_code else fitting(country, offer_id, now)
        wishes.append(Wish(offer_id, draw(QUANTITIES), draw(st.sampled_from(["", *codes]))))
    return Basket(
        country,
        now,
        None if left is None else now.date() + timedelta(days=left),
        extended,
        draw(st.integers(1, 4)),
        draw(st.none() | st.dates(date(2018, 1, 1), now.date())),
        tuple(wishes),
    )


def buyer(basket: Basket) -> Customer:
    benefits: tuple[ThreeYearCommit, ...] = ()
    if basket.commitment:
        benefits = (samples.committed(basket.commitment.isoformat(), ("LICENSE", 10)),)
    return samples.customer(
        country=basket.country,
        coterm_date=basket.anniversary,
        extended_term=basket.extended,
        license_level=f"0{basket.held_rank}",
        benefits=benefits,
    )


def decide(basket: Basket, wishes: Iterable[Wish], order_type: str) -> Any:
    return samples.decide(
        *(
            want(wish.offer_id, wish.quantity, number, flex_codes=(wish.code,) if wish.code else ())
            for number, wish in enumerate(wishes, start=1)
        ),
        order_type=order_type,
        buyer=buyer(basket),
        now=basket.now.isoformat(),
        currency=PLACES[basket.country][1],
    )


@pytest.mark.proves("orders.md 37", "S-096", "S-101", "S-117", "S-118", "S-119", "S-120", "S-121")
@settings(max_examples=300, deadline=None)
@given(baskets())
def test_a_random_basket_costs_what_the_contract_says(basket: Basket) -> None:
    decision = decide(basket, basket.wishes, "PREVIEW")
    event("accepted" if isinstance(decision, Accepted) else decision.code)
    assume(isinstance(decision, Accepted))
    expected = [naive(basket, wish) for wish in basket.wishes]
    assert [shown(line) for line in decision.lines] == expected
    # Posted back as NEW it costs the same.
    placed = decide(basket, with_best_offers(basket, decision.lines), "NEW")
    assert isinstance(placed, Accepted), placed
    assert placed.lines == decision.lines


def with_best_offers(basket: Basket, lines: Iterable[OrderLine]) -> list[Wish]:
    return [
        wish._replace(offer_id=line.offer_id)
        for wish, line in zip(basket.wishes, lines, strict=True)
    ]


@pytest.mark.proves("S-106", "orders.md 37")
@settings(max_examples=300, deadline=None)
@given(baskets(any_code=True))
def test_what_a_preview_refuses_new_refuses(basket: Basket) -> None:
    preview = decide(basket, basket.wishes, "PREVIEW")
    event("accepted" if isinstance(preview, Accepted) else preview.code)
    if not isinstance(preview, Accepted):
        assert not isinstance(decide(basket, basket.wishes, "NEW"), Accepted)
    # With the levels a preview would choose, the answers are the same in every word.
    plain = decide(basket, [wish._replace(code="") for wish in basket.wishes], "PREVIEW")
    if isinstance(plain, Accepted):
        wishes = with_best_offers(basket, plain.lines)
        assert decide(basket, wishes, "NEW") == decide(basket, wishes, "PREVIEW")


@pytest.mark.proves("orders.md 48", "S-119", "S-120")
@settings(max_examples=1_000, deadline=None)
@given(
    cents=st.integers(0, 9_999_999),
    base=st.sampled_from([365, 366]),
    days=st.integers(1, 800),
    quantity=st.integers(1, 200_000),
    currency=st.sampled_from(["USD", "EUR", "JPY"]),
)
def test_a_line_is_as_near_to_its_exact_price_as_rounding_allows(
    cents: int, base: int, days: int, quantity: int, currency: str
) -> None:
    digits = 0 if currency == "JPY" else 2
    unit = Decimal(cents).scaleb(-digits)
    step = Fraction(1, 10**digits)
    prorated = price_line(unit, quantity, Charge(days, base, full_term=False), currency)
    line = Fraction(prorated.amount)
    assert line >= 0
    exact = Fraction(unit) * days * quantity / base
    assert abs(line - exact) <= step / 2 + Fraction(days * quantity, 10**9)
    full = price_line(unit, quantity, Charge(base, base, full_term=True), currency)
    assert Fraction(full.amount) == Fraction(unit) * quantity
    for amounts in (prorated, full):
        drift = abs(Fraction(amounts.net) * quantity - Fraction(amounts.amount))
        assert drift <= step / 20 * quantity
        exponent = amounts.net.as_tuple().exponent
        assert isinstance(exponent, int)
        assert digits <= -exponent <= digits + 1
