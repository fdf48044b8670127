"""Auto-renewal settings of a subscription: their three states, and what a change must pass.

subscriptions.md 2, 3 and 7. Settings are evaluated at the renewal alone, never before.
"""

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from seatledger.contract.limits import MAX_QUANTITY
from seatledger.contract.statuses import INACTIVE, PENDING, SCHEDULED
from seatledger.domain.calendar import add_years, pacific_day, utc_day
from seatledger.domain.catalog import Catalog
from seatledger.domain.commitments import counts_toward, covers, floor_of
from seatledger.domain.growth import OptIn, opt_in_refusal
from seatledger.domain.life import can_renew
from seatledger.domain.model import Account, Customer, Partner, PartnerSettings, Subscription
from seatledger.domain.outcome import Refused

MANUAL_RENEWAL = "MANUAL_RENEWAL"
QUANTITY_PATH = "autoRenewal.renewalQuantity"
CODES_PATH = "autoRenewal.flexDiscountCodes"
CODE_PATH = "autoRenewal.renewalCode"
_MANUAL_ON_ONE_TIME = "manual_renewal_on_one_time"


class Change(Struct, frozen=True):
    """What an update asks of the settings.

    `quantity` UNSET is not sent, None means all seats; `enabled` and `flex_codes` None are not
    sent, `renewal_code` is then "".
    """

    enabled: bool | None = None
    quantity: int | UnsetType | None = UNSET
    flex_codes: tuple[str, ...] | None = None
    renewal_code: str = ""
    resets_flex_codes: bool = False


class _Case:
    """An update under judgement: the subscription before and after it, and the facts."""

    def __init__(
        self,
        stored: Subscription,
        change: Change,
        account: Account,
        partner: Partner,
        catalog: Catalog,
        today: date,
    ) -> None:
        self.before = stored
        self.after = with_settings(stored, change)
        self.change = change
        self.account = account
        self.settings = partner.settings
        self.catalog = catalog
        self.product = catalog.products.get(stored.product_key)
        self.today = today

    @property
    def turns_on(self) -> bool:
        return self.after.auto_renewal and not self.before.auto_renewal

    @property
    def raises(self) -> bool:
        return (
            self.after.auto_renewal and self.after.renewal_quantity > self.before.renewal_quantity
        )


def update(
    stored: Subscription,
    change: Change,
    account: Account,
    partner: Partner,
    catalog: Catalog,
    today: date,
) -> Subscription | Refused:
    """Judge a change of settings on the UTC day `today`, in the order of subscriptions.md 7.

    `account` holds the customer's subscriptions and its system RENEWAL orders in 1002. The form
    of the change has been checked.
    """
    case = _Case(stored, change, account, partner, catalog, today)
    for check in _CHECKS:
        refused = check(case)
        if refused is not None:
            return refused
    return case.after


def with_settings(stored: Subscription, change: Change) -> Subscription:
    """The subscription with changed settings (the table of subscriptions.md 2).

    Switching on without a quantity means all seats; a scheduled subscription has none yet and
    keeps its quantity. While switched off a quantity is not looked at, nor forgotten.
    """
    enabled = stored.auto_renewal if change.enabled is None else change.enabled
    explicit = stored.explicit_quantity
    if enabled and not isinstance(change.quantity, UnsetType):
        explicit = change.quantity
    elif enabled and not stored.auto_renewal and stored.status != SCHEDULED:
        explicit = None
    codes = () if change.resets_flex_codes else stored.flex_codes
    return replace(
        stored,
        auto_renewal=enabled,
        explicit_quantity=explicit,
        flex_codes=codes if change.flex_codes is None else change.flex_codes,
    )


def is_renewal_pending(account: Account, today: date) -> bool:
    """Whether the anniversary has come and its run has not settled (subscriptions.md 8)."""
    return any(one.renewal_date <= today for one in account.open_coterm) or any(
        order.order_type == "RENEWAL" and order.source == "System"
        for order in account.pending_orders
    )


def minimum_quantity(catalog: Catalog, offer_id: str) -> int:
    """The minimum purchase quantity of an offer, 1 where the list states none (catalog.md 9)."""
    offer = catalog.offers.get(offer_id)
    return offer.minimum_purchase if offer is not None else 1


def _check_editable(case: _Case) -> Refused | None:
    """5: inactive or reserved subscriptions, and every one while the renewal is pending."""
    closed = case.before.status in (INACTIVE, PENDING)
    return Refused("3119") if closed or is_renewal_pending(case.account, case.today) else None


def _check_quantity(case: _Case) -> Refused | None:
    """6: a quantity sent for an enabled renewal lies within the product's limits.

    A scheduled subscription has no seats that "all" could mean.
    """
    quantity = case.change.quantity
    if isinstance(quantity, UnsetType) or not case.after.auto_renewal:
        return None
    if quantity is None:
        return Refused("3116", (QUANTITY_PATH,)) if case.before.status == SCHEDULED else None
    least = minimum_quantity(case.catalog, case.before.offer_id)
    most = MAX_QUANTITY[case.product.program] if case.product else case.before.current_quantity
    return None if least <= quantity <= most else Refused("3116", (QUANTITY_PATH,))


def _check_life(case: _Case) -> Refused | None:
    """7: no more of a product that will have ended at the anniversary."""
    if not (case.turns_on or case.raises):
        return None
    return None if _lives_on(case.before, case) else Refused("3123")


def _lives_on(one: Subscription, case: _Case) -> bool:
    """Whether the life of a subscription's product allows its next renewal."""
    product = case.catalog.products.get(one.product_key)
    if product is None:
        return False
    committed = covers(case.account.customer, product.offer_type, one.renewal_date)
    return can_renew(case.catalog, product, one.renewal_date, committed=committed)


def _check_renewable(case: _Case) -> Refused | None:
    """8: one-time and introductory products do not renew."""
    if case.turns_on and case.product is not None and not case.product.renewable:
        return Refused("3120", ("Reason: NOT_RENEWABLE",))
    return None


def _check_growth(case: _Case) -> Refused | None:
    """9: a renewal code is subject to the rules of High Growth Offers."""
    if not case.change.renewal_code:
        return None
    if case.product is None:
        return Refused("5123", (CODE_PATH,))
    wanted = OptIn(
        case.change.renewal_code,
        case.product,
        case.before.currency,
        case.after.renewal_quantity,
        switches_off=not case.after.auto_renewal,
    )
    return opt_in_refusal(wanted, case.account, case.catalog, case.today)


def _check_commitment(case: _Case) -> Refused | None:
    """10: what renews is not lowered to less than a committed minimum."""
    if case.product is None:
        return None
    offer_type = case.product.offer_type
    floor = floor_of(case.account.customer, offer_type, case.settings)
    held = case.account.subscriptions
    before = _renewing(held, offer_type, case)
    changed = (one for one in held if one.subscription_id != case.after.subscription_id)
    after = _renewing((*changed, case.after), offer_type, case)
    return Refused("3120", ("Reason: THREE_YEAR_COMMIT",)) if after < min(before, floor) else None


def _renewing(held: Iterable[Subscription], offer_type: str, case: _Case) -> int:
    """The seats of one offerType set to renew, as a commitment counts them."""
    return sum(
        one.renewal_quantity
        for one in held
        if one.is_open
        and one.auto_renewal
        and counts_toward(case.catalog, one.product_key, offer_type)
        and _lives_on(one, case)
    )


def _check_flex_codes(case: _Case) -> Refused | None:
    """12: one flexible discount at most; whether it is any good shows at the renewal."""
    codes = case.change.flex_codes
    return Refused("2147", (CODES_PATH,)) if codes and len(codes) > 1 else None


_CHECKS: tuple[Callable[[_Case], Refused | None], ...] = (
    _check_editable,
    _check_quantity,
    _check_life,
    _check_renewable,
    _check_growth,
    _check_commitment,
    _check_flex_codes,
)


def in_late_window(
    one: Subscription, account: Account, settings: PartnerSettings, today: date
) -> bool:
    """Whether a subscription that expired on its anniversary may still be renewed late, as far
    as its term goes (orders.md 2.9 #74, subscriptions.md 3); `today` is a UTC day.

    Not after a full return, nor once a fresh term or a purchase has taken its place.
    """
    lapsed = one.expired_on
    if one.status != INACTIVE or lapsed is None:
        return False
    last = lapsed + timedelta(days=settings.late_renewal_days)
    if not lapsed <= today <= last:
        return False
    return bool(one.own_line) or not (
        _has_fresh_term(account.customer, lapsed) or _is_held(one, account)
    )


def _has_fresh_term(customer: Customer, lapsed: date) -> bool:
    """Whether a purchase has opened a term since: one that does not adjoin the lapsed one.

    Renewing anything of the lapsed term prolongs that by a year.
    """
    return customer.coterm_date not in (lapsed, add_years(lapsed, 1))


def _is_held(one: Subscription, account: Account) -> bool:
    """Whether an open subscription has the same key."""
    return any(other.key == one.key for other in account.open_coterm)


def allowed_actions(
    one: Subscription, account: Account, catalog: Catalog, partner: Partner, now: datetime
) -> tuple[str, ...]:
    """What may be done with a subscription at the business instant `now`: MANUAL_RENEWAL or
    nothing (subscriptions.md 3)."""
    if not in_late_window(one, account, partner.settings, utc_day(now)):
        return ()
    product = catalog.products.get(one.product_key)
    if product is None:
        return ()
    if not product.renewable:
        return (MANUAL_RENEWAL,) if _MANUAL_ON_ONE_TIME in partner.quirks else ()
    day = pacific_day(now)
    committed = covers(account.customer, product.offer_type, day)
    sold = can_renew(catalog, product, day, committed=committed)
    return (MANUAL_RENEWAL,) if sold else ()
