"""API keys, their secrets, and access tokens (platform.md 2)."""

import hashlib
import hmac
import secrets
from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from seatledger.clock import RealClock
from seatledger.store import partners
from seatledger.store.partners import Credential, Secret
from seatledger.store.rows import AnyPool

DEFAULT_SCOPES = ("openid", "AdobeID", "read_organizations", "ent_partners_sdk")
MIN_KEY_BYTES = 32
MAX_CLIENT_ID_CHARACTERS = 200

_SCRYPT: dict[str, Any] = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}
# How long a process may act on a credential that has been changed: whoever disables one waits as
# long, and then no process takes it any more. No call has to ask the database for that.
KEPT_SECONDS: Final = 2.0
_MOST_CREDENTIALS = 10_000
_MOST_TOKENS = 10_000
_MOST_NAMES = 10_000
_MINUTE = 60.0


def hash_secret(secret: str) -> Secret:
    """A client secret as it is stored: its salted scrypt hash, good for ever."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(secret.encode(), salt=salt, **_SCRYPT)
    return Secret(f"scrypt${salt.hex()}${digest.hex()}")


def is_live(secret: Secret, real: datetime) -> bool:
    """Whether a stored secret is good at a real instant."""
    return secret.until is None or real < secret.until


def secret_matches(secret: str, stored: Secret) -> bool:
    """Whether a secret is the stored one; takes the same time for every wrong one."""
    _, salt, digest = stored.hash.split("$")
    found = hashlib.scrypt(secret.encode(), salt=bytes.fromhex(salt), **_SCRYPT)
    return hmac.compare_digest(found, bytes.fromhex(digest))


def new_secret() -> str:
    """A client secret nobody can guess."""
    return "p8e-" + secrets.token_urlsafe(24)


class Credentials:
    """Credentials as this process knows them, refreshed every few seconds of real time."""

    def __init__(self, pool: AnyPool, clock: RealClock) -> None:
        self._pool = pool
        self._clock = clock
        self._kept: dict[str, tuple[float, Credential]] = {}

    async def find(self, client_id: str) -> Credential | None:
        """The credential of an API key as it was at most KEPT_SECONDS ago, None without one."""
        kept = self._kept.get(client_id)
        if kept is not None and self._clock.monotonic() - kept[0] < KEPT_SECONDS:
            return kept[1]
        return await self.read(client_id)

    async def read(self, client_id: str) -> Credential | None:
        """The credential of an API key as it is now."""
        if not 0 < len(client_id) <= MAX_CLIENT_ID_CHARACTERS or "\0" in client_id:
            return None
        since = self._clock.monotonic()
        async with self._pool.acquire() as connection:
            credential = await partners.load_credential(connection, client_id)
        if credential is None:
            self._kept.pop(client_id, None)
        else:
            if len(self._kept) >= _MOST_CREDENTIALS:
                self._kept.clear()
            self._kept[client_id] = (since, credential)
        return credential


class Tokens:
    """Issues and verifies signed tokens without the database. Their life is real time."""

    def __init__(self, key: bytes, clock: RealClock) -> None:
        self._key = OctKey.import_key(key)
        self._clock = clock
        self._verified: dict[str, tuple[str, datetime]] = {}

    def issue(self, client_id: str, ttl_seconds: int) -> str:
        """A token for a credential."""
        now = self._clock.now()
        claims = {
            "sub": client_id,
            "iat": int(now.timestamp()),
            "exp": int((now + timedelta(seconds=ttl_seconds)).timestamp()),
            "jti": secrets.token_hex(8),
        }
        return jwt.encode({"alg": "HS256"}, claims, self._key)

    def client_of(self, token: str) -> str | None:
        """The API key a token was issued to; None if it is forged, malformed or expired."""
        now = self._clock.now()
        kept = self._verified.get(token)
        if kept is None:
            kept = self._verify(token)
            if kept is None:
                return None
            if len(self._verified) >= _MOST_TOKENS:
                self._verified.clear()
            self._verified[token] = kept
        return kept[0] if now < kept[1] else None

    def _verify(self, token: str) -> tuple[str, datetime] | None:
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"]).claims
            if "aud" in claims or "nbf" in claims:  # RFC 7519: not for us, or not yet
                return None
            expires = datetime.fromtimestamp(claims["exp"], tz=self._clock.now().tzinfo)
            return str(claims["sub"]), expires
        except (JoseError, ValueError, KeyError, TypeError, OverflowError):
            return None


class Throttle:
    """At most `most` failures per minute of real time for one name (platform.md 2.3)."""

    def __init__(self, clock: RealClock, most: int) -> None:
        self._clock = clock
        self._most = most
        self._failures: dict[Hashable, list[float]] = {}

    def wait_seconds(self, names: Iterable[Hashable]) -> float:
        """How long until none of the names has failed too often; 0 when that is now."""
        return max((self._wait(name) for name in names), default=0.0)

    def note_failure(self, names: Iterable[Hashable]) -> None:
        """Count a failure of each name."""
        for name in names:
            self._failures[name] = [*self._recent(name), self._clock.monotonic()]
        if len(self._failures) > _MOST_NAMES:
            self._failures = {n: times for n in self._failures if (times := self._recent(n))}

    def _wait(self, name: Hashable) -> float:
        moments = self._recent(name)
        if len(moments) <= self._most:
            return 0.0
        return moments[-self._most - 1] + _MINUTE - self._clock.monotonic()

    def _recent(self, name: Hashable) -> list[float]:
        since = self._clock.monotonic() - _MINUTE
        return [moment for moment in self._failures.get(name, ()) if moment > since]
