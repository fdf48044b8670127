"""What requests carry: one Struct per body, by the rules of `contract.fields`."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from seatledger.contract.fields import PRINTABLE, TOO_LONG_2126, TRIM, Forbidden, Ignored
from seatledger.contract.limits import LONG_RETURN_REFERENCE_CHARACTERS, MAX_REFERENCE_CHARACTERS

_ID_EXTRA: dict[str, Any] = {**TRIM, **PRINTABLE}
Id = Annotated[str, Meta(max_length=40, extra=_ID_EXTRA)]
RequiredId = Annotated[str, Meta(min_length=1, max_length=40, extra=_ID_EXTRA)]
Code = Annotated[str, Meta(max_length=40, extra=PRINTABLE)]
CurrencyCode = Annotated[str, Meta(pattern=r"\A([A-Z]{3})?\Z")]
Reference = Annotated[
    str,
    Meta(max_length=MAX_REFERENCE_CHARACTERS, extra={**TOO_LONG_2126, **PRINTABLE}),
]
LongReference = Annotated[
    str,
    Meta(max_length=LONG_RETURN_REFERENCE_CHARACTERS, extra={**TOO_LONG_2126, **PRINTABLE}),
]
OrderTypeName = Annotated[str, Meta(min_length=1)]


class _Body(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The rules every body follows."""


class _LineBase(_Body, frozen=True, kw_only=True):
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


class _OrderBase(_Body, frozen=True, kw_only=True):
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


class OrderPatchIn(_Body, frozen=True, kw_only=True):
    """PATCH of an order: one field may change, the others may be sent back (orders.md 7.3)."""

    external_reference_id: (
        Annotated[
            str, Meta(max_length=MAX_REFERENCE_CHARACTERS, extra={**TOO_LONG_2126, **PRINTABLE})
        ]
        | UnsetType
        | None
    ) = UNSET
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


Required = Annotated[str, Meta(min_length=1)]
AccountReference = Annotated[str, Meta(max_length=MAX_REFERENCE_CHARACTERS, extra=TOO_LONG_2126)]


class AddressIn(_Body, frozen=True, kw_only=True):
    """A complete address; values are judged by `domain.addresses`."""

    country: Required
    region: Required
    city: Required
    address_line1: Required
    address_line2: str | None = None
    postal_code: str | None = None
    phone_number: str | None = None


class AddressPatchIn(_Body, frozen=True, kw_only=True):
    """An address on PATCH: country and region must equal the stored ones (1119, not 1122)."""

    country: str | None = None
    region: str | None = None
    city: Required
    address_line1: Required
    address_line2: str | None = None
    postal_code: str | None = None
    phone_number: str | None = None


class ContactIn(_Body, frozen=True, kw_only=True):
    """A contact."""

    first_name: Required
    last_name: Required
    email: Required
    phone_number: str | None = None


_Contacts = Annotated[tuple[ContactIn, ...], Meta(min_length=1)]


class ResellerProfileIn(_Body, frozen=True, kw_only=True):
    """The profile of a new reseller."""

    company_name: Required
    preferred_language: Required
    market_segments: tuple[str, ...] | None = None
    address: AddressIn
    contacts: _Contacts


class ResellerIn(_Body, frozen=True, kw_only=True):
    """POST of a reseller (accounts.md 5.2)."""

    external_reference_id: AccountReference | None = None
    distributor_id: Required
    company_profile: ResellerProfileIn


class ResellerProfilePatchIn(_Body, frozen=True, kw_only=True):
    """The profile that replaces a reseller's."""

    company_name: str | None = None
    preferred_language: Required
    market_segments: Annotated[tuple[str, ...], Meta(min_length=1)]
    address: AddressPatchIn
    contacts: _Contacts


class ResellerPatchIn(_Body, frozen=True, kw_only=True):
    """PATCH of a reseller (accounts.md 5.3)."""

    external_reference_id: AccountReference | None = None
    company_profile: ResellerProfilePatchIn
    distributor_id: Ignored = None
    reseller_id: Ignored = None
    creation_date: Ignored = None
    status: Ignored = None
    links: Ignored = None


class CustomerProfileIn(_Body, frozen=True, kw_only=True):
    """The profile of a new customer."""

    company_name: Required
    preferred_language: Required
    market_segment: str | None = None
    address: AddressIn
    contacts: _Contacts


class MinimumQuantityIn(_Body, frozen=True, kw_only=True):
    """A minimum to commit to; its range is a rule of its own (1135)."""

    offer_type: Literal["LICENSE", "CONSUMABLES"]
    quantity: int


class CommitmentRequestIn(_Body, frozen=True, kw_only=True):
    """A request for a three-year commit. Status and dates are given by the service (1117)."""

    minimum_quantities: tuple[MinimumQuantityIn, ...] | None = None
    status: Ignored = None
    start_date: Ignored = None
    end_date: Ignored = None


class BenefitIn(_Body, frozen=True, kw_only=True):
    """A benefit of a new customer (accounts.md 10.1)."""

    type: Literal["THREE_YEAR_COMMIT", "LARGE_GOVERNMENT_AGENCY"]
    commitment: Forbidden = None
    commitment_request: CommitmentRequestIn | None = None
    recommitment_request: CommitmentRequestIn | None = None


class BenefitPatchIn(BenefitIn, frozen=True, kw_only=True):
    """A benefit of a customer to change: what was read may be sent back."""

    commitment: Ignored = None


class CustomerIn(_Body, frozen=True, kw_only=True):
    """POST of a customer (accounts.md 5.4)."""

    external_reference_id: AccountReference | None = None
    reseller_id: Required
    company_profile: CustomerProfileIn
    coterm_date: str | None = None
    benefits: tuple[BenefitIn, ...] | None = None
    global_sales_enabled: bool | None = None


class CustomerProfilePatchIn(_Body, frozen=True, kw_only=True):
    """The profile that replaces a customer's; absent or empty contacts stay."""

    company_name: str | None = None
    preferred_language: Required
    market_segment: str | None = None
    market_sub_segments: Ignored = None
    address: AddressPatchIn
    contacts: tuple[ContactIn, ...] | None = None


class CustomerPatchIn(_Body, frozen=True, kw_only=True):
    """PATCH of a customer (accounts.md 5.6)."""

    external_reference_id: AccountReference | None = None
    company_profile: CustomerProfilePatchIn
    global_sales_enabled: bool | None = None
    customer_id: Ignored = None
    reseller_id: Ignored = None
    status: Ignored = None
    discounts: Ignored = None
    tags: Ignored = None
    coterm_date: Ignored = None
    creation_date: Ignored = None
    benefits: tuple[BenefitPatchIn, ...] | None = None
    linked_membership: Ignored = None
    links: Ignored = None


class DeploymentProfileIn(_Body, frozen=True, kw_only=True):
    """The profile of a new deployment: an address."""

    address: AddressIn


class DeploymentIn(_Body, frozen=True, kw_only=True):
    """POST of a deployment (accounts.md 9)."""

    company_profile: DeploymentProfileIn


class DeploymentProfilePatchIn(_Body, frozen=True, kw_only=True):
    """The address that replaces a deployment's."""

    address: AddressIn


class DeploymentPatchIn(_Body, frozen=True, kw_only=True):
    """PATCH of a deployment: address, status, or both."""

    company_profile: DeploymentProfilePatchIn | None = None
    status: Literal["1000", "1004"] | None = None
    deployment_id: Ignored = None
    creation_date: Ignored = None
    links: Ignored = None


OfferAttribute = Literal[
    "offerId", "productFamily", "firstOrderDate", "lastOrderDate", "partnerPrice",
    "discountCode", "productType", "productTypeDetail", "operatingSystem", "language",
    "version", "users", "levelDetails", "estimatedStreetPrice", "pool", "duration", "metric",
    "bridge", "partNumber", "upcEanCode", "gtinCode", "acdIndicator", "acdEffectiveDate",
    "acdDescription", "estimatedShipDate", "publicAnnounceDate", "rmaRequestDeadline",
    "additionalDetail",
]  # fmt: skip


_Day = Annotated[str, Meta(description="A date or an instant, in UTC.", examples=["2026-02-01"])]


class PriceListFiltersIn(_Body, frozen=True, kw_only=True):
    """What narrows a price list down; null and "" narrow nothing (catalog.md 4.2)."""

    offer_id: str | None = None
    product_family: str | None = None
    first_order_date: _Day | None = None
    last_order_date: _Day | None = None
    discount_code: str | None = None


class PriceListIn(_Body, frozen=True, kw_only=True):
    """POST for a price list (catalog.md 4.1)."""

    region: Literal["AP", "EE", "JP", "LA", "MX", "NA", "PA", "WE"]
    market_segment: Literal["COM", "EDU", "GOV"]
    currency: Literal["AUD", "EUR", "GBP", "JPY", "USD"]
    price_list_month: Annotated[str, Meta(pattern=r"\A[0-9]{4}(0[1-9]|1[0-2])\Z")]
    price_list_type: Literal["STANDARD", "3YC", "STD-LGA"] | None = None
    filters: PriceListFiltersIn | None = None
    include_offer_attributes: tuple[OfferAttribute, ...] | None = None


RequiredCode = Annotated[str, Meta(min_length=1, max_length=40, extra=PRINTABLE)]


class AutoRenewalIn(_Body, frozen=True, kw_only=True):
    """The settings of a scheduled subscription; `enabled` may only be true."""

    enabled: bool | None = None
    renewal_quantity: int
    renewal_code: Code | None = None
    flex_discount_codes: tuple[RequiredCode, ...] | None = None


class SubscriptionIn(_Body, frozen=True, kw_only=True):
    """POST of a scheduled subscription (subscriptions.md 6)."""

    offer_id: RequiredCode
    auto_renewal: AutoRenewalIn
    currency_code: CurrencyCode | None = None
    deployment_id: Code | None = None


class AutoRenewalPatchIn(_Body, frozen=True, kw_only=True):
    """Settings to change; a `renewalQuantity` of null renews all seats (subscriptions.md 2)."""

    enabled: bool | None = None
    renewal_quantity: int | UnsetType | None = UNSET
    renewal_code: Code | None = None
    flex_discount_codes: tuple[RequiredCode, ...] | None = None


class SubscriptionPatchIn(_Body, frozen=True, kw_only=True):
    """PATCH of a subscription; what the API returns may be sent back (subscriptions.md 7)."""

    auto_renewal: AutoRenewalPatchIn | None = None
    subscription_id: Ignored = None
    offer_id: Ignored = None
    current_quantity: Ignored = None
    used_quantity: Ignored = None
    renewed_quantity: Ignored = None
    creation_date: Ignored = None
    renewal_date: Ignored = None
    status: Ignored = None
    deployment_id: Ignored = None
    currency_code: Ignored = None
    allowed_actions: Ignored = None
    links: Ignored = None
