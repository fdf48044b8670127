"""What the direct edits accept (sandbox.md 3, rows 1-8 and 10). Absent and null change nothing."""

from datetime import date, datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from seatledger.api.query import instant_of
from seatledger.domain.levels import CONSUMABLES, OfferType, floor_of_level
from seatledger.domain.outcome import Refused
from seatledger.sandbox.control import Refusal

OrderStatus = Literal["1000", "1004", "1008", "1020", "1022", "1024", "1026"]
Quantity = Annotated[int, Meta(ge=0, le=1_000_000_000)]
_YEARS = range(1970, 3000)


class _Body(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The rules every body follows."""


class ResellerEdit(_Body, frozen=True, kw_only=True):
    """PATCH /sandbox/resellers/{reseller-id}."""

    status: Literal["1000", "1004", "1010", "1012"] | None = None


class DiscountEdit(_Body, frozen=True, kw_only=True):
    """A level, and for LICENSE an HVD code; null or "" takes the code away."""

    offer_type: OfferType
    level: str | None = None
    discount_code: Annotated[str, Meta(max_length=40)] | UnsetType | None = UNSET


class CustomerEdit(_Body, frozen=True, kw_only=True):
    """PATCH /sandbox/customers/{customer-id}; `force` skips the checks of global sales."""

    status: Literal["1000", "1004", "1010", "1012", "1014"] | None = None
    coterm_date: str | None = None
    global_sales_enabled: bool | None = None
    market_sub_segments: (
        tuple[Literal["K_12", "HIGHER_ED", "NON_PROFIT", "FEDERAL", "STATE"], ...] | None
    ) = None
    tags: tuple[Annotated[str, Meta(min_length=1, max_length=40)], ...] | None = None
    discounts: tuple[DiscountEdit, ...] | None = None
    force: bool = False


class OrderEdit(_Body, frozen=True, kw_only=True):
    """PATCH of an order; `force` writes any status without its effects."""

    status: OrderStatus | None = None
    creation_date: str | None = None
    force: bool = False


class AutoRenewalEdit(_Body, frozen=True, kw_only=True):
    """Auto-renewal; a `renewalQuantity` of null renews all seats (subscriptions.md 2)."""

    enabled: bool | None = None
    renewal_quantity: Quantity | UnsetType | None = UNSET


class SubscriptionEdit(_Body, frozen=True, kw_only=True):
    """PATCH of a subscription."""

    status: Literal["1000", "1002", "1004", "1009"] | None = None
    auto_renewal: AutoRenewalEdit | None = None
    current_quantity: Quantity | None = None
    used_quantity: Quantity | None = None
    renewal_date: str | None = None


def day_of(text: str | None, field: str) -> date | None:
    """A date field (`YYYY-MM-DD`); Refusal (1117) names the field when it is none."""
    instant = moment_of(text, field)
    if instant is None:
        return None
    day = instant.date()
    if day.isoformat() != text:
        raise Refusal(Refused("1117", (field,)))
    return day


def moment_of(text: str | None, field: str) -> datetime | None:
    """A date or time field as a UTC instant in whole seconds; Refusal (1117) otherwise."""
    if text is None:
        return None
    instant = instant_of(text)
    if instant is None or instant.year not in _YEARS:
        raise Refusal(Refused("1117", (field,)))
    return instant.replace(microsecond=0)


def check_discounts(edits: tuple[DiscountEdit, ...]) -> None:
    """Levels exist in their offerType, and only LICENSE has a code; Refusal (1117) otherwise."""
    faults: list[str] = []
    for index, one in enumerate(edits):
        if one.level is not None and not _is_level(one.offer_type, one.level):
            faults.append(f"discounts[{index}].level")
        if one.offer_type == CONSUMABLES and one.discount_code not in (UNSET, None, ""):
            faults.append(f"discounts[{index}].discountCode")
    if faults:
        raise Refusal(Refused("1117", tuple(faults)))


def _is_level(offer_type: str, level: str) -> bool:
    try:
        floor_of_level(level)
    except KeyError:
        return False
    return level.startswith("T") == (offer_type == CONSUMABLES)
