"""Countries, price regions, address regions, languages and postal codes (accounts.md 3, 4.1-4.4).

The tables are the CSV files beside this module. `postal_codes.csv` writes a rule in a compact
notation, matched against the whole code, letters in either case:

    9 A X         a digit; a letter; a letter or a digit
    _ -           one space; one hyphen
    'AD'          this text
    {A-CX}        one of these characters
    <0200-0299>   a number of this many digits within these bounds
    [...]         a part that may be left out
    ...|...       either (inside brackets: of their content, else of whole codes)
"""

import csv
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final

_DATA: Final = files("seatledger.contract").joinpath("data")
_CLASSES: Final = {"9": "[0-9]", "A": "[A-Z]", "X": "[A-Z0-9]"}
_SIGNS: Final = {"_": " ", "-": "-", "[": "(?:", "]": ")?", "|": "|"}
_TOKEN: Final = re.compile(
    r"(?P<run>9+|A+|X+)"
    r"|(?P<sign>[_\-\[\]|])"
    r"|'(?P<text>[^']+)'"
    r"|\{(?P<set>[A-Z0-9-]+)\}"
    r"|<(?P<low>\d+)-(?P<high>\d+)>"
)


def _rows(name: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(_DATA.joinpath(name).read_text("utf-8").splitlines())


_REGIONS: Final = {row["region"]: row for row in _rows("price_regions.csv")}
_COUNTRIES: Final = {
    region: frozenset(row["countries"].split()) for region, row in _REGIONS.items()
}
_REGION_OF: Final = {
    country: region for region, countries in _COUNTRIES.items() for country in countries
}
_CLOSED: Final = {
    row["country"]: frozenset(row["codes"].split()) for row in _rows("closed_regions.csv")
}
_POSTAL: Final = {
    country: row["pattern"]
    for row in _rows("postal_codes.csv")
    for country in row["countries"].split()
}

PRICE_REGIONS: Final = tuple(_REGIONS)
"""The price regions a partner may be given (accounts.md 3)."""

SUPPORTED: Final = frozenset(_REGION_OF)
"""ISO 3166-1 alpha-2 codes of the countries an address may lie in (accounts.md 4.2)."""

LOCALES: Final = frozenset(_DATA.joinpath("locales.txt").read_text("utf-8").split())
"""Values of preferredLanguage, in their exact case (accounts.md 4.3)."""


def price_region(country: str) -> str:
    """The price region of a supported country (accounts.md 4.2); KeyError for any other."""
    return _REGION_OF[country]


def countries_of(region: str) -> frozenset[str]:
    """The countries of a price region (accounts.md 4.2); KeyError for an unknown region."""
    return _COUNTRIES[region]


def default_currencies(region: str) -> tuple[str, ...]:
    """Currencies a partner sells in a price region unless told otherwise (accounts.md 3).

    KeyError for an unknown region.
    """
    return tuple(_REGIONS[region]["currencies"].split())


def regions_of(country: str) -> frozenset[str] | None:
    """The closed list of address regions of a country, None where only the form is checked.

    Closed are US and CA (accounts.md 4.1); `00` is in neither list.
    """
    return _CLOSED.get(country)


def postal_pattern(country: str) -> re.Pattern[str] | None:
    """The postal code rule of a country (accounts.md 4.4), to be used with `fullmatch`.

    None for a country without a rule, where the postal code is optional.
    """
    notation = _POSTAL.get(country)
    return None if notation is None else compile_postal(notation)


@cache
def compile_postal(notation: str) -> re.Pattern[str]:
    """Turn the compact notation of this module into an anchored, case-insensitive pattern.

    Digits and letters are the ASCII ones alone. ValueError names what cannot be read.
    """
    parts: list[str] = []
    position = 0
    while position < len(notation):
        token = _TOKEN.match(notation, position)
        if token is None:
            raise ValueError(f"{notation!r}: cannot read {notation[position:]!r}")
        parts.append(_part(token))
        position = token.end()
    return re.compile(f"^(?:{''.join(parts)})$", re.ASCII | re.IGNORECASE)


def _part(token: re.Match[str]) -> str:
    value = token[token.lastgroup or 0]
    match token.lastgroup:
        case "run":
            repeat = f"{{{len(value)}}}" if len(value) > 1 else ""
            return _CLASSES[value[0]] + repeat
        case "sign":
            return _SIGNS[value]
        case "text":
            return re.escape(value)
        case "set":
            return f"[{value}]"
        case _:
            return _between(token["low"], token["high"])


def _between(low: str, high: str) -> str:
    """A pattern for the numbers from `low` to `high`, both of the same width."""
    if len(low) != len(high) or low > high:
        raise ValueError(f"<{low}-{high}> is not a range")
    if low == high:
        return low
    zeros, nines = "0" * len(low[1:]), "9" * len(low[1:])
    if low[0] == high[0]:
        return low[0] + _between(low[1:], high[1:])
    first, last = int(low[0]), int(high[0])
    branches: list[str] = []
    if low[1:] != zeros:
        branches.append(low[0] + _between(low[1:], nines))
        first += 1
    if high[1:] != nines:
        branches.append(high[0] + _between(zeros, high[1:]))
        last -= 1
    if first <= last:
        branches.append(f"[{first}-{last}]" + "[0-9]" * len(zeros))
    return f"(?:{'|'.join(branches)})"
