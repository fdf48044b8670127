"""The level an order is entitled to, and the best offer of a product at it (orders.md 3.3)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date

from msgspec import Struct

from seatledger.domain.catalog import Catalog, Offer, PriceRow, Product
from seatledger.domain.commitment_life import renewal_binding
from seatledger.domain.commitments import Binding, binding
from seatledger.domain.levels import (
    Scale,
    levels_downwards,
    rank_of_level,
    rank_of_quantity,
)
from seatledger.domain.model import Customer, LevelStep, PartnerSettings


class Entitlement(Struct, frozen=True, gc=False):
    """What an order may buy in one offerType: scale, rank, and the price lock of a commitment."""

    offer_type: str
    scale: Scale
    rank: int
    commitment_start: date | None
    step: LevelStep


class BestOffer(Struct, frozen=True, gc=False):
    """The offer a customer gets, the row that prices it, and the HVD code if one applies."""

    offer: Offer
    row: PriceRow
    discount_code: str


def entitlement(
    customer: Customer,
    offer_type: str,
    lines: Iterable[tuple[Product, int]],
    held_quantity: int = 0,
) -> Entitlement:
    """Entitled scale and rank for one offerType of an order.

    `lines` are (product, quantity) of the whole order; only products that count toward the level
    add up. `held_quantity` are the qualifying seats held before it: an order that fills an
    accepted commitment is sold under it (orders.md 3.3 steps 1-3).
    """
    quantity = sum(
        amount
        for product, amount in lines
        if product.offer_type == offer_type and product.counts_toward_level
    )
    earned = rank_of_quantity(offer_type, quantity)
    bound = binding(customer, offer_type, held_quantity + quantity)
    return _entitled(offer_type, quantity, earned, _held_rank(customer, offer_type), bound)


def renewal_entitlement(
    customer: Customer,
    offer_type: str,
    totals: Mapping[str, int],
    day: date,
    settings: PartnerSettings,
    *,
    late: bool = False,
) -> Entitlement:
    """Entitled scale and rank for what renews into the term that begins on `day`.

    `totals` are the qualifying quantities per offerType that will have renewed. They alone decide
    in the run, up or down; a `late` renewal keeps at least the level of the term so far
    (accounts.md 7.2).
    """
    quantity = totals.get(offer_type, 0)
    bound = renewal_binding(customer, offer_type, totals, day, settings)
    held = _held_rank(customer, offer_type) if late else 1
    return _entitled(offer_type, quantity, rank_of_quantity(offer_type, quantity), held, bound)


def _held_rank(customer: Customer, offer_type: str) -> int:
    return rank_of_level(customer.level(offer_type)) or 1


def _entitled(
    offer_type: str, quantity: int, earned: int, held: int, bound: Binding | None
) -> Entitlement:
    scale: Scale = "PLAIN" if bound is None else bound.scale
    floor = 1 if bound is None else bound.floor_rank
    start = None if bound is None else bound.start
    step = LevelStep(offer_type, quantity, earned, held, scale, floor, start)
    return Entitlement(offer_type, scale, max(earned, held, floor), start, step)


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

    def row_of(offer: Offer, code: str) -> PriceRow | None:
        start = None if code else entitled.commitment_start
        return catalog.price_row(
            offer.offer_id, region, currency, day, discount_code=code, commitment_start=start
        )

    return _first_offer(catalog, product, entitled, hvd_code, row_of)


def ended_offer(
    catalog: Catalog,
    product: Product,
    entitled: Entitlement,
    *,
    region: str,
    currency: str,
    day: date,
    hvd_code: str | None,
) -> BestOffer | None:
    """The same among the last prices of a product that is sold no more (catalog.md 5.2 step 6)."""

    def row_of(offer: Offer, code: str) -> PriceRow | None:
        committed = not code and entitled.commitment_start is not None
        return catalog.ended_row(
            offer.offer_id, region, currency, day, discount_code=code, committed=committed
        )

    return _first_offer(catalog, product, entitled, hvd_code, row_of)


def _first_offer(
    catalog: Catalog,
    product: Product,
    entitled: Entitlement,
    hvd_code: str | None,
    row_of: Callable[[Offer, str], PriceRow | None],
) -> BestOffer | None:
    """The first offer with a row: that of the HVD code, then the levels from the entitled one."""
    if hvd_code is not None:
        offer = catalog.offers.get(product.base_offer_id)
        row = row_of(offer, hvd_code) if offer is not None else None
        if offer is not None and row is not None:
            return BestOffer(offer, row, hvd_code)
    for level in levels_downwards(entitled.offer_type, entitled.scale, entitled.rank):
        offer = catalog.at_level(product.key, level)
        row = row_of(offer, "") if offer is not None else None
        if offer is not None and row is not None:
            return BestOffer(offer, row, "")
    return None


def is_better_than_entitled(offer: Offer, entitled: Entitlement, best: BestOffer | None) -> bool:
    """Whether a sent offer is above what the customer may buy (orders.md 3.3).

    A level on the customer's scales at or below the entitled rank is fine; levels of scales it
    does not have (3YC without a commitment, large agencies) are not.
    """
    if best is not None and offer.offer_id == best.offer.offer_id:
        return False
    return offer.level not in levels_downwards(entitled.offer_type, entitled.scale, entitled.rank)
