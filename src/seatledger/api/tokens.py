"""The token endpoint: client credentials for a bearer token (platform.md 2)."""

import asyncio
import base64
import binascii
import math
from collections.abc import Hashable
from datetime import datetime
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from seatledger.api import answers
from seatledger.api.context import Headers
from seatledger.api.gate import read_body
from seatledger.contract import errors
from seatledger.engine import render
from seatledger.engine.calls import Answer
from seatledger.engine.context import Engine
from seatledger.engine.credentials import (
    MAX_CLIENT_ID_CHARACTERS,
    Credentials,
    Throttle,
    Tokens,
    is_live,
    secret_matches,
)
from seatledger.store.partners import Credential, Secret

FAILURES_PER_MINUTE = 10
_CHECKED_AT_ONCE = 4
_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 100


class TokenOut(Struct, frozen=True):
    """A granted token; `expires_in` in seconds on v3, milliseconds on v2."""

    access_token: str
    expires_in: int
    token_type: str = "bearer"  # noqa: S105 - the OAuth word


class TokenEndpoint:
    """Serves `/ims/token/v3` and the older `/ims/token/v2`."""

    def __init__(
        self, engine: Engine, credentials: Credentials, tokens: Tokens, throttle: Throttle
    ) -> None:
        self._engine = engine
        self._credentials = credentials
        self._tokens = tokens
        self._throttle = throttle
        self._turns = asyncio.Semaphore(_CHECKED_AT_ONCE)

    async def v3(self, request: Request) -> Response:
        """Life of the token in seconds."""
        return answers.response(request.scope, await self._grant(request, units_per_second=1))

    async def v2(self, request: Request) -> Response:
        """Life of the token in milliseconds (client_facts.md C5)."""
        return answers.response(request.scope, await self._grant(request, units_per_second=1000))

    async def _grant(self, request: Request, units_per_second: int) -> Answer:
        headers: Headers = request.scope["state"]["headers"]
        body = await read_body(request)
        if body is None:
            return answers.refusal("413")
        fields = _fields(headers, body, request.scope["query_string"])
        if fields is None or not fields.get("grant_type"):
            return _refused("invalid_request")
        if fields["grant_type"] != "client_credentials":
            return _refused("unsupported_grant_type")
        credential = await self._credential(request, fields)
        if isinstance(credential, Answer):
            return credential
        world = await self._engine.worlds.get(credential.partner_id)
        if world is None:  # deleted while we looked
            return _refused("invalid_client", "invalid client_id parameter")
        ttl = world.partner.settings.token_ttl_seconds
        token = self._tokens.issue(credential.client_id, ttl)
        return Answer(200, render.encode(TokenOut(token, ttl * units_per_second)))

    async def _credential(self, request: Request, fields: dict[str, str]) -> Credential | Answer:
        """Whose token is asked for, or why there is none; failures are counted."""
        client_id = fields.get("client_id", "")
        names = _names(request, client_id)
        # Few at once: hashing is made to be costly, and who fails meanwhile counts for who waits.
        async with self._turns:
            wait = self._throttle.wait_seconds(names)
            if wait <= 0:
                credential = await self._credentials.read(client_id)
                refused = await self._refusal(credential, fields)
                if refused is None:
                    assert credential is not None
                    return credential
                if refused.http_status == 400:
                    self._throttle.note_failure(names)
                wait = self._throttle.wait_seconds(names)
                if wait <= 0:
                    return refused
        return _refused("too_many_requests", retry_after_seconds=math.ceil(wait))

    async def _refusal(
        self, credential: Credential | None, fields: dict[str, str]
    ) -> Answer | None:
        if credential is None:
            return _refused("invalid_client", "invalid client_id parameter")
        secret = fields.get("client_secret", "")
        if not secret or not await asyncio.to_thread(
            _matches_any, secret, credential.secrets, self._engine.clock.now()
        ):
            return _refused("invalid_client", "invalid client_secret parameter")
        if credential.status == "disabled":
            return _refused("access_denied")
        scopes = fields.get("scope", "").replace(",", " ").split()
        if not scopes or not set(scopes) <= set(credential.scopes):
            return _refused("invalid_scope")
        return None


def _names(request: Request, client_id: str) -> list[Hashable]:
    """What failures are counted by: the client id and the caller's address."""
    names: list[Hashable] = []
    if client_id:
        names.append(("client id", client_id[:MAX_CLIENT_ID_CHARACTERS]))
    if request.client is not None:
        names.append(("address", request.client.host))
    return names


def _matches_any(secret: str, stored: tuple[Secret, ...], real: datetime) -> bool:
    return any(secret_matches(secret, one) for one in stored if is_live(one, real))


def _fields(headers: Headers, body: bytes, query: bytes) -> dict[str, str] | None:
    """Form or query fields, body first; None when the request is not one of these."""
    media = (headers.one(b"content-type") or "").partition(";")[0].strip().lower()
    if body and media != _FORM:
        return None
    try:
        fields = _pairs(query.decode("latin-1")) | _pairs(body.decode("utf-8", "replace"))
    except ValueError:  # more fields than anybody needs
        return None
    scheme, _, basic = (headers.one(b"authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return fields
    if "client_id" in fields or "client_secret" in fields:
        return None
    try:
        client_id, _, secret = base64.b64decode(basic, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return {**fields, "client_id": client_id, "client_secret": secret}


def _pairs(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS))


def _refused(
    error: str, message: str | None = None, *, retry_after_seconds: int | None = None
) -> Answer:
    """A refusal in the OAuth shape (platform.md 2.3)."""
    form = errors.form(error, message)
    body = render.encode({"error": form.code, "error_description": form.message})
    return Answer(form.http_status, body, retry_after_seconds=retry_after_seconds)
