"""Flexible discounts as API resources (catalog.md 8)."""

from collections.abc import Iterable
from datetime import datetime

from msgspec import UNSET, Struct

from seatledger.contract.resources import (
    DiscountValueOut,
    FoundDiscountOut,
    OutcomeOut,
    QualificationOut,
)
from seatledger.domain.discount_search import (
    Search,
    closed_code,
    reused_by,
    search,
    status_of,
)
from seatledger.domain.discounts import PERCENTAGE, FlexDiscount
from seatledger.domain.outcome import Refused
from seatledger.engine.context import Engine
from seatledger.engine.render import timestamp
from seatledger.engine.world import World
from seatledger.store import accounts, discounts


class Found(Struct, frozen=True):
    """Discounts in their order, as they stand at `now` in a country."""

    discounts: tuple[FlexDiscount, ...]
    country: str
    now: datetime

    def page(self, limit: int, offset: int) -> tuple[FoundDiscountOut, ...]:
        """A page of them as resources, with the values of the country."""
        return tuple(
            _closed(one, self.country)
            if one.is_closed
            else _open(one, self.country, status_of(one, self.now) or "")
            for one in self.discounts[offset : offset + limit]
        )


async def find(engine: Engine, world: World, wanted: Search) -> Found | Refused:
    """What a search finds now: open discounts, and a closed one by its exact code.

    2142 when that has been redeemed.
    """
    now = engine.worlds.now(world)
    closed = closed_code(world.discounts, wanted, now)
    if closed is not None and closed.one_time_closed:
        async with engine.pool.acquire() as connection:
            if closed.id in await discounts.spent_codes(connection, world.partner_id):
                return Refused("2142")
    opened = search(world.discounts, wanted, now)
    found = opened if closed is None else [*opened, closed]
    return Found(tuple(found), wanted.country, now)


async def of_customer(engine: Engine, world: World, customer_id: str) -> Found | Refused:
    """The reusable discounts a customer has used, the last used first; 1116 for no customer."""
    async with engine.pool.acquire() as connection:
        customer = await accounts.customer(connection, world.partner_id, customer_id)
        if customer is None:
            return Refused("1116")
        uses = await discounts.redemptions_of(connection, customer_id)
    now = engine.worlds.now(world)
    return Found(tuple(reused_by(world.discounts, uses, now)), customer.country, now)


def _open(one: FlexDiscount, country: str, status: str) -> FoundDiscountOut:
    return FoundDiscountOut(
        id=one.id,
        category=one.category,
        code=one.code,
        name=one.name,
        description=one.description,
        start_date=timestamp(one.start),
        end_date=timestamp(one.end),
        discount_lock_end_date=timestamp(one.lock_end) if one.lock_end is not None else UNSET,
        status=status,
        qualification=_qualification(one),
        outcomes=_outcomes(one, country),
    )


def _closed(one: FlexDiscount, country: str) -> FoundDiscountOut:
    return FoundDiscountOut(
        code=one.code,
        code_expiry_date=timestamp(one.last_moment),
        qualification=_qualification(one),
        outcomes=_outcomes(one, country),
    )


def _qualification(one: FlexDiscount) -> QualificationOut:
    return QualificationOut(tuple(sorted(one.base_offer_ids)))


def _outcomes(one: FlexDiscount, country: str) -> tuple[OutcomeOut, ...]:
    return (OutcomeOut(one.outcome_type, tuple(_values(one, country))),)


def _values(one: FlexDiscount, country: str) -> Iterable[DiscountValueOut]:
    for (place, currency), value in sorted(one.values.items()):
        if one.outcome_type == PERCENTAGE:
            yield DiscountValueOut(value)
        elif place == country:
            yield DiscountValueOut(value, place, currency)
