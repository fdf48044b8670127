"""Real time, injected: the one place that reads the machine's clock.

Tokens, rate limits and waits run on this clock. The business clock of a partner is another
thing: a value that the sandbox may move (platform.md 2.4, 10).
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class RealClock(Protocol):
    """What code that needs real time is given."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never run backwards, for measuring waits."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never run backwards."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until told otherwise, for tests."""

    def __init__(self, now: datetime) -> None:
        """Start at `now`, an aware moment; ValueError for a naive one."""
        self._now = _in_utc(now)
        self._monotonic = 0.0

    def now(self) -> datetime:
        """The moment last set or advanced to, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds advanced since the start; setting the clock back does not lower it."""
        return self._monotonic

    def set(self, now: datetime) -> None:
        """Jump to `now`, as an administrator or a leap of NTP would; ValueError for a naive one."""
        self._now = _in_utc(now)

    def advance(self, by: timedelta) -> None:
        """Let time pass; ValueError for a negative span, because time does not run backwards."""
        if by < timedelta():
            raise ValueError("time only passes forwards; use set() to correct the clock")
        self._now += by
        self._monotonic += by.total_seconds()


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a clock needs an aware moment, with its time zone")
    return moment.astimezone(UTC)
