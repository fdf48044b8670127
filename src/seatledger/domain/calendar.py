"""Days: the anniversary year in UTC, the day of the price in Pacific civil time."""

from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")
_DAYS_KEPT = 1024  # customers by the thousand share their days

# Every date an order can lead to is four digits long from here to there (a term, a commitment).
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9900, 1, 1, tzinfo=UTC)


def utc_day(instant: datetime) -> date:
    """The UTC calendar day of an instant: windows and the anniversary (accounts.md 2)."""
    return instant.astimezone(UTC).date()


def pacific_day(instant: datetime) -> date:
    """The Pacific civil day of an instant: price and start of billing (orders.md 4.3, S-097)."""
    return instant.astimezone(PACIFIC).date()


@lru_cache(_DAYS_KEPT)
def add_years(day: date, years: int) -> date:
    """Same month and day `years` later; 29 February becomes 28 February (accounts.md 2)."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


def days_in_year_before(anniversary: date) -> int:
    """Days of the contract year that ends at `anniversary`: 365 or 366 (orders.md 4.3)."""
    return (anniversary - add_years(anniversary, -1)).days


def days_in_year_from(start: date) -> int:
    """Days of a full term that starts at `start`: 365 or 366 (orders.md 4.3)."""
    return (add_years(start, 1) - start).days


@lru_cache(_DAYS_KEPT)
def midnight(day: date) -> datetime:
    """The first instant of a UTC day."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
