"""What the API answers: one Struct per resource. Absent keys are UNSET, never null."""

from decimal import Decimal
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field


class Link(Struct, frozen=True):
    """A link: always a path, never a host (platform.md 9)."""

    uri: str
    method: str = "GET"
    headers: tuple[str, ...] = ()


class SelfLinks(Struct, frozen=True):
    """The links of a single resource."""

    self: Link


class FlexDiscountOut(Struct, frozen=True):
    """A flexible discount on a line (orders.md 1.3)."""

    id: str
    code: str
    result: str


class PromotionOut(Struct, frozen=True):
    """The older name of a flexible discount, sent when the request used it."""

    code: str
    result: str


class PricingOut(Struct, frozen=True, rename="camel"):
    """Prices of a line (orders.md 4.2); both names of the line amount."""

    partner_price: Decimal
    discounted_partner_price: Decimal
    net_partner_price: Decimal
    line_item_price: Decimal
    line_item_partner_price: Decimal
    prorated_partner_price: Decimal | UnsetType = UNSET


class OrderLineOut(Struct, frozen=True, rename="camel"):
    """A line of an order."""

    ext_line_item_number: int
    offer_id: str
    quantity: int
    subscription_id: str
    status: str
    currency_code: str
    deployment_id: str | UnsetType = UNSET
    discount_code: str | UnsetType = UNSET
    flex_discounts: tuple[FlexDiscountOut, ...] | UnsetType = UNSET
    promotions: tuple[PromotionOut, ...] | UnsetType = UNSET
    prorated_days: int | UnsetType = UNSET
    pricing: PricingOut | UnsetType = UNSET


class PricingSummaryOut(Struct, frozen=True, rename="camel"):
    """The total of an order in one currency; both names."""

    total_line_item_price: Decimal
    total_line_item_partner_price: Decimal
    currency_code: str


class EligibilityCriteriaOut(Struct, frozen=True, rename="camel"):
    """What a customer needs for a High Growth offer."""

    min_quantity: int
    additional_criteria: tuple[str, ...]
    deployment_id: str | UnsetType = UNSET


class EligibleOfferOut(Struct, frozen=True, rename="camel"):
    """A High Growth offer that a renewal preview lists (orders.md 6.1)."""

    offer_id: str
    renewal_code: str
    eligibility_criteria: EligibilityCriteriaOut


class OrderOut(Struct, frozen=True, rename="camel"):
    """The Order resource in all its views (orders.md 1.3)."""

    reference_order_id: str
    order_type: str
    external_reference_id: str
    order_id: str
    customer_id: str
    currency_code: str
    creation_date: str
    status: str
    line_items: tuple[OrderLineOut, ...]
    referenced_order_id: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    pricing_summary: tuple[PricingSummaryOut, ...] | UnsetType = UNSET
    eligible_offers: tuple[EligibleOfferOut, ...] | UnsetType = UNSET
    links: SelfLinks | UnsetType = UNSET


class PageLinks(Struct, frozen=True, omit_defaults=True):
    """Links of a page; absent ones are absent keys."""

    self: Link
    next: Link | UnsetType = UNSET
    prev: Link | UnsetType = UNSET


class OrderPage(Struct, frozen=True, rename="camel"):
    """A page of the order history."""

    total_count: int
    count: int
    offset: int
    limit: int
    items: tuple[OrderOut, ...]
    links: PageLinks


class AutoRenewalOut(Struct, frozen=True, rename="camel"):
    """Auto-renewal settings of a subscription."""

    enabled: bool
    renewal_quantity: int
    flex_discount_codes: tuple[str, ...] | UnsetType = UNSET


class SubscriptionOut(Struct, frozen=True, rename="camel"):
    """The Subscription resource (subscriptions.md 1)."""

    subscription_id: str
    offer_id: str
    current_quantity: int
    used_quantity: int
    auto_renewal: AutoRenewalOut
    creation_date: str
    renewal_date: str
    status: str
    currency_code: str
    links: SelfLinks
    deployment_id: str | UnsetType = UNSET
    allowed_actions: tuple[str, ...] | UnsetType = UNSET


class ReducedSubscriptionOut(Struct, frozen=True, rename="camel"):
    """What PATCH answers under the quirk `reduced_subscription_patch_response`."""

    subscription_id: str
    current_quantity: int
    auto_renewal: AutoRenewalOut
    creation_date: str
    renewal_date: str
    status: str
    currency_code: str
    links: SelfLinks
    deployment_id: str | UnsetType = UNSET
    allowed_actions: tuple[str, ...] | UnsetType = UNSET


class SubscriptionList(Struct, frozen=True, rename="camel"):
    """All subscriptions of a customer."""

    total_count: int
    items: tuple[SubscriptionOut, ...]
    links: SelfLinks


class DiscountOut(Struct, frozen=True, rename="camel"):
    """A customer's level in one offerType (accounts.md 7)."""

    offer_type: str
    level: str
    discount_code: str | UnsetType = UNSET


class ResellerOut(Struct, frozen=True, rename="camel"):
    """The Reseller resource (accounts.md 5.2)."""

    external_reference_id: str
    distributor_id: str
    reseller_id: str
    company_profile: dict[str, Any]
    creation_date: str
    status: str
    links: SelfLinks


class MinimumQuantityOut(Struct, frozen=True, rename="camel"):
    """A committed or requested minimum."""

    offer_type: str
    quantity: int


class CommitmentOut(Struct, frozen=True, rename="camel", kw_only=True):
    """A commitment, or a request for one: that has dates once it is accepted."""

    start_date: str | UnsetType = UNSET
    end_date: str | UnsetType = UNSET
    status: str
    minimum_quantities: tuple[MinimumQuantityOut, ...]


class BenefitOut(Struct, frozen=True, rename="camel"):
    """A three-year commit: null where there is none (accounts.md 2)."""

    type: str
    commitment: CommitmentOut | None
    commitment_request: CommitmentOut | None
    recommitment_request: CommitmentOut | None


class CustomerOut(Struct, frozen=True, rename="camel"):
    """The Customer resource (accounts.md 5.4)."""

    external_reference_id: str
    customer_id: str
    reseller_id: str
    status: str
    company_profile: dict[str, Any]
    discounts: tuple[DiscountOut, ...] | UnsetType
    tags: tuple[str, ...]
    coterm_date: str
    creation_date: str
    benefits: tuple[BenefitOut, ...]
    global_sales_enabled: bool
    links: SelfLinks


class DeploymentProfile(Struct, frozen=True):
    """The profile of a deployment: an address."""

    address: dict[str, Any]


class DeploymentOut(Struct, frozen=True, rename="camel"):
    """The Deployment resource (accounts.md 9)."""

    deployment_id: str
    company_profile: DeploymentProfile
    creation_date: str
    status: str
    links: SelfLinks


class DeploymentPage(Struct, frozen=True, rename="camel"):
    """A page of deployments."""

    total_count: int
    count: int
    offset: int
    limit: int
    items: tuple[DeploymentOut, ...]
    links: PageLinks


class PriceListOfferOut(Struct, frozen=True, rename="camel"):
    """A row of a price list: prices are strings, what has no value is absent (catalog.md 4.4)."""

    offer_id: str
    product_family: str
    first_order_date: str
    last_order_date: str
    partner_price: str
    discount_code: str | UnsetType = UNSET
    product_type: str | UnsetType = UNSET
    product_type_detail: str | UnsetType = UNSET
    operating_system: str | UnsetType = UNSET
    language: str | UnsetType = UNSET
    version: str | UnsetType = UNSET
    users: str | UnsetType = UNSET
    level_details: str | UnsetType = UNSET
    estimated_street_price: str | UnsetType = UNSET
    pool: str | UnsetType = UNSET
    duration: str | UnsetType = UNSET
    metric: str | UnsetType = UNSET
    bridge: str | UnsetType = UNSET
    part_number: str | UnsetType = UNSET
    upc_ean_code: str | UnsetType = UNSET
    gtin_code: str | UnsetType = UNSET
    acd_indicator: str | UnsetType = UNSET
    acd_effective_date: str | UnsetType = UNSET
    acd_description: str | UnsetType = UNSET
    estimated_ship_date: str | UnsetType = UNSET
    public_announce_date: str | UnsetType = UNSET
    rma_request_deadline: str | UnsetType = UNSET
    additional_detail: str | UnsetType = UNSET


class PriceListOut(Struct, frozen=True, rename="camel"):
    """A page of a price list."""

    price_list_month: str
    market_segment: str
    region: str
    currency: str
    price_list_type: str
    total_count: int
    count: int
    limit: int
    offset: int
    offers: tuple[PriceListOfferOut, ...]


class QualificationOut(Struct, frozen=True, rename="camel"):
    """The products a flexible discount is for, by their base offers; none means all."""

    base_offer_ids: tuple[str, ...]


class DiscountValueOut(Struct, frozen=True):
    """A percentage, or an amount for a country and currency (catalog.md 7)."""

    value: Decimal
    country: str | UnsetType = UNSET
    currency: str | UnsetType = UNSET


class OutcomeOut(Struct, frozen=True, rename="camel"):
    """What a flexible discount does to a price."""

    type: str
    discount_values: tuple[DiscountValueOut, ...]


class FoundDiscountOut(Struct, frozen=True, rename="camel", kw_only=True):
    """A flexible discount as searches find it.

    One handed to a customer, found by its exact code alone, shows `codeExpiryDate` and none of
    the other fields that may be absent.
    """

    id: str | UnsetType = UNSET
    category: str | UnsetType = UNSET
    code: str
    code_expiry_date: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    start_date: str | UnsetType = UNSET
    end_date: str | UnsetType = UNSET
    discount_lock_end_date: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    qualification: QualificationOut
    outcomes: tuple[OutcomeOut, ...]


class FlexDiscountPage(Struct, frozen=True, rename="camel"):
    """A page of flexible discounts."""

    total_count: int
    count: int
    offset: int
    limit: int
    flex_discounts: tuple[FoundDiscountOut, ...]
    links: PageLinks


class ErrorOut(Struct, frozen=True, rename="camel"):
    """The error envelope (platform.md 6)."""

    code: str
    message: str
    additional_details: tuple[str, ...] | UnsetType = field(default=())
