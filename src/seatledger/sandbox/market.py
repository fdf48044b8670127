"""Where a partner can sell, and what: the ground fixtures stand on."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Final

from msgspec import Struct

from seatledger.contract.countries import price_region
from seatledger.domain.calendar import pacific_day
from seatledger.domain.catalog import Offer
from seatledger.domain.levels import LICENSE
from seatledger.engine.world import World
from seatledger.sandbox.control import Conflict

Address = dict[str, str]

_PLACES: Final[tuple[Address, ...]] = (
    {
        "country": "US",
        "region": "CA",
        "city": "San Jose",
        "addressLine1": "200 Fairmont Ave",
        "postalCode": "95110",
    },
    {
        "country": "CA",
        "region": "ON",
        "city": "Toronto",
        "addressLine1": "1 Front Street",
        "postalCode": "M5V 2T6",
    },
    {
        "country": "DE",
        "region": "SN",
        "city": "Dresden",
        "addressLine1": "Altmarkt 1",
        "postalCode": "01067",
    },
    {
        "country": "FR",
        "region": "IDF",
        "city": "Paris",
        "addressLine1": "1 Rue de Rivoli",
        "postalCode": "75001",
    },
    {
        "country": "AU",
        "region": "NSW",
        "city": "Sydney",
        "addressLine1": "1 George Street",
        "postalCode": "2000",
    },
    {
        "country": "NZ",
        "region": "AUK",
        "city": "Auckland",
        "addressLine1": "1 Queen Street",
        "postalCode": "1010",
    },
    {
        "country": "JP",
        "region": "13",
        "city": "Tokyo",
        "addressLine1": "1 Chiyoda",
        "postalCode": "100-0001",
    },
)


class Market(Struct, frozen=True):
    """A country, segment and currency with the plain offers on sale there, best suited first.

    `hvd_offer` is an offer with a high volume code it is sold under, if there is one.
    """

    address: Address
    segment: str
    currency: str
    offers: tuple[Offer, ...]
    hvd_offer: tuple[Offer, str] | None


def home_market(
    world: World, now: datetime, segment: str, sub_segments: tuple[str, ...] = ()
) -> Market:
    """The first market of a partner in a segment; Conflict if there is none."""
    found = next(_markets(world, now, segment, sub_segments, _PLACES), None)
    if found is None:
        raise Conflict(f"contract and catalogue sell nothing to {segment} customers")
    return found


def other_market(world: World, now: datetime, country: str) -> Market:
    """The first commercial market of a partner outside a country; Conflict if there is none."""
    abroad = tuple(one for one in _PLACES if one["country"] != country)
    found = next(_markets(world, now, "COM", (), abroad), None)
    if found is None:
        raise Conflict(f"contract and catalogue sell nothing outside {country}")
    return found


def market_of(
    world: World, now: datetime, segment: str, sub_segments: tuple[str, ...], address: Address
) -> Market:
    """The market of an account; Conflict if nothing is on sale there."""
    found = next(_markets(world, now, segment, sub_segments, (address,)), None)
    if found is None:
        raise Conflict(f"nothing is on sale to {segment} customers in {address['country']}")
    return found


def _markets(
    world: World,
    now: datetime,
    segment: str,
    sub_segments: tuple[str, ...],
    places: tuple[Address, ...],
) -> Iterator[Market]:
    partner = world.partner
    if segment not in partner.market_segments:
        return
    day = pacific_day(now)
    for address in places:
        region = price_region(address["country"])
        for currency in partner.currencies.get(region, ()) if region in partner.regions else ():
            offers = _offers(world, segment, frozenset(sub_segments), region, currency, day)
            if offers:
                code = _hvd_offer(world, segment, region, currency, day)
                yield Market(address, segment, currency, offers, code)


def _offers(
    world: World, segment: str, sub_segments: frozenset[str], region: str, currency: str, day: date
) -> tuple[Offer, ...]:
    """Level 01 offers any customer of the segment may buy; its sub-segment's own come first."""
    catalog = world.catalog
    found = [
        offer
        for offer in catalog.offers.values()
        if offer.level == "01"
        and offer.variant == "A"
        and _is_plain(offer, world, segment)
        and (not offer.sub_segments or offer.sub_segments & sub_segments)
        and catalog.price_row(offer.offer_id, region, currency, day) is not None
    ]
    return tuple(sorted(found, key=lambda one: (not one.sub_segments, one.minimum_purchase)))


def _is_plain(offer: Offer, world: World, segment: str) -> bool:
    product = offer.product
    return (
        product.segment == segment
        and product.program in world.partner.programs
        and product.offer_type == LICENSE
        and not product.own_term
        and product.renewable
        and not product.add_on_for
        and product.max_orders_per_term is None
        and product.end_of_support is None
    )


def _hvd_offer(
    world: World, segment: str, region: str, currency: str, day: date
) -> tuple[Offer, str] | None:
    for row in world.catalog.rows:
        offer = world.catalog.offers.get(row.offer_id)
        is_here = (row.region, row.currency) == (region, currency)
        if offer is None or not row.discount_code or not is_here or not row.covers(day):
            continue
        if _is_plain(offer, world, segment):
            return offer, row.discount_code
    return None
