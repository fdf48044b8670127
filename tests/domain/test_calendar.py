"""Days: anniversaries across leap years, UTC and Pacific days of an instant."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seatledger.domain.calendar import (
    add_years,
    days_in_year_before,
    days_in_year_from,
    midnight,
    pacific_day,
    utc_day,
)

DAYS = st.dates(date(1970, 1, 1), date(2200, 12, 31))


@pytest.mark.parametrize(
    ("day", "years", "expected"),
    [
        ("2025-07-07", 1, "2026-07-07"),
        ("2024-02-29", 1, "2025-02-28"),
        ("2024-02-29", 4, "2028-02-29"),
        ("2024-02-29", -1, "2023-02-28"),
        ("2025-02-28", -1, "2024-02-28"),
        ("2025-02-28", 3, "2028-02-28"),
        ("2025-12-31", 1, "2026-12-31"),
    ],
)
def test_years_later(day: str, years: int, expected: str) -> None:
    assert add_years(date.fromisoformat(day), years) == date.fromisoformat(expected)


@pytest.mark.parametrize(
    ("anniversary", "days"),
    [
        ("2020-03-10", 366),  # the contract year decides, not the calendar year
        ("2021-03-10", 365),
        ("2020-02-29", 366),
        ("2020-02-28", 365),
        ("2020-03-01", 366),
        ("2021-02-28", 366),
        ("2021-03-01", 365),
        ("2100-03-10", 365),  # 2100 is no leap year
    ],
)
def test_base_days_of_the_contract_year(anniversary: str, days: int) -> None:
    assert days_in_year_before(date.fromisoformat(anniversary)) == days


@given(DAYS)
def test_a_year_has_365_or_366_days_either_way(day: date) -> None:
    assert days_in_year_before(day) in (365, 366)
    assert days_in_year_from(day) == (add_years(day, 1) - day).days
    assert days_in_year_from(day) in (365, 366)


@given(DAYS)
def test_the_base_is_366_where_29_february_lies_inside(day: date) -> None:
    if (day.month, day.day) in ((2, 28), (2, 29)):
        return  # where the two readings part, the count of days decides
    start = add_years(day, -1)
    inside = any((start + timedelta(days=n)).strftime("%m%d") == "0229" for n in range(366))
    assert days_in_year_before(day) == (366 if inside else 365)


@pytest.mark.proves("S-097")
@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2025-11-02T03:00:00Z", "2025-11-01"),
        ("2025-11-02T06:59:59Z", "2025-11-01"),  # still daylight saving time: UTC-7
        ("2025-11-02T07:00:00Z", "2025-11-02"),
        ("2025-11-03T07:59:59Z", "2025-11-02"),  # winter: UTC-8
        ("2025-11-03T08:00:00Z", "2025-11-03"),
        ("2026-03-08T07:59:59Z", "2026-03-07"),
        ("2026-03-09T06:59:59Z", "2026-03-08"),
        ("2026-03-09T07:00:00Z", "2026-03-09"),
        ("2026-01-01T00:00:00Z", "2025-12-31"),
    ],
)
def test_the_pacific_day_follows_daylight_saving(instant: str, day: str) -> None:
    assert pacific_day(datetime.fromisoformat(instant)) == date.fromisoformat(day)


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda one: one.year > 1))
def test_the_pacific_day_is_the_utc_day_or_the_one_before(instant: datetime) -> None:
    assert (utc_day(instant) - pacific_day(instant)).days in (0, 1)


def test_the_utc_day_of_an_instant_in_another_zone() -> None:
    instant = datetime(2026, 7, 7, 1, tzinfo=timezone(timedelta(hours=2)))
    assert utc_day(instant) == date(2026, 7, 6)


@given(DAYS)
def test_a_day_begins_at_midnight(day: date) -> None:
    assert utc_day(midnight(day)) == day
    assert utc_day(midnight(day) - timedelta(seconds=1)) == day - timedelta(days=1)
