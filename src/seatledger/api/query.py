"""Query parameters in, paging links out (platform.md 8 and 9)."""

import re
from collections.abc import Container, Iterable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,100}")
_INT64_MAX: Final = 2**63 - 1
_INSTANT: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{3}))?)?Z)?"
)
_PAGING: Final = frozenset({"limit", "offset"})


class Query:
    """The parameters of one request, read by name and kind.

    A reader never raises: a bad value yields what absence yields, and puts the name into `bad`,
    so that one answer lists all offenders. An empty value counts as absent. Bytes that are no
    UTF-8 become U+FFFD, malformed percent-encoding stays as it is written.
    """

    def __init__(self, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace")
        self._received = parse_qsl(text, keep_blank_values=True, errors="replace")
        self._values: dict[str, list[str]] = {}
        for name, value in self._received:
            known = self._values.setdefault(name, [])
            if value and value not in known:
                known.append(value)
        self._read: set[str] = set()
        self._bad: set[str] = set()

    @property
    def bad(self) -> tuple[str, ...]:
        """Names with a bad value as received, then refused ones that were not sent, sorted."""
        sent = [name for name in self._values if name in self._bad]
        return (*sent, *sorted(self._bad.difference(sent)))

    def refuse(self, name: str) -> None:
        """Adds a parameter to `bad`: its value fails a check of the caller, or it is missing."""
        self._bad.add(name)

    def text(self, name: str, allowed: Container[str] | None = None) -> str | None:
        """A single value, one of `allowed` if given. Sent with different values it is bad."""
        values = self._texts(name, allowed)
        if len(values) > 1:
            self.refuse(name)
            return None
        return values[0] if values else None

    def texts(self, name: str, allowed: Container[str] | None = None) -> tuple[str, ...]:
        """All values of a repeatable parameter, each once, in order; a comma is part of one."""
        return self._texts(name, allowed)

    def comma_list(self, name: str, allowed: Container[str] | None = None) -> tuple[str, ...]:
        """All entries of a comma list that may be repeated too, each once, in order."""
        entries = [entry.strip() for value in self._texts(name) for entry in value.split(",")]
        return self._checked(name, tuple(dict.fromkeys(filter(None, entries))), allowed)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """`true` or `false` in any letter case."""
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            self.refuse(name)
            return default
        return value.lower() == "true"

    def integer(
        self, name: str, default: int, *, minimum: int | None = None, maximum: int | None = None
    ) -> int:
        """A whole number within the bounds given (else bad), held within 64 bits for SQL."""
        value = self.text(name)
        if value is None:
            return default
        if not _INTEGER.fullmatch(value):
            self.refuse(name)
            return default
        number = max(-_INT64_MAX, min(int(value), _INT64_MAX))
        if (minimum is not None and number < minimum) or (maximum is not None and number > maximum):
            self.refuse(name)
            return default
        return number

    def instant(self, name: str) -> datetime | None:
        """A date or time as an aware UTC instant; forms as `instant_of`."""
        value = self.text(name)
        if value is None:
            return None
        instant = instant_of(value)
        if instant is None:
            self.refuse(name)
        return instant

    def filters(self) -> tuple[tuple[str, str], ...]:
        """What links repeat: the parameters read so far as received, without limit and offset.

        Names and values are decoded and in the order received; empty values are left out.
        """
        return tuple(
            (name, value)
            for name, value in self._received
            if value and name in self._read and name not in _PAGING
        )

    def _texts(self, name: str, allowed: Container[str] | None = None) -> tuple[str, ...]:
        self._read.add(name)
        return self._checked(name, tuple(self._values.get(name, ())), allowed)

    def _checked(
        self, name: str, values: tuple[str, ...], allowed: Container[str] | None
    ) -> tuple[str, ...]:
        for value in values:
            if "\0" in value or (allowed is not None and value not in allowed):
                self.refuse(name)
                return ()
        return values


def instant_of(text: str) -> datetime | None:
    """`YYYY-MM-DD` (midnight UTC) or `YYYY-MM-DDTHH:MM[:SS[.fff]]Z` as an aware UTC instant.

    None for every other form or zone and for dates that do not exist (platform.md 10).
    """
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, millisecond = (int(one or 0) for one in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, millisecond * 1000, tzinfo=UTC)
    except ValueError:
        return None


def page_link(path: str, filters: Iterable[tuple[str, str]], limit: int, offset: int) -> str:
    """The canonical address of a page: path, filters as received, `limit`, `offset`.

    `path` and `filters` (of `Query.filters`) are decoded text and get percent-encoded here; a
    filter sent twice appears once.
    """
    query = (*dict.fromkeys(filters), ("limit", str(limit)), ("offset", str(offset)))
    return f"{quote(path)}?{urlencode(query, quote_via=quote)}"


def page_links(
    path: str,
    filters: Iterable[tuple[str, str]],
    *,
    limit: int,
    offset: int,
    count: int,
    total: int,
) -> dict[str, dict[str, Any]]:
    """The `links` of a list: `self`, `next` while rows follow, `prev` unless it is the first page.

    `limit` is the effective one, `count` the rows on this page, `total` all rows there are.
    """
    filters = tuple(filters)
    offsets = {"self": offset}
    if offset + count < total:
        offsets["next"] = offset + limit
    if offset > 0:
        offsets["prev"] = max(0, offset - limit)
    return {
        relation: {"uri": page_link(path, filters, limit, start), "method": "GET", "headers": []}
        for relation, start in offsets.items()
    }
