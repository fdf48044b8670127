"""What requests for resellers, customers and deployments carry (accounts.md 4, 5, 9, 10)."""

from typing import Annotated, Literal

from msgspec import Meta

from seatledger.contract.bodies.common import Body
from seatledger.contract.fields import TOO_LONG_2126, Forbidden, Ignored
from seatledger.contract.limits import MAX_REFERENCE_CHARACTERS

Required = Annotated[str, Meta(min_length=1)]
AccountReference = Annotated[str, Meta(max_length=MAX_REFERENCE_CHARACTERS, extra=TOO_LONG_2126)]


class AddressIn(Body, frozen=True, kw_only=True):
    """A complete address; values are judged by `domain.addresses`."""

    country: Required
    region: Required
    city: Required
    address_line1: Required
    address_line2: str | None = None
    postal_code: str | None = None
    phone_number: str | None = None


class AddressPatchIn(Body, frozen=True, kw_only=True):
    """An address on PATCH: country and region must equal the stored ones (1119, not 1122)."""

    country: str | None = None
    region: str | None = None
    city: Required
    address_line1: Required
    address_line2: str | None = None
    postal_code: str | None = None
    phone_number: str | None = None


class ContactIn(Body, frozen=True, kw_only=True):
    """A contact."""

    first_name: Required
    last_name: Required
    email: Required
    phone_number: str | None = None


_Contacts = Annotated[tuple[ContactIn, ...], Meta(min_length=1)]


class ResellerProfileIn(Body, frozen=True, kw_only=True):
    """The profile of a new reseller."""

    company_name: Required
    preferred_language: Required
    market_segments: tuple[str, ...] | None = None
    address: AddressIn
    contacts: _Contacts


class ResellerIn(Body, frozen=True, kw_only=True):
    """POST of a reseller (accounts.md 5.2)."""

    external_reference_id: AccountReference | None = None
    distributor_id: Required
    company_profile: ResellerProfileIn


class ResellerProfilePatchIn(Body, frozen=True, kw_only=True):
    """The profile that replaces a reseller's."""

    company_name: str | None = None
    preferred_language: Required
    market_segments: Annotated[tuple[str, ...], Meta(min_length=1)]
    address: AddressPatchIn
    contacts: _Contacts


class ResellerPatchIn(Body, frozen=True, kw_only=True):
    """PATCH of a reseller (accounts.md 5.3)."""

    external_reference_id: AccountReference | None = None
    company_profile: ResellerProfilePatchIn
    distributor_id: Ignored = None
    reseller_id: Ignored = None
    creation_date: Ignored = None
    status: Ignored = None
    links: Ignored = None


class CustomerProfileIn(Body, frozen=True, kw_only=True):
    """The profile of a new customer."""

    company_name: Required
    preferred_language: Required
    market_segment: str | None = None
    address: AddressIn
    contacts: _Contacts


class MinimumQuantityIn(Body, frozen=True, kw_only=True):
    """A minimum to commit to; its range is a rule of its own (1135)."""

    offer_type: Literal["LICENSE", "CONSUMABLES"]
    quantity: int


class CommitmentRequestIn(Body, frozen=True, kw_only=True):
    """A request for a three-year commit. Status and dates are given by the service (1117)."""

    minimum_quantities: tuple[MinimumQuantityIn, ...] | None = None
    status: Ignored = None
    start_date: Ignored = None
    end_date: Ignored = None


class BenefitIn(Body, frozen=True, kw_only=True):
    """A benefit of a new customer (accounts.md 10.1)."""

    type: Literal["THREE_YEAR_COMMIT", "LARGE_GOVERNMENT_AGENCY"]
    commitment: Forbidden = None
    commitment_request: CommitmentRequestIn | None = None
    recommitment_request: CommitmentRequestIn | None = None


class BenefitPatchIn(BenefitIn, frozen=True, kw_only=True):
    """A benefit of a customer to change: what was read may be sent back."""

    commitment: Ignored = None


class CustomerIn(Body, frozen=True, kw_only=True):
    """POST of a customer (accounts.md 5.4)."""

    external_reference_id: AccountReference | None = None
    reseller_id: Required
    company_profile: CustomerProfileIn
    coterm_date: str | None = None
    benefits: tuple[BenefitIn, ...] | None = None
    global_sales_enabled: bool | None = None


class CustomerProfilePatchIn(Body, frozen=True, kw_only=True):
    """The profile that replaces a customer's; absent or empty contacts stay."""

    company_name: str | None = None
    preferred_language: Required
    market_segment: str | None = None
    market_sub_segments: Ignored = None
    address: AddressPatchIn
    contacts: tuple[ContactIn, ...] | None = None


class CustomerPatchIn(Body, frozen=True, kw_only=True):
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


class DeploymentProfileIn(Body, frozen=True, kw_only=True):
    """The profile of a deployment: an address."""

    address: AddressIn


class DeploymentIn(Body, frozen=True, kw_only=True):
    """POST of a deployment (accounts.md 9)."""

    company_profile: DeploymentProfileIn


class DeploymentPatchIn(Body, frozen=True, kw_only=True):
    """PATCH of a deployment: address, status, or both."""

    company_profile: DeploymentProfileIn | None = None
    status: Literal["1000", "1004"] | None = None
    deployment_id: Ignored = None
    creation_date: Ignored = None
    links: Ignored = None
