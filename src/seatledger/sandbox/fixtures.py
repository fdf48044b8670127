"""Ready-made data: accounts and orders a test starts from (sandbox.md 2).

Everything is made through the use cases of the public API and settled at once, whatever the
world's settlement mode; what lies in the past is moved there by the direct edits.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, Literal

from msgspec import Struct

from seatledger.contract.statuses import INACTIVE
from seatledger.domain.benefits import Minimum
from seatledger.domain.calendar import add_years, utc_day
from seatledger.domain.catalog import Offer
from seatledger.domain.growth import is_growth_offer
from seatledger.domain.levels import LICENSE
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.context import Engine
from seatledger.sandbox.control import Conflict, Control, Refusal
from seatledger.sandbox.edit_bodies import CustomerEdit, DiscountEdit, OrderEdit
from seatledger.sandbox.fixture_maker import Maker
from seatledger.sandbox.market import Market, home_market, other_market

FixtureName = Literal[
    "reseller", "customer", "orders", "default", "coterm-mid-year", "global-customer",
    "education-k12", "returns-window", "hvd", "three-year-commit",
    "expired-yesterday", "growth-offer",
]  # fmt: skip
_TERM_ALREADY_RUN_DAYS = 183
_HVD_LEVEL = "14"
_HVD_SEATS = 100  # what the level asks for


async def reseller(maker: Maker) -> dict[str, Any]:
    """A reseller (1000). No dates but now."""
    return {"resellerId": await maker.reseller()}


async def customer(maker: Maker) -> dict[str, Any]:
    """A customer (1000) of a reseller. No dates but now."""
    made = await maker.customer()
    return {"resellerId": made.reseller_id, "customerId": made.customer_id}


async def orders(maker: Maker) -> dict[str, Any]:
    """Three orders of a customer: one 1000, one 1004, one returned (1008), all placed now.

    The anniversary is one year from today.
    """
    market = await maker.market()
    offer = market.offers[0]
    kept = await maker.order(market, offer, 5)
    failed = await maker.order(market, offer, 2, status=INACTIVE)
    returned = await maker.order(market, offer, 3)
    await maker.give_back(returned)
    return await maker.ids([kept, failed, returned])


async def default(maker: Maker) -> dict[str, Any]:
    """A reseller, a customer of it, and the customer's orders of the set `orders`."""
    return await orders(maker)


async def coterm_mid_year(maker: Maker) -> dict[str, Any]:
    """A customer half-way through its term: one order (10 seats) of 183 days ago.

    The anniversary is one year after that day, 182 or 183 days from today.
    """
    market = await maker.market()
    placed = await maker.order(market, market.offers[0], 10)
    began = maker.now() - timedelta(days=_TERM_ALREADY_RUN_DAYS)
    await maker.edit_order(placed, OrderEdit(creation_date=render.timestamp(began)))
    anniversary = add_years(utc_day(began), 1)
    await maker.edit_customer(CustomerEdit(coterm_date=anniversary.isoformat()))
    return await maker.ids([placed])


async def expired_yesterday(maker: Maker) -> dict[str, Any]:
    """A customer whose term ended yesterday: one order (10 seats) of a year before that day.

    Renewal was off and the anniversary has run: the subscription is 1004 and can be renewed late.
    """
    market = await maker.market()
    placed = await maker.order(market, market.offers[0], 10)
    ended = utc_day(maker.now()) - timedelta(days=1)
    began = f"{add_years(ended, -1).isoformat()}T00:00:00Z"
    await maker.edit_order(placed, OrderEdit(creation_date=began))
    made = await maker.ids([placed])
    for subscription_id in made["subscriptionIds"]:
        await maker.stop_renewal(subscription_id)
    await maker.edit_customer(CustomerEdit(coterm_date=ended.isoformat()))
    await maker.run_what_is_due()
    return made


async def returns_window(maker: Maker) -> dict[str, Any]:
    """Three orders around the border of the return window (flag `return_window_days`, d days).

    `orderIds` are, in turn: placed now; placed d days ago, today being the last day it can be
    returned; placed d + 1 days ago, too late. The anniversary is one year after the last one.
    """
    market = await maker.market()
    offer = market.offers[0]
    window = maker.world.partner.settings.return_window_days
    ages = (window + 1, window, 0)
    placed = [await maker.order(market, offer, 5) for _ in ages]
    for order_id, days in zip(placed, ages, strict=True):
        at = maker.now() - timedelta(days=days)
        await maker.edit_order(order_id, OrderEdit(creation_date=render.timestamp(at)))
    oldest = utc_day(maker.now() - timedelta(days=window + 1))
    await maker.edit_customer(CustomerEdit(coterm_date=add_years(oldest, 1).isoformat()))
    return await maker.ids(placed[::-1])


async def global_customer(maker: Maker) -> dict[str, Any]:
    """A globally enabled customer with a deployment abroad and an order for each, placed now.

    The anniversary is one year from today. The partner must have `globalSalesEnabled`.
    """
    if not maker.world.partner.global_sales_enabled:
        raise Conflict("the partner's contract has no global sales (globalSalesEnabled)")
    held = await maker.customer(_market_of(maker, "COM"), global_sales=True)
    home = await maker.market()
    abroad = other_market(maker.world, maker.now(), held.country)
    deployment_id = await maker.deployment(abroad)
    at_home = await maker.order(home, home.offers[0], 5)
    there = await maker.order(abroad, abroad.offers[0], 5, deployment_id=deployment_id)
    return {**await maker.ids([at_home, there]), "deploymentId": deployment_id}


async def education_k12(maker: Maker) -> dict[str, Any]:
    """An EDU customer of the sub-segment K_12 with an order placed now.

    The anniversary is one year from today. The partner must sell to EDU.
    """
    await maker.customer(_market_of(maker, "EDU", "K_12"))
    await maker.edit_customer(CustomerEdit(market_sub_segments=("K_12",)))
    market = await maker.market()
    placed = await maker.order(market, market.offers[0], 10)
    return await maker.ids([placed])


def _market_of(maker: Maker, segment: str, *sub_segments: str) -> Market:
    return home_market(maker.world, maker.now(), segment, sub_segments)


async def hvd(maker: Maker) -> dict[str, Any]:
    """A migrated high-volume customer (level 14) with an order at its code's price, placed now.

    The anniversary is one year from today. The code is the catalogue's first that is for sale.
    """
    await maker.customer(_market_of(maker, "COM"))
    market = await maker.market()
    if market.hvd_offer is None:
        raise Conflict("the catalogue has no high volume row on sale in the customer's market")
    offer, code = market.hvd_offer
    discount = DiscountEdit(offer_type="LICENSE", level=_HVD_LEVEL, discount_code=code)
    await maker.edit_customer(CustomerEdit(tags=("HVD_MIGRATED_CUSTOMER",), discounts=(discount,)))
    placed = await maker.order(market, offer, _HVD_SEATS, discount_code=code)
    return await maker.ids([placed])


async def three_year_commit(maker: Maker) -> dict[str, Any]:
    """A customer committed to 10 licences since today, reached by an order of 12 placed now.

    The anniversary is one year from today, the commitment ends three years from yesterday.
    """
    await maker.customer(_market_of(maker, "COM"))
    market = await maker.market()
    placed = await maker.order(market, market.offers[0], 12)
    await maker.commit(Minimum(LICENSE, 10))
    return await maker.ids([placed])


async def growth_offer(maker: Maker) -> dict[str, Any]:
    """A customer whose renewal preview lists High Growth Offers, by an order (10 seats) placed now.

    The anniversary is one year from today.
    """
    await maker.customer(_market_of(maker, "COM"))
    market = await maker.market()
    offer = next((one for one in market.offers if _is_target(maker, market, one)), None)
    if offer is None:
        raise Conflict("the catalogue has no High Growth Offer in the customer's market")
    return await maker.ids([await maker.order(market, offer, 10)])


def _is_target(maker: Maker, market: Market, offer: Offer) -> bool:
    """Whether an offer's product has High Growth Offers priced in a market's currency."""
    rows = maker.world.catalog.rows_of_product(offer.product.key)
    return bool(offer.product.growth_group) and any(
        is_growth_offer(row.offer_id) and row.currency == market.currency for row in rows
    )


SETS: Final[dict[FixtureName, Callable[[Maker], Awaitable[dict[str, Any]]]]] = {
    "reseller": reseller,
    "customer": customer,
    "orders": orders,
    "default": default,
    "coterm-mid-year": coterm_mid_year,
    "global-customer": global_customer,
    "education-k12": education_k12,
    "returns-window": returns_window,
    "hvd": hvd,
    "three-year-commit": three_year_commit,
    "expired-yesterday": expired_yesterday,
    "growth-offer": growth_offer,
}


async def make(
    engine: Engine, partner_id: str, name: FixtureName, ids: dict[str, str] | None = None
) -> dict[str, Any]:
    """Make a set of SETS in a partner's world; gives the ids of what it is made of.

    `ids` may name a `resellerId` or `customerId` to use instead of new ones. Raises Conflict when
    contract or catalogue of the partner do not allow the set, Refusal for unknown ids and (4115)
    for a world that has gone.
    """
    world = await engine.worlds.refresh(partner_id)
    if world is None:
        raise Refusal(Refused("4115"))
    given = ids or {}
    maker = await Maker.begin(engine, world, given.get("resellerId"), given.get("customerId"))
    try:
        return await SETS[name](maker)
    except (Conflict, Refusal) as error:
        if await engine.worlds.refresh(partner_id) is None:
            raise Refusal(Refused("4115")) from error
        raise


class FixtureIn(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """POST /sandbox/fixtures."""

    set: FixtureName
    reseller_id: str | None = None
    customer_id: str | None = None


async def post(control: Control) -> tuple[int, Any]:
    """POST /sandbox/fixtures: make one set."""
    wanted: FixtureIn = control.body(FixtureIn)
    given = {"resellerId": wanted.reseller_id, "customerId": wanted.customer_id}
    ids = {name: value for name, value in given.items() if value is not None}
    return 201, await make(control.engine, control.partner_id, wanted.set, ids)
