"""The renewal of a customer by its auto-renewal settings: which lines, offers and prices.

One builder for the order of the anniversary and for its preview (subscriptions.md 9.1 steps 3-4,
orders.md 6.1), so that the one comes out as the other said.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date, datetime

from msgspec import Struct

from seatledger.contract.countries import price_region
from seatledger.contract.statuses import ACTIVE, INACTIVE
from seatledger.domain.calendar import midnight, pacific_day
from seatledger.domain.catalog import Catalog, Product
from seatledger.domain.commitment_life import as_of, renewal_hvd_code
from seatledger.domain.commitments import covers
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.levels import CONSUMABLES, LICENSE
from seatledger.domain.life import can_renew
from seatledger.domain.model import Account, Basis, OrderLine, Partner, Subscription
from seatledger.domain.orders.entitlement import (
    BestOffer,
    Entitlement,
    best_offer,
    ended_offer,
    renewal_entitlement,
)
from seatledger.domain.orders.prices import frozen_price, unit_price
from seatledger.domain.orders.renewal_flex import RenewalDiscounts
from seatledger.domain.pricing import full_term_charge, unprorated_charge


class RenewalPlan(Struct, frozen=True, gc=False):
    """The lines of a renewal in order of creation, numbered from 1, and what they rest on.

    A line with status 1000 renews; one with 1004 is set to renew but cannot.
    """

    lines: tuple[OrderLine, ...]
    basis: Basis


class _Seats(Struct, frozen=True, gc=False):
    """A subscription that is set to renew, beside its product and where it is priced."""

    id: str
    held: Subscription
    product: Product
    quantity: int
    country: str


def plan_renewal(
    account: Account,
    partner: Partner,
    catalog: Catalog,
    discounts: FlexDiscounts,
    anniversary: date,
    now: datetime,
) -> RenewalPlan:
    """What renews at the `anniversary`, a UTC day, with the prices of the Pacific day of `now`.

    `account` holds every subscription of the customer in order of creation, and the deployments
    and redemptions they refer to. Nothing is refused: what cannot renew says so on its line.
    Codes are judged as they will stand at the anniversary, or at `now` once that is later.
    """
    return _Planner(account, partner, catalog, discounts, anniversary, now).plan()


class _Planner:
    """One renewal while it is put together."""

    def __init__(
        self,
        account: Account,
        partner: Partner,
        catalog: Catalog,
        discounts: FlexDiscounts,
        anniversary: date,
        now: datetime,
    ) -> None:
        self._account = account
        self._settings = partner.settings
        self._catalog = catalog
        self._discounts = discounts
        self._anniversary = anniversary
        self._now = now
        self._day = pacific_day(now)
        self._customer = account.customer
        self._seats = tuple(self._set_to_renew())

    def plan(self) -> RenewalPlan:
        """The lines, their levels found together."""
        lasting = {one.id for one in self._seats if self._lives_on(one)}
        while True:
            renewing = _with_bases([one for one in self._seats if one.id in lasting])
            entitled, hvd_code = self._entitle(renewing)
            offers = {one.id: self._offer(one, entitled, hvd_code) for one in renewing}
            lasting = {id_ for id_, offer in offers.items() if offer is not None}
            if len(lasting) == len(renewing):
                break
        flex = self._flex_discounts(entitled.values())
        lines = []
        for number, one in enumerate(self._seats, start=1):
            offer = offers.get(one.id)
            status = INACTIVE if offer is None else ACTIVE
            if offer is None:
                offer = self._offer(one, entitled, hvd_code) or self._last_offer(
                    one, entitled, hvd_code
                )
            lines.append(self._line(number, one, status, offer, flex))
        steps = tuple(one.step for one in entitled.values())
        return RenewalPlan(tuple(lines), Basis(self._now, self._day, self._anniversary, steps))

    def _set_to_renew(self) -> Iterable[_Seats]:
        countries = {one.deployment_id: one.country for one in self._account.deployments}
        for one in self._account.open_coterm:
            product = self._catalog.products.get(one.product_key)
            quantity = one.renewal_quantity
            if one.auto_renewal and quantity > 0 and product is not None and product.renewable:
                place = one.deployment_id
                country = countries[place] if place else self._customer.country
                yield _Seats(one.subscription_id, one, product, quantity, country)

    def _lives_on(self, one: _Seats) -> bool:
        """Whether its product still renews, and to a customer of this segment."""
        committed = covers(self._customer, one.product.offer_type, self._anniversary)
        return one.product.segment == self._customer.segment and can_renew(
            self._catalog, one.product, self._anniversary, committed=committed
        )

    def _entitle(self, renewing: Iterable[_Seats]) -> tuple[dict[str, Entitlement], str | None]:
        """Per offerType the level that the renewing total earns, and the customer's HVD code."""
        totals: Counter[str] = Counter()
        for one in renewing:
            if one.product.counts_toward_level:
                totals[one.product.offer_type] += one.quantity
        used = {one.product.offer_type for one in self._seats}
        entitled: dict[str, Entitlement] = {
            offer_type: renewal_entitlement(
                self._customer, offer_type, totals, self._anniversary, self._settings
            )
            for offer_type in (LICENSE, CONSUMABLES)
            if offer_type in used
        }
        code = renewal_hvd_code(self._customer, totals, self._anniversary, self._settings)
        return entitled, code

    def _offer(
        self, one: _Seats, entitled: dict[str, Entitlement], hvd_code: str | None
    ) -> BestOffer | None:
        return best_offer(
            self._catalog,
            one.product,
            entitled[one.product.offer_type],
            region=price_region(one.country),
            currency=one.held.currency,
            day=self._day,
            hvd_code=hvd_code,
        )

    def _last_offer(
        self, one: _Seats, entitled: dict[str, Entitlement], hvd_code: str | None
    ) -> BestOffer | None:
        return ended_offer(
            self._catalog,
            one.product,
            entitled[one.product.offer_type],
            region=price_region(one.country),
            currency=one.held.currency,
            day=self._day,
            hvd_code=hvd_code,
        )

    def _flex_discounts(self, entitled: Iterable[Entitlement]) -> RenewalDiscounts:
        return RenewalDiscounts(
            self._account,
            as_of(self._customer, self._anniversary, self._settings),
            self._discounts,
            max(self._now, midnight(self._anniversary)),
            {one.offer_type: one.step.quantity for one in entitled},
        )

    def _line(
        self,
        number: int,
        one: _Seats,
        status: str,
        offer: BestOffer | None,
        discounts: RenewalDiscounts,
    ) -> OrderLine:
        if offer is None:
            return OrderLine(
                number=number,
                offer_id=one.held.offer_id,
                quantity=one.quantity,
                currency=one.held.currency,
                status=status,
                subscription_id=one.id,
                deployment_id=one.held.deployment_id,
            )
        flex = discounts.of(
            one.held,
            one.product,
            one.country,
            discount_code=offer.discount_code,
            renews=status == ACTIVE,
        )
        start = self._anniversary
        charge = full_term_charge(start) if one.product.prorated else unprorated_charge(start)
        unit = unit_price(offer.row, flex, one.country, self._discounts)
        return OrderLine(
            number=number,
            offer_id=offer.offer.offer_id,
            quantity=one.quantity,
            currency=one.held.currency,
            status=status,
            subscription_id=one.id,
            deployment_id=one.held.deployment_id,
            discount_code=offer.discount_code,
            flex=flex,
            price=frozen_price(offer.row, unit, one.quantity, charge),
        )


def _with_bases(seats: Collection[_Seats]) -> list[_Seats]:
    """Those of `seats` that are no add-ons, and the add-ons whose base renews where they are."""
    kept = list(seats)
    while True:
        bases = {(one.product.key, one.held.deployment_id) for one in kept}
        having = [
            one
            for one in kept
            if not one.product.add_on_for
            or any((base, one.held.deployment_id) in bases for base in one.product.add_on_for)
        ]
        if len(having) == len(kept):
            return kept
        kept = having
