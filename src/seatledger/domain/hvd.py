"""Customers migrated from the older program with a high volume discount (accounts.md 11)."""

from typing import Final

from msgspec.structs import replace

from seatledger.domain.levels import LICENSE, Scale, level_at
from seatledger.domain.model import Customer

HVD_TAG: Final = "HVD_MIGRATED_CUSTOMER"
_FIRST_ERA: Final = "_PRE"
_SECOND_ERA: Final = "_POST"
_LEAST_RANK: Final = 3  # from 50 licences on


def own_code(customer: Customer) -> str | None:
    """The customer's own HVD code, None for everyone else."""
    return customer.hvd_code if HVD_TAG in customer.tags else None


def code_in_force(customer: Customer) -> str | None:
    """The HVD code the customer buys with today.

    It needs a three-year commit: one that was missed or has ended suspends it. Customers whose
    commitment was never recorded here keep it.
    """
    commit = customer.three_year_commit
    if commit is not None and commit.commitment is not None and commit.running is None:
        return None
    return own_code(customer)


def level_with_code(customer: Customer, offer_type: str, scale: Scale, rank: int) -> str:
    """The level shown for a customer at `rank` of a scale: 13 or 14 with an HVD code in force,
    recorded commitment or not (accounts.md 7.1, 11)."""
    is_kept = offer_type == LICENSE and rank >= _LEAST_RANK and code_in_force(customer) is not None
    return level_at(offer_type, "3YC" if is_kept else scale, rank)


def stepped_down(customer: Customer) -> Customer:
    """The customer at a recommitment: PRE becomes POST of the same level, POST ends."""
    code = own_code(customer)
    if code is None or not code.endswith(_FIRST_ERA):
        return without_hvd(customer)
    return replace(customer, hvd_code=code.removesuffix(_FIRST_ERA) + _SECOND_ERA)


def without_hvd(customer: Customer) -> Customer:
    """The customer with regular prices: neither tag nor code."""
    tags = tuple(tag for tag in customer.tags if tag != HVD_TAG)
    return replace(customer, hvd_code=None, tags=tags)
