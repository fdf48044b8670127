"""The level an order is entitled to, and the best offer of a product at it (orders.md 3.3)."""

from collections.abc import Iterable
from datetime import date

from msgspec import Struct

from seatledger.domain.catalog import Catalog, Offer, PriceRow, Product
from seatledger.domain.levels import (
    Scale,
    levels_downwards,
    rank_of_level,
    rank_of_quantity,
)
from seatledger.domain.model import Customer, LevelStep


class Entitlement(Struct, frozen=True):
    """What an order may buy in one offerType: scale, rank, and the price lock of a commitment."""

    offer_type: str
    scale: Scale
    rank: int
    commitment_start: date | None
    step: LevelStep


class BestOffer(Struct, frozen=True):
    """The offer a customer gets, the row that prices it, and the HVD code if one applies."""

    offer: Offer
    row: PriceRow
    discount_code: str


def entitlement(
    customer: Customer, offer_type: str, lines: Iterable[tuple[Product, int]]
) -> Entitlement:
    """Entitled scale and rank for one offerType of an order.

    `lines` are (product, quantity) of the whole order; only products that count toward the level
    add up (orders.md 3.3 steps 1-3).
    """
    quantity = sum(
        amount
        for product, amount in lines
        if product.offer_type == offer_type and product.counts_toward_level
    )
    earned = rank_of_quantity(offer_type, quantity)
    held = rank_of_level(customer.level(offer_type)) or 1
    start = commitment_start(customer, offer_type)
    scale: Scale = "PLAIN" if start is None else "3YC"
    return Entitlement(
        offer_type,
        scale,
        max(earned, held),
        start,
        LevelStep(offer_type, quantity, earned, held, scale),
    )


def commitment_start(customer: Customer, offer_type: str) -> date | None:
    """Acceptance day of a COMMITTED commitment that covers the offerType (accounts.md 10.4)."""
    for benefit in customer.benefits:
        commitment = benefit.get("commitment")
        if not commitment or commitment["status"] != "COMMITTED":
            continue
        covered = {minimum["offerType"] for minimum in commitment["minimumQuantities"]}
        if offer_type in covered:
            return date.fromisoformat(commitment["startDate"])
    return None


def best_offer(
    catalog: Catalog,
    product: Product,
    entitled: Entitlement,
    *,
    region: str,
    currency: str,
    day: date,
    hvd_code: str | None,
) -> BestOffer | None:
    """The best sellable offer of a product for an entitlement, None if nothing is sellable.

    A customer of the older program takes the row with its own code where the product has one;
    everyone else the highest level at or below the entitled rank (catalog.md 3.1).
    """
    if hvd_code is not None:
        covered = hvd_offer(catalog, product, region, currency, day, hvd_code)
        if covered is not None:
            return covered
    for level in levels_downwards(entitled.offer_type, entitled.scale, entitled.rank):
        offer = catalog.at_level(product.key, level)
        if offer is None:
            continue
        row = catalog.price_row(
            offer.offer_id, region, currency, day, commitment_start=entitled.commitment_start
        )
        if row is not None:
            return BestOffer(offer, row, "")
    return None


def hvd_offer(
    catalog: Catalog, product: Product, region: str, currency: str, day: date, code: str
) -> BestOffer | None:
    """The offer of a product that carries an HVD code (catalog.md 6)."""
    offer = catalog.offers.get(product.base_offer_id)
    if offer is None:
        return None
    row = catalog.price_row(offer.offer_id, region, currency, day, discount_code=code)
    return BestOffer(offer, row, code) if row is not None else None


def is_better_than_entitled(offer: Offer, entitled: Entitlement, best: BestOffer | None) -> bool:
    """Whether a sent offer is above what the customer may buy (orders.md 3.3).

    A level on the customer's scales at or below the entitled rank is fine; levels of scales it
    does not have (3YC without a commitment, large agencies) are not.
    """
    if best is not None and offer.offer_id == best.offer.offer_id:
        return False
    return offer.level not in levels_downwards(entitled.offer_type, entitled.scale, entitled.rank)
