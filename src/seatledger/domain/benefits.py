"""What a customer's three-year commit is made of (accounts.md 10), as it is stored."""

from datetime import date
from typing import Final

from msgspec import Struct

# Of commitments and of requests.
COMMITTED: Final = "COMMITTED"
NONCOMPLIANT: Final = "NONCOMPLIANT"
EXPIRED: Final = "EXPIRED"
INACTIVE: Final = "INACTIVE"
REQUESTED: Final = "REQUESTED"
ACCEPTED: Final = "ACCEPTED"
DECLINED: Final = "DECLINED"

COMMITMENT_STATUSES: Final = (COMMITTED, NONCOMPLIANT, EXPIRED, INACTIVE)
REQUEST_STATUSES: Final = (REQUESTED, ACCEPTED, DECLINED, EXPIRED, NONCOMPLIANT)

# The two kinds of request, by the names the API has for them.
COMMITMENT_REQUEST: Final = "commitmentRequest"
RECOMMITMENT_REQUEST: Final = "recommitmentRequest"


class Minimum(Struct, frozen=True):
    """The minimum quantity committed to in one offerType."""

    offer_type: str
    quantity: int


class Commitment(Struct, frozen=True, omit_defaults=True):
    """A commitment that has been reached at least once.

    `start_date` is the day its prices are locked at. `number` counts the customer's commitments,
    the first being 1. `lapsed_on` is the anniversary at which it became NONCOMPLIANT.
    """

    status: str
    start_date: date
    end_date: date
    minimums: tuple[Minimum, ...]
    number: int = 1
    lapsed_on: date | None = None

    def minimum(self, offer_type: str) -> int:
        """The committed quantity of an offerType, 0 when it is not covered."""
        return _minimum(self.minimums, offer_type)


class CommitmentRequest(Struct, frozen=True, omit_defaults=True):
    """A request to commit, with the minimums that are still to be reached.

    `counted_from` is the UTC day its present time limit counts from; None while none runs. The
    dates are those of the commitment it will be part of, known from its acceptance on.
    """

    status: str
    minimums: tuple[Minimum, ...]
    counted_from: date | None = None
    start_date: date | None = None
    end_date: date | None = None

    @property
    def is_live(self) -> bool:
        """Whether it may still become a commitment."""
        return self.status in (REQUESTED, ACCEPTED)

    def minimum(self, offer_type: str) -> int:
        """The requested quantity of an offerType, 0 when it is not named."""
        return _minimum(self.minimums, offer_type)


class ThreeYearCommit(
    Struct, frozen=True, omit_defaults=True, tag_field="type", tag="THREE_YEAR_COMMIT"
):
    """A customer's commitment beside what is requested to follow or to raise it."""

    commitment: Commitment | None = None
    request: CommitmentRequest | None = None
    recommitment: CommitmentRequest | None = None

    @property
    def running(self) -> Commitment | None:
        """The commitment while it is in force."""
        held = self.commitment
        return held if held is not None and held.status == COMMITTED else None

    @property
    def is_live(self) -> bool:
        """Whether a commitment is in force or may come (accounts.md 10.1, 12)."""
        requests = (self.request, self.recommitment)
        return self.running is not None or any(one and one.is_live for one in requests)

    def requested(self, kind: str) -> CommitmentRequest | None:
        """The request of a kind."""
        return self.request if kind == COMMITMENT_REQUEST else self.recommitment


def _minimum(minimums: tuple[Minimum, ...], offer_type: str) -> int:
    return sum(one.quantity for one in minimums if one.offer_type == offer_type)
