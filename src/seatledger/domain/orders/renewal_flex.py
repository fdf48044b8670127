"""Flexible discounts of a renewal by its auto-renewal settings (catalog.md 7.2, 7.4)."""

from collections.abc import Mapping
from datetime import datetime

from seatledger.domain.catalog import Product
from seatledger.domain.discounts import FlexDiscount, FlexDiscounts
from seatledger.domain.flex_rules import (
    Asking,
    Uses,
    discount_meant,
    disqualification,
    is_not_base,
)
from seatledger.domain.model import Account, Customer, FlexResult, Subscription
from seatledger.domain.orders.flex import FAILURE, SUCCESS

_RENEWAL = "RENEWAL"


class RenewalDiscounts:
    """The discounts of one renewal, asked for line by line. They never refuse it: a code that no
    longer qualifies says so, and the line renews at its full price.

    `account` holds redemptions and spent codes, `customer` is as time will have left it at the
    instant `at` of the renewal, `renewing` are the qualifying seats per offerType.
    """

    def __init__(
        self,
        account: Account,
        customer: Customer,
        discounts: FlexDiscounts,
        at: datetime,
        renewing: Mapping[str, int],
    ) -> None:
        self._account = account
        self._customer = customer
        self._discounts = discounts
        self._at = at
        self._renewing = renewing
        self._uses = Uses()

    def of(
        self,
        seats: Subscription,
        product: Product,
        country: str,
        *,
        discount_code: str,
        renews: bool,
    ) -> tuple[FlexResult, ...]:
        """What becomes of the codes chosen for a subscription, else of the one it goes on with.

        `country` is where the line is priced, `discount_code` its HVD code or "". A line that does
        not renew uses nothing up.
        """
        if not seats.flex_codes and not self._account.redemptions:
            return ()
        results: list[FlexResult] = []
        segment, uses = self._customer.segment, self._account.redemptions
        chosen = [
            (code, discount_meant(self._discounts, code, segment, uses, self._at))
            for code in seats.flex_codes
        ]
        coming_back = None if chosen else self._last_reusable(seats)
        if coming_back is not None:
            chosen = [(coming_back.code, coming_back)]
        for code, found in chosen:
            if found is None:
                results.append(FlexResult("", code, FAILURE))
                continue
            asking = Asking(
                account=self._account,
                customer=self._customer,
                product=product,
                country=country,
                currency=seats.currency,
                order_type=_RENEWAL,
                at=self._at,
                reached=self._renewing,
                comes_back=coming_back is not None,
            )
            is_granted = (
                not discount_code
                and not is_not_base(product, found)
                and disqualification(asking, found, self._uses) is None
            )
            if is_granted and renews:
                self._uses.add(found, product.key)
            results.append(FlexResult(found.id, code, SUCCESS if is_granted else FAILURE))
        return tuple(results)

    def _last_reusable(self, seats: Subscription) -> FlexDiscount | None:
        """The reusable discount most recently used by an order that fed a subscription."""
        uses = [
            one
            for one in self._account.redemptions
            if one.subscription_id == seats.subscription_id and not one.returned
        ]
        for use in sorted(uses, key=lambda one: (one.redeemed_at, one.order_id), reverse=True):
            found = self._discounts.get(use.discount_id)
            if (
                found is not None
                and found.is_reusable
                and self._at <= found.last_moment
                and _RENEWAL in found.order_types
            ):
                return found
        return None
