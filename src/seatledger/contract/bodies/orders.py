"""What requests for orders carry, by the rules of `contract.fields` (orders.md 1.2, 7.3)."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from seatledger.contract.bodies.common import Body, Code, CurrencyCode
from seatledger.contract.fields import PRINTABLE, TOO_LONG_2126, TRIM, Forbidden, Ignored
from seatledger.contract.limits import LONG_RETURN_REFERENCE_CHARACTERS, MAX_REFERENCE_CHARACTERS

_ID_EXTRA: dict[str, Any] = {**TRIM, **PRINTABLE}
Id = Annotated[str, Meta(max_length=40, extra=_ID_EXTRA)]
RequiredId = Annotated[str, Meta(min_length=1, max_length=40, extra=_ID_EXTRA)]
Reference = Annotated[
    str,
    Meta(max_length=MAX_REFERENCE_CHARACTERS, extra={**TOO_LONG_2126, **PRINTABLE}),
]
LongReference = Annotated[
    str,
    Meta(max_length=LONG_RETURN_REFERENCE_CHARACTERS, extra={**TOO_LONG_2126, **PRINTABLE}),
]
OrderTypeName = Annotated[str, Meta(min_length=1)]


class _LineBase(Body, frozen=True, kw_only=True):
    """What lines have in common; what the API returns on lines is accepted back (orders.md 1.2)."""

    ext_line_item_number: int
    offer_id: RequiredId
    currency_code: CurrencyCode | None = None
    deployment_id: Id | None = None
    discount_code: Code | None = None
    flex_discount_codes: tuple[Code, ...] | None = None
    promotion_codes: tuple[Code, ...] | None = None
    status: Ignored = None
    flex_discounts: Ignored = None
    promotions: Ignored = None
    remaining_quantity: Ignored = None
    prorated_days: Ignored = None
    pricing: Ignored = None


class OrderLineIn(_LineBase, frozen=True, kw_only=True):
    """A line of NEW and PREVIEW."""

    quantity: int
    subscription_id: Ignored = None


class RenewalLineIn(_LineBase, frozen=True, kw_only=True):
    """A line of RENEWAL: a subscription that has expired (S-159)."""

    quantity: int
    subscription_id: RequiredId


class PreviewRenewalLineIn(_LineBase, frozen=True, kw_only=True):
    """A line of PREVIEW_RENEWAL: without a quantity what would renew is meant (S-152)."""

    quantity: int | None = None
    subscription_id: RequiredId


class ReturnLineIn(OrderLineIn, frozen=True, kw_only=True):
    """A line of RETURN: codes of the original line are accepted back and mean nothing."""

    discount_code: Ignored = None
    flex_discount_codes: Ignored = None
    promotion_codes: Ignored = None


class _OrderBase(Body, frozen=True, kw_only=True):
    order_type: OrderTypeName
    currency_code: CurrencyCode | None = None
    customer_id: Ignored = None
    order_id: Ignored = None
    creation_date: Ignored = None
    status: Ignored = None
    source: Ignored = None
    links: Ignored = None
    pricing_summary: Ignored = None
    eligible_offers: Ignored = None
    referenced_order_id: Ignored = None
    cancelling_items: Forbidden = None
    recommendation_tracker_id: Forbidden = None


class NewOrderIn(_OrderBase, frozen=True, kw_only=True):
    """The body of NEW and PREVIEW."""

    external_reference_id: Reference | None = None
    reference_order_id: Forbidden = None
    line_items: Annotated[tuple[OrderLineIn, ...], Meta(min_length=1)]


class RenewalOrderIn(_OrderBase, frozen=True, kw_only=True):
    """The body of RENEWAL."""

    external_reference_id: Reference | None = None
    reference_order_id: Forbidden = None
    line_items: Annotated[tuple[RenewalLineIn, ...], Meta(min_length=1)]


class PreviewRenewalOrderIn(_OrderBase, frozen=True, kw_only=True):
    """The body of PREVIEW_RENEWAL; without lines the auto-renewal settings are previewed."""

    external_reference_id: Reference | None = None
    reference_order_id: Forbidden = None
    line_items: tuple[PreviewRenewalLineIn, ...] | None = None


class ReturnOrderIn(_OrderBase, frozen=True, kw_only=True):
    """The body of RETURN."""

    external_reference_id: Reference | None = None
    reference_order_id: RequiredId
    line_items: Annotated[tuple[ReturnLineIn, ...], Meta(min_length=1)]


class LongReferenceReturnIn(ReturnOrderIn, frozen=True, kw_only=True):
    """The body of RETURN under the quirk `long_return_references`."""

    external_reference_id: LongReference | None = None


class OrderPatchIn(Body, frozen=True, kw_only=True):
    """PATCH of an order: one field may change, the others may be sent back (orders.md 7.3)."""

    external_reference_id: Reference | UnsetType | None = UNSET
    order_id: Ignored = UNSET
    customer_id: Ignored = UNSET
    order_type: Ignored = UNSET
    reference_order_id: Ignored = UNSET
    referenced_order_id: Ignored = UNSET
    currency_code: Ignored = UNSET
    creation_date: Ignored = UNSET
    status: Ignored = UNSET
    source: Ignored = UNSET
    line_items: Ignored = UNSET
    pricing_summary: Ignored = UNSET
    links: Ignored = UNSET
