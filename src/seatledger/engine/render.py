"""Domain values as API resources, and their bytes."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET

from seatledger.contract import errors
from seatledger.contract.resources import (
    AutoRenewalOut,
    BenefitOut,
    CommitmentOut,
    CustomerOut,
    DeploymentOut,
    DeploymentProfile,
    DiscountOut,
    EligibilityCriteriaOut,
    EligibleOfferOut,
    ErrorOut,
    FlexDiscountOut,
    Link,
    MinimumQuantityOut,
    OrderLineOut,
    OrderOut,
    PricingOut,
    PricingSummaryOut,
    PromotionOut,
    ReducedSubscriptionOut,
    ResellerOut,
    SelfLinks,
    SubscriptionList,
    SubscriptionOut,
)
from seatledger.contract.statuses import COMPLETED_ORDER_STATUSES, RENEWAL_ORDER_TYPES
from seatledger.domain.addresses import normalized_address
from seatledger.domain.benefits import EXPIRED, Commitment, CommitmentRequest
from seatledger.domain.commitments import price_lock
from seatledger.domain.growth import EligibleOffer
from seatledger.domain.model import (
    Customer,
    Deployment,
    Order,
    OrderLine,
    Price,
    Reseller,
    Subscription,
)
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.request import OrderRequest
from seatledger.domain.outcome import Refused
from seatledger.domain.pricing import minor_digits, smallest_amount

_THREE_YEAR_COMMIT = "THREE_YEAR_COMMIT"
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)

# Quirks of accounts.md 10.4 and 18.
_ENDED_VANISH = "null_ended_commitments"
_LICENSES_ALONE = "omit_consumables_discount_when_license_3yc"


def encode(value: Any) -> bytes:
    """The JSON bytes of an answer; amounts become JSON numbers with their own digits."""
    return _ENCODER.encode(value)


def refusal(refused: Refused) -> tuple[int, bytes]:
    """HTTP status and envelope of a refusal (platform.md 6)."""
    form = errors.form(refused.code, refused.variant)
    details = refused.details if form.has_details else UNSET
    return form.http_status, encode(ErrorOut(form.code, form.message, details))


def timestamp(instant: datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ`, truncated to seconds (platform.md 10)."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def self_links(uri: str) -> SelfLinks:
    """links.self of a resource."""
    return SelfLinks(Link(uri))


def amount(value: Decimal, currency: str) -> Decimal:
    """An amount with at least the currency's digits, more only where it carries them."""
    least = smallest_amount(currency)
    if value.same_quantum(least):  # nearly always
        return value
    exponent = value.as_tuple().exponent
    is_finer = isinstance(exponent, int) and -exponent > minor_digits(currency)
    return value if is_finer else value.quantize(least)


def preview(request: OrderRequest, accepted: Accepted, customer_id: str) -> OrderOut:
    """The answer of a preview: a decision without id and links.

    Lines of a renewal say with their status whether they will renew.
    """
    lines = accepted.lines
    is_renewal = request.order_type in RENEWAL_ORDER_TYPES
    return OrderOut(
        reference_order_id="",
        order_type=request.order_type,
        external_reference_id=request.external_reference_id,
        order_id="",
        customer_id=customer_id,
        currency_code=_one_currency(lines),
        creation_date=timestamp(accepted.basis.now),
        status="",
        line_items=tuple(
            _line(one, one.status if is_renewal else "", request.fetch_price) for one in lines
        ),
        pricing_summary=_summary(lines) if request.fetch_price else UNSET,
        eligible_offers=tuple(_eligible(one) for one in accepted.eligible) or UNSET,
    )


def _eligible(one: EligibleOffer) -> EligibleOfferOut:
    criteria = EligibilityCriteriaOut(
        one.minimum, (_THREE_YEAR_COMMIT,), one.deployment_id or UNSET
    )
    return EligibleOfferOut(one.offer_id, one.code, criteria)


def placed(order: Order) -> OrderOut:
    """The answer of a POST that made an order."""
    return _order(order, links=True)


def order_by_id(order: Order, *, fetch_price: bool) -> OrderOut:
    """GET by id: both names of the reference."""
    return _order(order, links=True, referenced=True, fetch_price=fetch_price)


def order_in_history(order: Order, *, fetch_price: bool) -> OrderOut:
    """An item of the history."""
    return _order(order, links=True, fetch_price=fetch_price)


def amended_order(order: Order) -> OrderOut:
    """The answer of PATCH: both names of the reference, no links (S-186, S-188)."""
    return _order(order, links=False, referenced=True)


def _order(
    order: Order, *, links: bool, referenced: bool = False, fetch_price: bool = False
) -> OrderOut:
    priced = (
        fetch_price
        and order.status in COMPLETED_ORDER_STATUSES
        and order.currency != ""
        and all(line.price is not None for line in order.lines)
    )
    uri = f"/v3/customers/{order.customer_id}/orders/{order.order_id}"
    is_return = order.order_type == "RETURN"
    return OrderOut(
        reference_order_id=order.reference_order_id,
        order_type=order.order_type,
        external_reference_id=order.external_reference_id,
        order_id=order.order_id,
        customer_id=order.customer_id,
        currency_code=order.currency,
        creation_date=timestamp(order.created_at),
        status=order.status,
        line_items=tuple(_line(one, one.status, priced, days=not is_return) for one in order.lines),
        referenced_order_id=order.reference_order_id if referenced else UNSET,
        source=order.source,
        pricing_summary=_summary(order.lines) if priced else UNSET,
        links=self_links(uri) if links else UNSET,
    )


def _line(line: OrderLine, status: str, priced: bool, *, days: bool = True) -> OrderLineOut:
    price = line.price if priced else None
    results: tuple[FlexDiscountOut, ...] = ()
    promotions: tuple[PromotionOut, ...] = ()
    if line.flex:
        results = tuple(FlexDiscountOut(one.id, one.code, one.result) for one in line.flex)
    if line.alias_used:
        promotions = tuple(PromotionOut(one.code, one.result) for one in line.flex)
    shown_days = price.days if price is not None and days else None
    return OrderLineOut(
        ext_line_item_number=line.number,
        offer_id=line.offer_id,
        quantity=line.quantity,
        subscription_id=line.subscription_id,
        status=status,
        currency_code=line.currency,
        deployment_id=line.deployment_id or UNSET,
        discount_code=line.discount_code or UNSET,
        flex_discounts=results or UNSET,
        promotions=promotions or UNSET,
        prorated_days=UNSET if shown_days is None else shown_days,
        pricing=UNSET if price is None else _pricing(price, line),
    )


def _pricing(price: Price, line: OrderLine) -> PricingOut:
    net = amount(price.net, line.currency)
    total = amount(price.amount, line.currency)
    return PricingOut(
        partner_price=amount(price.partner_price, line.currency),
        discounted_partner_price=amount(price.unit_price, line.currency),
        net_partner_price=net,
        line_item_price=total,
        line_item_partner_price=total,
        prorated_partner_price=net if line.discount_code else UNSET,
    )


def _summary(lines: Iterable[OrderLine]) -> tuple[PricingSummaryOut, ...]:
    totals: dict[str, Decimal] = {}
    for line in lines:
        if line.price is None:
            continue  # a product that will not renew, and has no price left where it is used
        totals[line.currency] = totals.get(line.currency, Decimal(0)) + line.price.amount
    return tuple(
        PricingSummaryOut(amount(total, currency), amount(total, currency), currency)
        for currency, total in totals.items()
    )


def _one_currency(lines: tuple[OrderLine, ...]) -> str:
    first = lines[0].currency
    return first if all(line.currency == first for line in lines) else ""


def subscription(one: Subscription, actions: tuple[str, ...] = ()) -> SubscriptionOut:
    """The Subscription resource (subscriptions.md 1); `actions` are what it allows today."""
    uri = f"/v3/customers/{one.customer_id}/subscriptions/{one.subscription_id}"
    return SubscriptionOut(
        subscription_id=one.subscription_id,
        offer_id=one.offer_id,
        current_quantity=one.current_quantity,
        used_quantity=one.used_quantity,
        auto_renewal=AutoRenewalOut(
            one.auto_renewal, one.renewal_quantity, one.flex_codes or UNSET
        ),
        creation_date=timestamp(one.created_at),
        renewal_date=one.renewal_date.isoformat(),
        status=one.status,
        currency_code=one.currency,
        links=self_links(uri),
        deployment_id=one.deployment_id or UNSET,
        allowed_actions=actions or UNSET,
    )


def reduced_subscription(full: SubscriptionOut) -> ReducedSubscriptionOut:
    """The resource as PATCH answers it under `reduced_subscription_patch_response`."""
    kept = {name: getattr(full, name) for name in ReducedSubscriptionOut.__struct_fields__}
    return ReducedSubscriptionOut(**kept)


def subscriptions(customer_id: str, items: tuple[SubscriptionOut, ...]) -> SubscriptionList:
    """All subscriptions of a customer, in creation order (subscriptions.md 5)."""
    return SubscriptionList(
        len(items), items, self_links(f"/v3/customers/{customer_id}/subscriptions")
    )


def reseller(one: Reseller, profile: dict[str, Any]) -> ResellerOut:
    """The Reseller resource; `profile` carries the contact names to show."""
    return ResellerOut(
        one.external_reference_id,
        one.partner_id,
        one.reseller_id,
        profile,
        timestamp(one.created_at),
        one.status,
        self_links(f"/v3/resellers/{one.reseller_id}"),
    )


def customer(one: Customer, profile: dict[str, Any], quirks: Collection[str] = ()) -> CustomerOut:
    """The Customer resource; `profile` carries the contact names to show, `quirks` are those of
    its partner."""
    discounts = [DiscountOut("LICENSE", one.license_level, one.hvd_code or UNSET)]
    if not (_LICENSES_ALONE in quirks and price_lock(one, "LICENSE") is not None):
        discounts.append(DiscountOut("CONSUMABLES", one.consumables_level))
    return CustomerOut(
        one.external_reference_id,
        one.customer_id,
        one.reseller_id,
        one.status,
        profile,
        tuple(discounts),
        one.tags,
        one.coterm_date.isoformat() if one.coterm_date else "",
        timestamp(one.created_at),
        benefits(one, quirks),
        one.global_sales,
        self_links(f"/v3/customers/{one.customer_id}"),
    )


def benefits(one: Customer, quirks: Collection[str] = ()) -> tuple[BenefitOut, ...]:
    """A customer's three-year commit as the API shows it (accounts.md 10)."""
    commit = one.three_year_commit
    if commit is None:
        return ()
    held = commit.commitment
    if held is not None and held.status == EXPIRED and _ENDED_VANISH in quirks:
        held = None
    shown = (_commitment(part) for part in (held, commit.request, commit.recommitment))
    return (BenefitOut("THREE_YEAR_COMMIT", *shown),)


def _commitment(one: Commitment | CommitmentRequest | None) -> CommitmentOut | None:
    if one is None:
        return None
    return CommitmentOut(
        start_date=one.start_date.isoformat() if one.start_date else UNSET,
        end_date=one.end_date.isoformat() if one.end_date else UNSET,
        status=one.status,
        minimum_quantities=tuple(
            MinimumQuantityOut(minimum.offer_type, minimum.quantity) for minimum in one.minimums
        ),
    )


def deployment(one: Deployment) -> DeploymentOut:
    """The Deployment resource."""
    return DeploymentOut(
        one.deployment_id,
        DeploymentProfile(normalized_address(one.address)),
        timestamp(one.created_at),
        one.status,
        self_links(f"/v3/customers/{one.customer_id}/deployments/{one.deployment_id}"),
    )


def to_builtins(resource: msgspec.Struct) -> dict[str, Any]:
    """A resource as the JSON object a caller reads, to compare what is sent back with it."""
    shown: dict[str, Any] = _DECODER.decode(encode(resource))
    return shown
