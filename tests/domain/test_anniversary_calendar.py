"""Eight years of first days, three anniversaries each: terms adjoin, and every day is billed once.

The days are counted here by walking the calendar, not by the arithmetic of the rules.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from seatledger.contract.statuses import PENDING
from seatledger.domain.calendar import midnight
from seatledger.domain.effects import Rules
from seatledger.domain.fulfilment import settle
from seatledger.domain.model import Account, Customer, Order, OrderLine, Price, Subscription
from seatledger.domain.orders import new
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.request import OrderRequest, RequestLine
from seatledger.domain.renewal import run_order
from tests import samples

TERMS = 3
FIRST_DAY, DAYS = date(2023, 1, 1), 2_922
FOLIO, ALL_APPS = "65304479CA01A12", "11073058CA01A12"
ONE_DAY = timedelta(days=1)
PACIFIC = ZoneInfo("America/Los_Angeles")


@cache
def rules() -> Rules:
    """The sample data."""
    return Rules(samples.partner(), samples.catalog(), samples.discounts())


class Buyer:
    """A customer whose orders settle at once."""

    def __init__(self) -> None:
        self.customer: Customer = samples.customer()
        self.held: dict[str, Subscription] = {}

    @property
    def account(self) -> Account:
        return Account(
            self.customer, ["COM"], tuple(self.held.values()), term_orders=(), pending=()
        )

    @property
    def anniversary(self) -> date:
        assert self.customer.coterm_date is not None
        return self.customer.coterm_date

    def buys(self, offer_id: str, now: datetime) -> Price:
        """One seat; gives its price."""
        request = OrderRequest("NEW", (RequestLine(1, offer_id, 1),), currency="USD")
        seller, goods, codes = rules().partner, rules().catalog, rules().discounts
        decision = new.decide(request, self.account, seller, goods, codes, now)
        assert isinstance(decision, Accepted), decision
        self._settles(_order(decision.lines, now), now)
        price = decision.lines[0].price
        assert price is not None
        return price

    def renews(self) -> Price:
        """What the run of its anniversary bills for the first subscription."""
        due = midnight(self.anniversary)
        order = run_order(self.account, rules(), "9200000002", due, due)
        assert order is not None
        self._settles(order, due)
        price = order.lines[0].price
        assert price is not None
        return price

    def _settles(self, order: Order, at: datetime) -> None:
        done = settle(order, self.account, "1000", rules(), at, lambda: f"S{len(self.held)}")
        self.customer = done.customer
        self.held |= {one.subscription_id: one for one in done.subscriptions}


def _order(lines: tuple[OrderLine, ...], now: datetime) -> Order:
    return Order(
        order_id="9200000001",
        partner_id="P1",
        customer_id=samples.CUSTOMER_ID,
        reseller_id="R1",
        order_type="NEW",
        status=PENDING,
        source="API",
        external_reference_id="",
        reference_order_id="",
        created_at=now,
        lines=lines,
        run_at=now,
    )


def days_between(first: date, end: date) -> int:
    """Days from `first` up to but without `end`, counted one by one."""
    count = 0
    while first < end:
        first += ONE_DAY
        count += 1
    return count


def next_year(day: date) -> date:
    """The same month and day of the next year; the day before where there is none."""
    feb_29 = (day.month, day.day) == (2, 29)
    return date(day.year + 1, day.month, 28 if feb_29 else day.day)


def chain(start: date) -> Iterator[date]:
    """The first days of the terms that a first day leads to."""
    for _ in range(TERMS + 1):
        yield start
        start = next_year(start)


def starts(month: int) -> list[date]:
    """Every start day in a month of the eight years."""
    found = (FIRST_DAY + timedelta(days=number) for number in range(DAYS))
    return [one for one in found if one.month == month]


@pytest.mark.parametrize("month", range(1, 13))
def test_terms_adjoin_and_bill_their_days(month: int) -> None:
    for start in starts(month):
        buyer = Buyer()
        # At midnight UTC it is still the day before in California.
        opened = midnight(start) + timedelta(hours=start.day % 24)
        first, *later = chain(start)
        price = buyer.buys(FOLIO, opened)
        assert (price.days, price.base_days) == (days_between(first, later[0]),) * 2, start
        for begins, ends in zip(later, [*later[1:], None], strict=True):
            assert buyer.anniversary == begins, start
            assert {one.renewal_date for one in buyer.held.values()} == {begins}, start
            if ends is None:
                break
            price = buyer.renews()
            assert (price.days, price.base_days) == (days_between(begins, ends),) * 2, start
            assert price.daily is None  # a full term


@pytest.mark.proves("S-097")
@pytest.mark.parametrize("month", range(1, 13))
def test_what_is_added_in_a_term_is_billed_to_its_end(month: int) -> None:
    """One line in each of three terms, on days that wander through the year and the day."""
    for start in starts(month):
        buyer = Buyer()
        buyer.buys(FOLIO, midnight(start) + timedelta(hours=12))
        for term, begins in enumerate(list(chain(start))[:TERMS]):
            if term:
                buyer.renews()
            ends = buyer.anniversary
            length = days_between(begins, ends)
            base = days_between(ends.replace(year=ends.year - 1), ends)
            added = midnight(begins) + timedelta(
                days=(start.toordinal() * 7 + term * 121) % length,
                hours=(start.day * 5 + term) % 24,
            )
            day = added.astimezone(PACIFIC).date()
            price = buyer_with(buyer, added)
            expected = min(max(1, days_between(day, ends)), base)
            assert (price.days, price.base_days) == (expected, base), (start, added)


def buyer_with(buyer: Buyer, added: datetime) -> Price:
    """The price of another product bought at an instant, by a customer left as it is."""
    other = Buyer()
    other.customer, other.held = buyer.customer, dict(buyer.held)
    return other.buys(ALL_APPS, added)


@pytest.mark.proves("S-097")
@pytest.mark.parametrize("year", range(2023, 2031))
def test_the_pacific_day_at_midnight_and_when_clocks_change(year: int) -> None:
    """The day changes at 08:00 UTC in winter and at 07:00 in summer, on those days too."""
    spring, autumn = nth_sunday(year, 3, 2), nth_sunday(year, 11, 1)
    for change in (spring, autumn, date(year, 12, 31), date(year, 2, 28)):
        for day in (change - ONE_DAY, change, change + ONE_DAY):
            # The day begins by the clock of the day before it ended with.
            is_summer = spring < day <= autumn
            begins = datetime(day.year, day.month, day.day, 7 if is_summer else 8, tzinfo=UTC)
            buyer = Buyer()
            buyer.buys(FOLIO, begins - timedelta(days=30))
            before = buyer_with(buyer, begins - timedelta(seconds=1)).days
            after = buyer_with(buyer, begins).days
            assert before is not None
            assert after == before - 1 == days_between(day, buyer.anniversary), day


def nth_sunday(year: int, month: int, number: int) -> date:
    """The n-th Sunday of a month: summer time begins on the second of March and ends on the
    first of November."""
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))


@pytest.mark.parametrize("month", range(1, 13))
def test_an_extended_first_term_is_billed_to_its_end(month: int) -> None:
    """Months beyond the year are billed by the daily price of the last year of the term."""
    for start in starts(month):
        buyer = Buyer()
        ends = start + timedelta(days=400 + start.toordinal() % 600)
        buyer.customer = replace(buyer.customer, coterm_date=ends, extended_term=True)
        price = buyer.buys(FOLIO, midnight(start) + timedelta(hours=20))
        base = days_between(a_year_before(ends), ends)
        assert (price.days, price.base_days) == (days_between(start, ends), base), start
        assert buyer.anniversary == ends
        price = buyer.renews()
        assert price.days == days_between(ends, next_year(ends)), start


def a_year_before(day: date) -> date:
    """The same month and day of the year before; the day before where there is none."""
    feb_29 = (day.month, day.day) == (2, 29)
    return date(day.year - 1, day.month, 28 if feb_29 else day.day)
