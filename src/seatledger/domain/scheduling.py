"""Scheduled subscriptions: bought now, to start with the next term (subscriptions.md 6)."""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from seatledger.contract.countries import price_region
from seatledger.contract.limits import MAX_QUANTITY
from seatledger.contract.statuses import ACTIVE, SCHEDULED
from seatledger.domain.calendar import pacific_day, utc_day
from seatledger.domain.catalog import Catalog, Offer, PriceRow, Product
from seatledger.domain.growth import OptIn, next_term_is_open, opt_in_refusal
from seatledger.domain.levels import CONSUMABLES
from seatledger.domain.life import can_renew
from seatledger.domain.model import Account, Deployment, Partner, Subscription
from seatledger.domain.outcome import Refused
from seatledger.domain.subscriptions import CODES_PATH, QUANTITY_PATH, minimum_quantity

_CURRENCY = ("currencyCode",)


class Wanted(Struct, frozen=True):
    """What is to be scheduled; "" and () mean not sent."""

    offer_id: str
    quantity: int
    currency: str = ""
    deployment_id: str = ""
    renewal_code: str = ""
    flex_codes: tuple[str, ...] = ()
    tracker_id: str = ""


class _Case:
    """A scheduled purchase under judgement: the request, and the facts its checks look at."""

    def __init__(
        self, wanted: Wanted, account: Account, partner: Partner, catalog: Catalog, now: datetime
    ) -> None:
        self.wanted = wanted
        self.account = account
        self.customer = account.customer
        self.partner = partner
        self.catalog = catalog
        self.today = utc_day(now)
        self.day = pacific_day(now)
        self.offer: Offer | None = catalog.offers.get(wanted.offer_id)
        self.product = catalog.product_of(wanted.offer_id)
        self.currency = wanted.currency or default_currency(account) or ""
        self.deployment = _active_deployment(account, wanted.deployment_id)

    @property
    def known_product(self) -> Product:
        """The product, once it is known to exist."""
        assert self.product is not None
        return self.product

    @property
    def rows(self) -> list[PriceRow]:
        """The price rows of the product at any level: the renewal picks the level."""
        return self.catalog.rows_of_product(self.known_product.key)


def schedule(
    wanted: Wanted,
    account: Account,
    partner: Partner,
    catalog: Catalog,
    now: datetime,
    subscription_id: str,
) -> Subscription | Refused:
    """Judge a scheduled purchase at the business instant `now`, in the order of
    subscriptions.md 6. Its form has been checked."""
    case = _Case(wanted, account, partner, catalog, now)
    for check in _CHECKS:
        refused = check(case)
        if refused is not None:
            return refused
    assert case.customer.coterm_date is not None
    product = case.known_product
    return Subscription(
        subscription_id=subscription_id,
        customer_id=case.customer.customer_id,
        partner_id=case.customer.partner_id,
        product_key=product.key,
        offer_id=product.base_offer_id,
        current_quantity=0,
        used_quantity=0,
        auto_renewal=True,
        explicit_quantity=wanted.quantity,
        created_at=now,
        renewal_date=case.customer.coterm_date,
        status=SCHEDULED,
        deployment_id=wanted.deployment_id,
        currency=case.currency,
        flex_codes=wanted.flex_codes,
        position=1 + max((one.position for one in account.subscriptions), default=0),
        tracker_id=wanted.tracker_id,
    )


def default_currency(account: Account) -> str | None:
    """The currency of the customer's active subscriptions; "" without any, None if they differ."""
    found = {one.currency for one in account.subscriptions if one.status == ACTIVE}
    if len(found) > 1:
        return None
    return found.pop() if found else ""


def _active_deployment(account: Account, deployment_id: str) -> Deployment | None:
    return next(
        (
            one
            for one in account.deployments
            if one.deployment_id == deployment_id and one.status == ACTIVE
        ),
        None,
    )


def _check_window(case: _Case) -> Refused | None:
    """Only from thirty to three days before the anniversary."""
    anniversary = case.customer.coterm_date
    if anniversary is None or next_term_is_open(anniversary, case.today):
        return None
    return Refused("3122")


def _check_offer(case: _Case) -> Refused | None:
    """The offer exists, is on sale already, and of a program the partner sells."""
    if case.product is None or all(row.first_day > case.day for row in case.rows):
        return Refused("2122", ("offerId",))
    if case.product.program not in case.partner.programs:
        return Refused("2124", ("offerId",))
    return None


def _check_currency(case: _Case) -> Refused | None:
    """Contracted for the region, and the product sold there in it.

    Where the deployment is unknown there is no region, without a currency nothing active: both
    are refused further down.
    """
    if not case.currency or (case.wanted.deployment_id and case.deployment is None):
        return None
    country = case.deployment.country if case.deployment else case.customer.country
    region = price_region(country)
    regions = {row.region for row in case.rows if row.currency == case.currency}
    if not case.partner.sells(region, case.currency) or (regions and region not in regions):
        return Refused("2125", _CURRENCY)
    return None if regions else Refused("2128", _CURRENCY)


def _check_deployment(case: _Case) -> Refused | None:
    """Deployments need partner and customer enabled for global sales."""
    if not case.wanted.deployment_id:
        return None
    if not case.partner.global_sales_enabled:
        return Refused("1139")
    if not case.customer.global_sales:
        return Refused("1140")
    return None if case.deployment else Refused("2138", ("deploymentId",))


def _check_eligibility(case: _Case) -> Refused | None:
    """Not held already, for the customer's segment, an add-on beside its base."""
    reason = ""
    if _is_held(case):
        reason = "CUSTOMER_NOT_ELIGIBLE_FOR_PURCHASE"
    elif not _fits_segment(case):
        reason = "INELIGIBLE_MARKET_SEGMENT"
    elif not _has_base(case):
        reason = "INELIGIBLE_ADD_ON"
    return Refused("2129", (f"Reason: {reason}",)) if reason else None


def _is_held(case: _Case) -> bool:
    key = (case.known_product.key, case.wanted.deployment_id, case.currency)
    return any(one.key == key for one in case.account.subscriptions if one.is_open)


def _fits_segment(case: _Case) -> bool:
    """The segment of customer and reseller, and one of the sub-segments an EDU offer asks for."""
    segment = case.known_product.segment
    if segment != case.customer.segment or segment not in case.account.reseller_segments:
        return False
    asked = case.offer.sub_segments if case.offer and segment == "EDU" else frozenset()
    return not asked or bool(asked & set(case.customer.sub_segments))


def _has_base(case: _Case) -> bool:
    """Whether a product the add-on belongs to will be there in the next term, in the same place."""
    bases = case.known_product.add_on_for
    return not bases or any(
        one.product_key in bases
        and one.deployment_id == case.wanted.deployment_id
        and one.status in (ACTIVE, SCHEDULED)
        and one.auto_renewal
        for one in case.account.subscriptions
    )


def _check_kind(case: _Case) -> Refused | None:
    """Consumables, credit packs and one-time products are not scheduled."""
    product = case.known_product
    is_licence = product.renewable and product.offer_type != CONSUMABLES
    return None if is_licence else Refused("3132")


def _check_life(case: _Case) -> Refused | None:
    """The product is still sold at the anniversary; a commitment prolongs no sale."""
    anniversary = case.customer.coterm_date or case.today
    if can_renew(case.catalog, case.known_product, anniversary, committed=False):
        return None
    return Refused("3123")


def _check_term(case: _Case) -> Refused | None:
    """There is a term to follow: something co-term is active and ends on an anniversary."""
    runs = any(one.status == ACTIVE and not one.own_line for one in case.account.subscriptions)
    return None if runs and case.customer.coterm_date is not None else Refused("3120")


def _check_quantity(case: _Case) -> Refused | None:
    least = minimum_quantity(case.catalog, case.wanted.offer_id)
    most = MAX_QUANTITY[case.known_product.program]
    return None if least <= case.wanted.quantity <= most else Refused("3116", (QUANTITY_PATH,))


def _check_growth(case: _Case) -> Refused | None:
    wanted = case.wanted
    opt_in = OptIn(
        wanted.renewal_code, case.known_product, case.currency, wanted.quantity, wanted.offer_id
    )
    return opt_in_refusal(opt_in, case.account, case.catalog, case.today)


def _check_flex_codes(case: _Case) -> Refused | None:
    return Refused("2147", (CODES_PATH,)) if len(case.wanted.flex_codes) > 1 else None


_CHECKS: tuple[Callable[[_Case], Refused | None], ...] = (
    _check_window,
    _check_offer,
    _check_currency,
    _check_deployment,
    _check_eligibility,
    _check_kind,
    _check_life,
    _check_term,
    _check_quantity,
    _check_growth,
    _check_flex_codes,
)
