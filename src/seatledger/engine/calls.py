"""A call as the engine sees it, its answer, and what is kept for replay (platform.md 5)."""

import hashlib
import re
from datetime import datetime, timedelta

from msgspec import Struct

from seatledger.contract.limits import REPLAY_SECONDS
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.store.placing import Stored

_MISMATCH_DETAIL = "X-Correlation-Id was already used with a different request"
_CODE = re.compile(rb'\{"(?:code|error)":"([^"]*)"')
_NEVER_STORED_CODES = frozenset({"400", "4119", "4120", "4122"})
_STORED_STATUSES = frozenset({200, 201, 202, 400, 404, 422})


class Unavailable(Exception):
    """The call could not get its turn, or the database is away: 503, nothing stored."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("service temporarily unavailable")
        self.retry_after_seconds = retry_after_seconds


class InjectedFailure(Exception):
    """A fault asked for this call to fail after its writes: they are rolled back."""


class Call(Struct, frozen=True):
    """An authenticated write with its identity.

    `own_request_id` is the X-Request-Id the caller chose, "" when it was generated. The last two
    fields are set by sandbox faults alone.
    """

    partner_id: str
    method: str
    path: str
    query: bytes
    correlation_id: str
    own_request_id: str
    body: bytes
    injected_status: str | None = None
    fail_after_write: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What idempotency goes by (platform.md 5.2)."""
        return (self.partner_id, self.method, self.path, self.correlation_id)

    def fingerprint(self) -> bytes:
        """A digest of query and body, to notice a reused id with another request."""
        digest = hashlib.blake2b(self.query, digest_size=16)
        digest.update(b"\0")
        digest.update(self.body)
        return digest.digest()


class Answer(Struct, frozen=True):
    """Status and bytes of an answer, with what the headers say of it."""

    http_status: int
    body: bytes
    replayed: bool = False
    mismatch: bool = False
    retry_after_seconds: int | None = None
    media_type: str = "application/json"

    @property
    def code(self) -> str:
        """The code a refusal's body begins with; "" in any other body."""
        found = _CODE.match(self.body)
        return "" if found is None else found[1].decode("ascii", "replace")


def alive_since(now: datetime) -> datetime:
    """Stored answers and request ids older than this are forgotten (business clock)."""
    return now - timedelta(seconds=REPLAY_SECONDS)


def refused(refusal: Refused) -> Answer:
    """A refusal as an answer."""
    status, body = render.refusal(refusal)
    return Answer(status, body, retry_after_seconds=1 if refusal.code == "4122" else None)


def is_stored(http_status: int, code: str = "") -> bool:
    """Whether an answer is kept for replay (platform.md 5.3)."""
    return http_status in _STORED_STATUSES and code not in _NEVER_STORED_CODES


def replay(stored: Stored, fingerprint: bytes, *, strict: bool) -> Answer:
    """A stored answer again; another request under the same id is marked or, strictly, refused."""
    differs = stored.fingerprint != fingerprint
    if differs and strict:
        return refused(Refused("4119", (_MISMATCH_DETAIL,)))
    return Answer(stored.http_status, stored.body, replayed=True, mismatch=differs)
