"""One RENEWAL or PREVIEW_RENEWAL with lines under judgement (orders.md 2.9, 6.2, 6.3)."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime

from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE, INACTIVE
from seatledger.domain import hvd
from seatledger.domain.calendar import midnight
from seatledger.domain.catalog import Catalog
from seatledger.domain.commitment_life import renewal_hvd_code
from seatledger.domain.commitments import covers
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.life import can_renew
from seatledger.domain.model import Account, Partner, Subscription
from seatledger.domain.orders.case import LineCase, OrderCase
from seatledger.domain.orders.entitlement import (
    BestOffer,
    Entitlement,
    best_offer,
    ended_offer,
    renewal_entitlement,
)
from seatledger.domain.orders.request import OrderRequest, RequestLine
from seatledger.domain.renewal import renewals_since, renewed_totals


def completed(request: OrderRequest, account: Account) -> OrderRequest:
    """The request with what its subscriptions say where a line says nothing (orders.md 1.4, 6.2).

    Currency and deployment; the quantity is what would renew, or the seats of what would not.
    Lines that name no subscription of the customer stay as they are.
    """
    held = {one.subscription_id: one for one in account.subscriptions}
    lines = (_completed(line, request, held.get(line.subscription_id)) for line in request.lines)
    return replace(request, lines=tuple(lines))


def _completed(line: RequestLine, request: OrderRequest, held: Subscription | None) -> RequestLine:
    if held is None:
        return line
    usual = held.renewal_quantity if held.is_open and held.auto_renewal else held.current_quantity
    return replace(
        line,
        currency=line.currency or request.currency or held.currency,
        deployment_id=line.deployment_id or held.deployment_id,
        quantity=line.quantity if line.has_quantity else usual,
        has_quantity=True,
    )


class RenewalCase(OrderCase):
    """The order beside the subscriptions its lines name.

    `seats` and what rests on them may be used once check 70 has passed, `product` of a line after
    check 76. A line that previews an open subscription belongs to the customer's next term, any
    other to the one that its subscription has missed.
    """

    def __init__(
        self,
        request: OrderRequest,
        account: Account,
        partner: Partner,
        catalog: Catalog,
        discounts: FlexDiscounts,
        now: datetime,
    ) -> None:
        super().__init__(request, account, partner, catalog, discounts, now)
        self.held = {one.subscription_id: one for one in account.subscriptions}
        self._deployments = {one.deployment_id: one for one in account.deployments}
        self._entitlements: dict[tuple[date, str], Entitlement] = {}
        self._totals: dict[date, Counter[str]] = {}

    def seats(self, line: LineCase) -> Subscription:
        """The subscription a line names."""
        return self.held[line.request.subscription_id]

    def find_places(self) -> None:
        """Give every line the deployment of its subscription, and the country of that."""
        for line in self.lines:
            deployment_id = self.seats(line).deployment_id
            if deployment_id:
                line.deployment = self._deployments[deployment_id]
                line.place(line.deployment.country)

    def term_start(self, line: LineCase) -> date:
        """The anniversary that opens the term a line renews into."""
        seats = self.seats(line)
        if seats.is_open or seats.expired_on is None:
            return seats.renewal_date
        return seats.expired_on

    def effective_at(self, line: LineCase) -> datetime:
        """Now, or for what is previewed before its anniversary the beginning of that day."""
        return max(self.now, midnight(self.term_start(line)))

    def will_renew(self, line: LineCase) -> bool:
        """Whether the life of a line's product allows its renewal (catalog.md 5.4): on the
        anniversary while the subscription is open, afterwards on the Pacific day."""
        day = self.term_start(line) if self.seats(line).is_open else self.day
        product = line.known_product
        committed = covers(self.customer, product.offer_type, day)
        return can_renew(self.catalog, product, day, committed=committed)

    def status(self, line: LineCase) -> str:
        """The line status a preview shows (orders.md 6.2)."""
        return ACTIVE if self.will_renew(line) else INACTIVE

    @property
    def anniversary(self) -> date | None:
        """The anniversary that opens the term of the first line."""
        return self.term_start(self.lines[0])

    @property
    def hvd_code(self) -> str | None:
        """The customer's HVD code of the term of the first line."""
        return self._code(self.lines[0])

    @property
    def corrects_codes(self) -> bool:
        """Previews show a migrated customer's own code, or none, whatever was sent."""
        return self.is_preview and hvd.own_code(self.account.customer) is not None

    def entitled(self, line: LineCase) -> Entitlement:
        """What may be bought of a line's offerType in the term of that line (orders.md 3.3)."""
        offer_type = line.known_product.offer_type
        start = self.term_start(line)
        found = self._entitlements.get((start, offer_type))
        if found is None:
            found = renewal_entitlement(
                self.customer,
                offer_type,
                self._renewing(line),
                start,
                self.partner.settings,
                late=not self.seats(line).is_open,
            )
            self._entitlements[start, offer_type] = found
        return found

    def reached(self, line: LineCase) -> Mapping[str, int]:
        """What will have renewed with an open subscription; else what is held after the order."""
        return self._renewing(line) if self.seats(line).is_open else super().reached(line)

    def entitlements(self) -> Iterator[Entitlement]:
        """Those that were needed."""
        yield from self._entitlements.values()

    def resolve(self, line: LineCase) -> None:
        """Find the best offer of a line, or the last one of a product that has ended."""
        if line.best is None:
            line.best = self._offer(line, best_offer)
            if line.best is None and self.is_preview and not self.will_renew(line):
                line.best = self._offer(line, ended_offer)

    def _offer(self, line: LineCase, find: Callable[..., BestOffer | None]) -> BestOffer | None:
        return find(
            self.catalog,
            line.known_product,
            self.entitled(line),
            region=line.region,
            currency=line.currency,
            day=self.day,
            hvd_code=self._code(line),
        )

    def _code(self, line: LineCase) -> str | None:
        return renewal_hvd_code(
            self.customer, self._renewing(line), self.term_start(line), self.partner.settings
        )

    def _renewing(self, line: LineCase) -> Counter[str]:
        """What will have renewed per offerType in the term of a line, these lines included."""
        start = self.term_start(line)
        found = self._totals.get(start)
        if found is None:
            found = Counter(renewed_totals(renewals_since(self.account, start), self.catalog))
            for one in self.lines:
                product = one.known_product
                if (
                    self.term_start(one) == start
                    and product.counts_toward_level
                    and self.will_renew(one)
                ):
                    found[product.offer_type] += one.request.quantity
            self._totals[start] = found
        return found
