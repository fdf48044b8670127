"""What a request for a price list carries (catalog.md 4)."""

from typing import Annotated, Literal

from msgspec import Meta

from seatledger.contract.bodies.common import Body

OfferAttribute = Literal[
    "offerId", "productFamily", "firstOrderDate", "lastOrderDate", "partnerPrice",
    "discountCode", "productType", "productTypeDetail", "operatingSystem", "language",
    "version", "users", "levelDetails", "estimatedStreetPrice", "pool", "duration", "metric",
    "bridge", "partNumber", "upcEanCode", "gtinCode", "acdIndicator", "acdEffectiveDate",
    "acdDescription", "estimatedShipDate", "publicAnnounceDate", "rmaRequestDeadline",
    "additionalDetail",
]  # fmt: skip

_Day = Annotated[str, Meta(description="A date or an instant, in UTC.", examples=["2026-02-01"])]


class PriceListFiltersIn(Body, frozen=True, kw_only=True):
    """What narrows a price list down; null and "" narrow nothing (catalog.md 4.2)."""

    offer_id: str | None = None
    product_family: str | None = None
    first_order_date: _Day | None = None
    last_order_date: _Day | None = None
    discount_code: str | None = None


class PriceListIn(Body, frozen=True, kw_only=True):
    """POST for a price list (catalog.md 4.1)."""

    region: Literal["AP", "EE", "JP", "LA", "MX", "NA", "PA", "WE"]
    market_segment: Literal["COM", "EDU", "GOV"]
    currency: Literal["AUD", "EUR", "GBP", "JPY", "USD"]
    price_list_month: Annotated[str, Meta(pattern=r"\A[0-9]{4}(0[1-9]|1[0-2])\Z")]
    price_list_type: Literal["STANDARD", "3YC", "STD-LGA"] | None = None
    filters: PriceListFiltersIn | None = None
    include_offer_attributes: tuple[OfferAttribute, ...] | None = None
