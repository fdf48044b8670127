"""One NEW or PREVIEW order under judgement: the request beside the facts its checks look at."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cached_property

from seatledger.contract.countries import price_region
from seatledger.contract.statuses import PREVIEW_ORDER_TYPES
from seatledger.domain.calendar import pacific_day, utc_day
from seatledger.domain.catalog import Catalog, Offer, PriceRow, Product
from seatledger.domain.commitments import held_quantity
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.hvd import code_in_force
from seatledger.domain.levels import CONSUMABLES, LICENSE, OFFER_TYPES
from seatledger.domain.model import Account, Deployment, FlexResult, OrderLine, Partner
from seatledger.domain.orders.entitlement import BestOffer, Entitlement, best_offer, entitlement
from seatledger.domain.orders.request import OrderRequest, RequestLine
from seatledger.domain.terms import opens_term, present_customer


class LineCase:
    """A line and what has been found out about it so far.

    `offer` (the one asked for) and `product` are None until check 27 has passed; `offer_id`,
    `row`, `discount_code` and `flex` are the outcome.
    """

    __slots__ = (
        "best",
        "country",
        "currency",
        "deployment",
        "discount_code",
        "flex",
        "key",
        "offer",
        "offer_id",
        "product",
        "region",
        "request",
        "row",
    )

    def __init__(self, request: RequestLine, currency: str, country: str) -> None:
        self.request = request
        self.currency = currency
        # Identity of the subscription it feeds: product, deployment, currency.
        self.key = (request.offer_id[:10], request.deployment_id, currency)
        self.deployment: Deployment | None = None
        self.place(country)
        self.product: Product | None = None
        self.offer: Offer | None = None
        self.best: BestOffer | None = None
        self.offer_id = request.offer_id
        self.row: PriceRow | None = None
        self.discount_code = ""
        self.flex: tuple[FlexResult, ...] = ()

    def place(self, country: str) -> None:
        """Set the country that picks the price region: the deployment's, else the customer's."""
        self.country = country
        self.region = price_region(country)

    @property
    def number(self) -> int:
        """extLineItemNumber."""
        return self.request.number

    @property
    def known_product(self) -> Product:
        """The product, once check 27 has passed."""
        assert self.product is not None
        return self.product

    @property
    def known_offer(self) -> Offer:
        """The offer asked for, once check 27 has passed."""
        assert self.offer is not None
        return self.offer


class OrderCase:
    """The order under judgement. Checks read it in contract order and fill in the lines."""

    def __init__(
        self,
        request: OrderRequest,
        account: Account,
        partner: Partner,
        catalog: Catalog,
        discounts: FlexDiscounts,
        now: datetime,
    ) -> None:
        self.request = request
        self.account = account
        self.partner = partner
        self.catalog = catalog
        self.discounts = discounts
        self.now = now
        self.today = utc_day(now)
        self.customer = present_customer(account, self.today)
        self.opens_term = opens_term(account, self.today)
        self.day = pacific_day(now)
        self.is_preview = request.order_type in PREVIEW_ORDER_TYPES
        country = account.customer.country
        self.lines = [LineCase(one, request.currency_of(one), country) for one in request.lines]
        self._entitled: dict[str, Entitlement] = {}
        self._best: dict[tuple[str, str, str], BestOffer | None] = {}

    @cached_property
    def hvd_code(self) -> str | None:
        """The customer's own code of the older program, None for everyone else."""
        return code_in_force(self.customer)

    @property
    def corrects_codes(self) -> bool:
        """Whether a sent discountCode does not matter: previews show the customer's own one."""
        return self.is_preview and self.hvd_code is not None

    @property
    def anniversary(self) -> date | None:
        """The co-term date new lines end on; None when this order opens a term.

        A lapsed date counts only while something co-term still runs (orders.md 1.5).
        """
        return None if self.opens_term else self.customer.coterm_date

    def entitled(self, line: LineCase) -> Entitlement:
        """The order's entitlement for the offerType of a line's product."""
        product = line.known_product
        found = self._entitled.get(product.offer_type)
        if found is None:
            lines = [
                (one.product, one.request.quantity) for one in self.lines if one.product is not None
            ]
            held = 0
            if self.customer.three_year_commit is not None:
                held = held_quantity(self.account, self.catalog, product.offer_type)
            found = entitlement(self.customer, product.offer_type, lines, held)
            self._entitled[product.offer_type] = found
        return found

    def entitlements(self) -> Iterator[Entitlement]:
        """Those that were needed, licences first."""
        for offer_type in (LICENSE, CONSUMABLES):
            if offer_type in self._entitled:
                yield self._entitled[offer_type]

    def resolve(self, line: LineCase) -> None:
        """Find the best offer of a line; lines of one product share it."""
        product = line.known_product
        place = (product.key, line.region, line.currency)
        if place not in self._best:
            self._best[place] = best_offer(
                self.catalog,
                product,
                self.entitled(line),
                region=line.region,
                currency=line.currency,
                day=self.day,
                hvd_code=self.hvd_code,
            )
        line.best = self._best[place]

    def reached(self, line: LineCase) -> Mapping[str, int]:
        """The qualifying seats per offerType that are held once the order of a line is through."""
        seats: dict[str, int] = {
            one: held_quantity(self.account, self.catalog, one) for one in OFFER_TYPES
        }
        for one in self.lines:
            product = one.known_product
            if product.counts_toward_level:
                seats[product.offer_type] += one.request.quantity
        return seats

    def effective_at(self, line: LineCase) -> datetime:
        """The instant at which a line takes effect: discounts are judged as they stand then."""
        return self.now

    def in_flight(self) -> Iterator[OrderLine]:
        """Lines of accepted NEW orders that have not settled."""
        for order in self.account.pending_orders:
            if order.order_type == "NEW":
                yield from order.lines
