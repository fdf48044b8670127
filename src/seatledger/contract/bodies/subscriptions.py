"""What requests for subscriptions carry (subscriptions.md 6, 7)."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from seatledger.contract.bodies.common import Body, Code, CurrencyCode
from seatledger.contract.fields import PRINTABLE, Ignored

RequiredCode = Annotated[str, Meta(min_length=1, max_length=40, extra=PRINTABLE)]


class AutoRenewalIn(Body, frozen=True, kw_only=True):
    """The settings of a scheduled subscription; `enabled` may only be true."""

    enabled: bool | None = None
    renewal_quantity: int
    renewal_code: Code | None = None
    flex_discount_codes: tuple[RequiredCode, ...] | None = None


class SubscriptionIn(Body, frozen=True, kw_only=True):
    """POST of a scheduled subscription (subscriptions.md 6)."""

    offer_id: RequiredCode
    auto_renewal: AutoRenewalIn
    currency_code: CurrencyCode | None = None
    deployment_id: Code | None = None


class AutoRenewalPatchIn(Body, frozen=True, kw_only=True):
    """Settings to change; a `renewalQuantity` of null renews all seats (subscriptions.md 2)."""

    enabled: bool | None = None
    renewal_quantity: int | UnsetType | None = UNSET
    renewal_code: Code | None = None
    flex_discount_codes: tuple[RequiredCode, ...] | None = None


class SubscriptionPatchIn(Body, frozen=True, kw_only=True):
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
