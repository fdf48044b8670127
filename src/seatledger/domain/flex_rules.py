"""Whether a line may use a flexible discount (catalog.md 7.2-7.4), whatever order it stands in."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from msgspec import Struct

from seatledger.domain.benefits import ACCEPTED, Commitment, CommitmentRequest, ThreeYearCommit
from seatledger.domain.calendar import add_years, utc_day
from seatledger.domain.catalog import Product
from seatledger.domain.commitments import binding
from seatledger.domain.discounts import (
    CURRENT_YEAR,
    EXISTING_3YC,
    FIRST_YEAR,
    INTRO,
    NON_3YC,
    FlexDiscount,
    FlexDiscounts,
)
from seatledger.domain.levels import CONSUMABLES, LICENSE, OFFER_TYPES
from seatledger.domain.model import Account, Customer, Redemption, Subscription

INVALID = "Invalid Flexible Discount"
_SEGMENT = "MARKET_SEGMENT_MISMATCH"
_STATUS = "INELIGIBLE_COMMITMENT_STATUS"
_QUANTITY = f"{_STATUS}_OR_COMMIT_QUANTITY"
_SCOPE = f"{_STATUS}_OR_NOT_ELIGIBLE"

Refusal = tuple[str, str | None]


class Asking(Struct, frozen=True):
    """A line that asks for a discount, beside who asks and when.

    `order_type` is NEW or RENEWAL. `customer` is as it stands for the line, `account` holds its
    subscriptions and redemptions and the partner's spent codes. `reached` are the qualifying seats
    per offerType that it will hold with the order; only discounts with commitment criteria look at
    them. A discount `comes_back` where a renewal applies it by itself.
    """

    account: Account
    customer: Customer
    product: Product
    country: str
    currency: str
    order_type: str
    at: datetime
    reached: Mapping[str, int]
    comes_back: bool = False


class Uses:
    """The uses that earlier lines of an order make of discounts."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, found: FlexDiscount, product_key: str) -> None:
        """Count a line of a product that was granted a discount."""
        self._counts.update(((found.id, ""), (found.id, product_key)))

    def of(self, found: FlexDiscount, product_key: str = "") -> int:
        """How many lines, or those of one product, use a discount."""
        return self._counts[found.id, product_key]


def is_not_base(product: Product, found: FlexDiscount | None) -> bool:
    """Whether a product takes no discount: add-ons, and consumables that it does not name."""
    if product.add_on_for:
        return True
    is_named = found is None or found.names_product(product.key)
    return product.offer_type == CONSUMABLES and not is_named


def disqualification(asking: Asking, found: FlexDiscount, uses: Uses) -> Refusal | None:
    """(code, reason) that keeps a line from a discount, None if it qualifies (7.4 rows 5-7)."""
    if asking.customer.segment not in found.segments:
        return "2141", _SEGMENT
    if found.always_fails or not (
        is_in_time(found, asking.account.redemptions, asking.at)
        and found.covers_product(asking.product.key)
        and found.covers_place(asking.country, asking.currency)
        and asking.order_type in found.order_types
        and _is_own(asking, found)
        and _is_left(asking, found, uses)
        and _intro_is_new(asking, found, uses)
    ):
        return "2141", INVALID
    return _commitment_refusal(asking, found) if found.three_year_commit else None


def discount_meant(
    discounts: FlexDiscounts,
    code: str,
    segment: str,
    redemptions: Iterable[Redemption],
    at: datetime,
) -> FlexDiscount | None:
    """The discount a code means for a customer of a segment with these redemptions.

    A code may return in another year: the one that runs at `at` goes before one that the customer
    may still reuse, that before any other.
    """
    found = discounts.find(code, segment, at)
    if found is None or is_in_time(found, redemptions, at):
        return found
    reused = (
        one
        for one in discounts.with_code(code)
        if segment in one.segments and is_in_time(one, redemptions, at)
    )
    return next(reused, found)


def is_in_time(found: FlexDiscount, redemptions: Iterable[Redemption], at: datetime) -> bool:
    """Begun and not ended, or still reusable for a customer with these redemptions."""
    if found.code_expiry is not None and at > found.code_expiry:
        return False
    if found.start <= at <= found.end:
        return True
    if found.lock_end is None or not found.end < at <= found.lock_end:
        return False
    return was_used(found, redemptions)


def was_used(found: FlexDiscount, redemptions: Iterable[Redemption]) -> bool:
    """Whether a customer used a discount while it ran, and kept what it bought (7.2)."""
    return any(
        one.discount_id == found.id and not one.returned and one.redeemed_at <= found.end
        for one in redemptions
    )


def _is_own(asking: Asking, found: FlexDiscount) -> bool:
    return not found.customer_id or found.customer_id == asking.customer.customer_id


def _is_left(asking: Asking, found: FlexDiscount, uses: Uses) -> bool:
    """A one-time code is spent by anyone's use, other limits count a customer's own.

    What was bought with a closed code and given back still counts.
    """
    if found.one_time_closed and found.id in asking.account.closed_codes_taken:
        return False
    if found.max_redemptions is None:
        return True
    before = sum(
        one.discount_id == found.id and (found.is_closed or not one.returned)
        for one in asking.account.redemptions
    )
    return before + uses.of(found) < found.max_redemptions


def _intro_is_new(asking: Asking, found: FlexDiscount, uses: Uses) -> bool:
    """An introductory price needs a product never owned; full returns do not count."""
    if found.category != INTRO:
        return True
    key = asking.product.key
    owned = any(
        one.product_key == key and not _was_given_back(one) for one in asking.account.subscriptions
    )
    used = any(
        one.discount_id == found.id and one.product_key == key and not one.returned
        for one in asking.account.redemptions
    )
    return not (owned or used or uses.of(found, key))


def _was_given_back(subscription: Subscription) -> bool:
    return not subscription.is_open and subscription.current_quantity == 0


# --- criteria of a three-year commit (7.3) ---------------------------------------------------


def _commitment_refusal(asking: Asking, found: FlexDiscount) -> Refusal | None:
    commit = asking.customer.three_year_commit
    if found.three_year_commit == NON_3YC:
        return ("2141", _SCOPE) if commit is not None and _is_bound(commit) else None
    if commit is None:
        return "2166", None
    held = commit.running
    if found.three_year_commit == EXISTING_3YC:
        return ("2141", _STATUS) if held is None else _terms_refusal(asking, found, held)
    if held is not None:
        return _terms_refusal(asking, found, held) if held.number == 1 else ("2141", _STATUS)
    asked = commit.request
    if commit.commitment is not None or asked is None or asked.status != ACCEPTED:
        return "2141", _STATUS
    if not any(_binds(asking, one) for one in OFFER_TYPES):
        return "2141", _QUANTITY
    return _terms_refusal(asking, found, asked)


def _is_bound(commit: ThreeYearCommit) -> bool:
    accepted = (one for one in (commit.request, commit.recommitment) if one)
    return commit.running is not None or any(one.status == ACCEPTED for one in accepted)


def _binds(asking: Asking, offer_type: str) -> bool:
    """Whether the order reaches the accepted minimum of an offerType."""
    return binding(asking.customer, offer_type, asking.reached.get(offer_type, 0)) is not None


def _terms_refusal(
    asking: Asking, found: FlexDiscount, terms: Commitment | CommitmentRequest
) -> Refusal | None:
    """Quantity and scope under a commitment, or under the request that the order fills."""
    least, minimum = found.min_commit_quantity, terms.minimum(LICENSE)
    if least is not None and not (least <= minimum <= asking.reached.get(LICENSE, 0)):
        return "2141", _QUANTITY
    return ("2141", _SCOPE) if _is_over(asking, found, terms) else None


def _is_over(asking: Asking, found: FlexDiscount, terms: Commitment | CommitmentRequest) -> bool:
    """Whether the part of the commitment a discount is for has passed.

    Any use in a year begins CURRENT_YEAR anew, but what a renewal brings back was used in the year
    before.
    """
    if found.commit_scope == CURRENT_YEAR:
        return asking.comes_back
    if found.commit_scope != FIRST_YEAR or terms.end_date is None:
        return False
    return utc_day(asking.at) >= _second_year(terms.end_date)


def _second_year(end: date) -> date:
    """The anniversary on which the second year of a commitment begins (accounts.md 10.3)."""
    return add_years(end + timedelta(days=1), -2)
