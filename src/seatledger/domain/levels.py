"""Discount levels: quantity -> rank -> level code on a scale (accounts.md 7.1, catalog.md 3)."""

from bisect import bisect_right
from functools import cache
from typing import Final, Literal

OfferType = Literal["LICENSE", "CONSUMABLES"]
Scale = Literal["PLAIN", "3YC"]

LICENSE: Final = "LICENSE"
CONSUMABLES: Final = "CONSUMABLES"
OFFER_TYPES: Final[tuple[OfferType, ...]] = (LICENSE, CONSUMABLES)

_FLOORS: Final[dict[str, tuple[int, ...]]] = {
    LICENSE: (1, 10, 50, 100),
    CONSUMABLES: (1, 1_000, 2_500, 5_000, 15_000, 50_000, 100_000),
}
_CODES: Final[dict[tuple[str, str], tuple[str | None, ...]]] = {
    (LICENSE, "PLAIN"): ("01", "02", "03", "04"),
    (LICENSE, "3YC"): (None, "12", "13", "14"),
    (CONSUMABLES, "PLAIN"): ("T1", "T2", "T3", "T4", "T5", "T6", "T7"),
    (CONSUMABLES, "3YC"): ("TA", "TB", "TC", "TD", "TE", "TF", "TG"),
}
_LGA_FLOORS: Final = {"06": 100, "07": 1_000, "08": 5_000, "09": 10_000}

# A level code says its rank on either scale; 06-09 belong to large agencies alone.
_RANKS: Final[dict[str, int]] = {
    code: index + 1
    for codes in _CODES.values()
    for index, code in enumerate(codes)
    if code is not None
}

LEVELS: Final = frozenset(_RANKS) | frozenset(_LGA_FLOORS)
"""Every level code of every scale."""


def rank_of_quantity(offer_type: str, quantity: int) -> int:
    """R(q): the rank a qualifying quantity earns, at least 1 (accounts.md 7.2)."""
    return max(1, bisect_right(_FLOORS[offer_type], quantity))


def rank_of_level(level: str) -> int | None:
    """The rank of a level code on its scale; None for the levels of large agencies."""
    return _RANKS.get(level)


def level_at(offer_type: str, scale: Scale, rank: int) -> str:
    """The level shown for a customer at `rank`: the plain code where the scale has none."""
    plain = _CODES[offer_type, "PLAIN"][rank - 1]
    assert plain is not None
    return _CODES[offer_type, scale][rank - 1] or plain


def floor_of_level(level: str) -> int:
    """The smallest quantity of a level: its volume floor (catalog.md 9)."""
    if level in _LGA_FLOORS:
        return _LGA_FLOORS[level]
    offer_type = CONSUMABLES if level.startswith("T") else LICENSE
    return _FLOORS[offer_type][_RANKS[level] - 1]


@cache
def levels_downwards(offer_type: str, scale: Scale, rank: int) -> tuple[str, ...]:
    """Levels to try for a customer entitled to `rank`, best first (catalog.md 3.1 step 2).

    At every rank the customer's own scale comes before the plain one. Consumables sold at the
    level 01 (credit packs) are reached last.
    """
    found: list[str] = []
    for step in range(rank, 0, -1):
        for name in dict.fromkeys((scale, "PLAIN")):
            code = _CODES[offer_type, name][step - 1]
            if code is not None:
                found.append(code)
    if offer_type == CONSUMABLES:
        found.append("01")
    return tuple(found)
