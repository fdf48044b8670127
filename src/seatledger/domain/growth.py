"""High Growth Offers: which codes a customer is offered, and what speaks against one.

subscriptions.md 10. Opting in is not served yet: a renewal code is judged by every rule, and what
passes them all is refused as a feature that is off.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from msgspec import Struct

from seatledger.contract.limits import NEXT_TERM_CLOSES_DAYS, NEXT_TERM_OPENS_DAYS
from seatledger.contract.statuses import ACTIVE
from seatledger.domain.catalog import Catalog, Offer, Product
from seatledger.domain.commitments import promised_minimum
from seatledger.domain.levels import LICENSE
from seatledger.domain.model import Account, Subscription
from seatledger.domain.outcome import Refused

MINIMUMS: Final = {"MOQ_100": 100, "MOQ_250": 250, "MOQ_500": 500}
"""The minimum order quantity of every code."""

VARIANTS: Final = {"MOQ_100": "X", "MOQ_250": "Y", "MOQ_500": "Z"}
"""The variant of the offer ids a code stands for."""

# A code is offered up to so many seats in the group (10.1).
_MOST_SEATS: Final = {"MOQ_100": 50, "MOQ_250": 125, "MOQ_500": 250}
_LEVEL: Final = "14"
_DETAILS: Final = ("autoRenewal.renewalCode",)


class OptIn(Struct, frozen=True):
    """A renewal code as it is asked for with a subscription's settings.

    `offer_id` is the offer named beside it, "" on an update; `quantity` what would renew.
    """

    code: str
    product: Product
    currency: str
    quantity: int
    offer_id: str = ""
    switches_off: bool = False


class EligibleOffer(Struct, frozen=True):
    """A High Growth offer a customer could take, for a deployment or (`""`) without one."""

    offer_id: str
    code: str
    minimum: int
    deployment_id: str = ""


def is_growth_offer(offer_id: str) -> bool:
    """Whether an offer id is a High Growth variant (catalog.md 1)."""
    return offer_id[12:13] in VARIANTS.values()


def next_term_is_open(anniversary: date, today: date) -> bool:
    """Whether the next term may be sold already: AD-30 to AD-3 in UTC days (subscriptions.md 8)."""
    opens = anniversary - timedelta(days=NEXT_TERM_OPENS_DAYS)
    return opens <= today <= anniversary - timedelta(days=NEXT_TERM_CLOSES_DAYS)


def seats_in_group(subscriptions: Iterable[Subscription], catalog: Catalog, group: str) -> int:
    """Current seats of a customer in a High Growth group, open subscriptions alone (10.1)."""
    products = catalog.products
    return sum(
        one.current_quantity
        for one in subscriptions
        if one.is_open
        and one.product_key in products
        and products[one.product_key].growth_group == group
    )


def codes_offered(seats: int) -> tuple[str, ...]:
    """The codes a customer with so many seats in the group may take, smallest first (10.1)."""
    return tuple(code for code, most in _MOST_SEATS.items() if seats <= most)


def eligible_offers(account: Account, catalog: Catalog) -> tuple[EligibleOffer, ...]:
    """The offers a renewal preview lists, smallest minimum first (orders.md 6.1).

    One per code and target product, for every deployment in which products of the group are held,
    in the currency they are held in; whatever the customer has committed to.
    """
    products = catalog.products
    places: dict[tuple[str, str, str], set[str]] = {}
    for one in account.subscriptions:
        product = products.get(one.product_key)
        if one.status == ACTIVE and product is not None and product.growth_group:
            place = (product.growth_group, product.segment, one.deployment_id)
            places.setdefault(place, set()).add(one.currency)
    found = [
        EligibleOffer(offer.offer_id, code, MINIMUMS[code], deployment_id)
        for (group, segment, deployment_id), currencies in places.items()
        for code in codes_offered(seats_in_group(account.subscriptions, catalog, group))
        for target in products.values()
        if target.growth_group == group and target.segment == segment
        for offer in [catalog.at_level(target.key, _LEVEL, VARIANTS[code])]
        if offer is not None
        and any(_is_priced(catalog, offer, currency) for currency in currencies)
    ]
    return tuple(sorted(found, key=lambda one: one.minimum))


def opt_in_refusal(
    wanted: OptIn, account: Account, catalog: Catalog, today: date
) -> Refused | None:
    """The refusal of a renewal code (10.2), in the order of its table; None without a code.

    A High Growth offer id asks for its code beside it.
    """
    if not wanted.code and not is_growth_offer(wanted.offer_id):
        return None
    anniversary = account.customer.coterm_date
    if not _is_well_put(wanted, catalog):
        return Refused("5125", _DETAILS)
    if not _exists(wanted, catalog):
        return Refused("5123", _DETAILS)
    if anniversary is None or not next_term_is_open(anniversary, today):
        return Refused("5127", _DETAILS)
    promised = promised_minimum(account.customer, LICENSE, anniversary)
    if not promised:
        return Refused("5128", _DETAILS)
    minimum = MINIMUMS[wanted.code]
    if promised < minimum:
        return Refused("5129", _DETAILS)
    seats = seats_in_group(account.subscriptions, catalog, wanted.product.growth_group)
    if wanted.code not in codes_offered(seats):
        return Refused("5126", _DETAILS)
    if wanted.quantity < minimum:
        return Refused("5124", _DETAILS)
    return Refused("4121", _DETAILS)


def _is_well_put(wanted: OptIn, catalog: Catalog) -> bool:
    """Whether the code fits what stands beside it, and the product is a target of such offers."""
    product = wanted.product
    is_target = any(catalog.at_level(product.key, _LEVEL, variant) for variant in VARIANTS.values())
    if wanted.switches_off or not is_target:
        return False
    if not is_growth_offer(wanted.offer_id):
        return True
    return VARIANTS.get(wanted.code) == wanted.offer_id[12:13]


def _exists(wanted: OptIn, catalog: Catalog) -> bool:
    """Whether the code is one, and stands for an offer with a price in the currency."""
    offer = catalog.at_level(wanted.product.key, _LEVEL, VARIANTS.get(wanted.code, ""))
    return offer is not None and _is_priced(catalog, offer, wanted.currency)


def _is_priced(catalog: Catalog, offer: Offer, currency: str) -> bool:
    return any(
        row.offer_id == offer.offer_id and row.currency == currency
        for row in catalog.rows_of_product(offer.product.key)
    )
