"""The OpenAPI 3.1 document, derived from the table of operations and the error catalogue."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from seatledger.api.operations import Operation
from seatledger.api.parameters import HEADERS, PARAMETERS, header_refs, parameter_refs
from seatledger.api.reference import CatalogueRow, catalogue, refusals, resource_of
from seatledger.api.schemas import body_schema, body_types, components, ref
from seatledger.api.table import OPERATIONS
from seatledger.api.tokens import TokenOut
from seatledger.contract.resources import ErrorOut

_ABOUT: Final = (
    "An independent, open implementation of an API whose documentation is public: the order "
    "service of the VIP Marketplace Partner API v3. It is not affiliated with the vendor of that "
    "API and contains none of its code. Amounts are exact decimals; clients should read them so."
)
_SECURITY_SCHEMES: Final = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "Bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token of `POST /ims/token/v3`.",
    },
    "Basic": {
        "type": "http",
        "scheme": "basic",
        "description": "`client_id` and `client_secret`, for the token endpoint alone.",
    },
}
_TOKEN_FORM: Final = {
    "type": "object",
    "required": ["grant_type", "scope"],
    "properties": {
        "grant_type": {"type": "string", "enum": ["client_credentials"]},
        "client_id": {"type": "string", "description": "The API key."},
        "client_secret": {"type": "string"},
        "scope": {
            "type": "string",
            "description": "Names separated by commas or blanks.",
            "examples": ["openid,AdobeID,read_organizations"],
        },
    },
}
_TOKEN_ERROR: Final = {
    "type": "object",
    "required": ["error", "error_description"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
}
_HEADERS_OF: Final = {
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}
_TOKEN_CODES: Final = frozenset(
    {
        "invalid_request",
        "unsupported_grant_type",
        "invalid_client",
        "invalid_scope",
        "access_denied",
        "too_many_requests",
    }
)
_SIZE_CODES: Final = frozenset({"413", "414", "431", "503"})
_PING_CODES: Final = frozenset({"414", "431", "4115", "4116", "503"})


def document() -> dict[str, Any]:
    """The whole document; the same for the same code (platform.md 1, DESIGN of the table)."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    paths["/ims/token/v3"] = {"post": _token("seconds", "token")}
    paths["/ims/token/v2"] = {"post": {**_token("milliseconds", "token_v2"), "deprecated": True}}
    paths["/ping"] = {"get": _ping("ping")}
    paths["/partnerservice/ping"] = {"get": _ping("partnerservice_ping")}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Seatledger",
            "version": "3",
            "description": _ABOUT,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"ApiKey": [], "Bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": _SECURITY_SCHEMES,
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "schemas": components(OPERATIONS),
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    is_write = operation.method in ("POST", "PATCH")
    stored = ("Seatledger-Replayed", "Seatledger-Mismatch") if is_write else ()
    described: dict[str, Any] = {
        "operationId": operation.handler.__name__,
        "summary": operation.summary,
        "tags": [resource_of(operation.path)],
        "parameters": parameter_refs(operation),
    }
    types = body_types(operation)
    if types:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": body_schema(types)}},
        }
    described["responses"] = {
        str(operation.success): {
            "description": "Success.",
            "headers": header_refs("X-Request-Id", "X-Correlation-Id", *stored),
            "content": {"application/json": {"schema": ref(operation.answer)}},
        },
        **_refusals(refusals(operation), stored),
    }
    return described


def _refusals(rows: Iterable[CatalogueRow], headers: Sequence[str] = ()) -> dict[str, Any]:
    """One answer per HTTP status: the envelope, the codes it may hold, an example of each."""
    by_status = groupby(sorted(rows, key=_status), key=_status)
    return {status: _refusal(status, list(group), headers) for status, group in by_status}


def _status(row: CatalogueRow) -> str:
    return str(row.http_status)


def _refusal(status: str, rows: list[CatalogueRow], headers: Sequence[str]) -> dict[str, Any]:
    codes = sorted({row.code for row in rows})
    retry = ("Retry-After",) if "4122" in codes else _HEADERS_OF.get(status, ())
    stored = headers if status in ("400", "404") else ()
    return {
        "description": "; ".join(f"{row.code} {row.message}" for row in rows),
        "headers": header_refs("X-Request-Id", *retry, *stored),
        "content": {
            "application/json": {
                "schema": {"allOf": [ref(ErrorOut), {"properties": {"code": {"enum": codes}}}]},
                "examples": _examples((row, row.envelope()) for row in rows),
            }
        },
    }


def _examples(bodies: Iterable[tuple[CatalogueRow, dict[str, Any]]]) -> dict[str, Any]:
    """Examples under their codes; a code with several messages gets a number from its second."""
    examples: dict[str, Any] = {}
    for row, body in bodies:
        same = sum(name.partition("-")[0] == row.code for name in examples)
        name = f"{row.code}-{same + 1}" if same else row.code
        examples[name] = {"summary": row.message, "value": body}
    return examples


def _rows_of(codes: frozenset[str]) -> list[CatalogueRow]:
    return [row for row in catalogue() if row.code in codes]


def _token(unit: str, operation_id: str) -> dict[str, Any]:
    refused: dict[str, Any] = {}
    for status, group in groupby(sorted(_rows_of(_TOKEN_CODES), key=_status), key=_status):
        rows = list(group)
        refused[status] = {
            "description": "; ".join(row.message for row in rows),
            "headers": header_refs(*_HEADERS_OF.get(status, ())),
            "content": {
                "application/json": {
                    "schema": _TOKEN_ERROR,
                    "examples": _examples(
                        (row, {"error": row.code, "error_description": row.message}) for row in rows
                    ),
                }
            },
        }
    return {
        "operationId": operation_id,
        "summary": f"Get an access token; `expires_in` counts {unit}",
        "description": "Fields may come as query parameters instead, with an empty body.",
        "tags": ["Access"],
        "security": [{}, {"Basic": []}],
        "requestBody": {
            "content": {"application/x-www-form-urlencoded": {"schema": _TOKEN_FORM}},
        },
        "responses": {
            "200": {
                "description": "A token.",
                "content": {"application/json": {"schema": ref(TokenOut)}},
            },
            **refused,
            **_refusals(_rows_of(_SIZE_CODES)),
        },
    }


def _ping(operation_id: str) -> dict[str, Any]:
    return {
        "operationId": operation_id,
        "summary": "Whether the service answers",
        "tags": ["Health"],
        "security": [{"ApiKey": []}, {"ApiKey": [], "Bearer": []}],
        "responses": {
            "200": {
                "description": "It does.",
                "content": {"text/plain": {"schema": {"type": "string", "enum": ["pong"]}}},
            },
            **_refusals(_rows_of(_PING_CODES)),
        },
    }
