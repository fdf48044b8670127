"""The OpenAPI 3.1 document, derived from the table of operations and the error catalogue."""

from http import HTTPStatus
from typing import Any, Final

from seatledger.api.openapi_answers import (
    common_refusals,
    common_rows,
    named_examples,
    refusals_of,
    rows_of,
)
from seatledger.api.openapi_parameters import HEADERS, PARAMETERS, header_refs, parameter_refs
from seatledger.api.openapi_schemas import body_schema, body_types, components, ref
from seatledger.api.operations import Operation
from seatledger.api.reference import refusals, resource_of
from seatledger.api.table import OPERATIONS
from seatledger.api.tokens import TokenOut
from seatledger.contract.errors import CatalogueRow

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
_TOKEN_CODES: Final = (
    *("invalid_request", "unsupported_grant_type", "invalid_client", "invalid_scope"),
    *("access_denied", "too_many_requests"),
)
_TOKEN_SIZE_CODES: Final = ("1124", "413", "414", "431", "503")
_PING_CODES: Final = ("1124", "414", "431", "4115", "4116", "503")


def document() -> dict[str, Any]:
    """The whole document, ready to be encoded; the same code always gives the same."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    paths["/ims/token/v3"] = {"post": _token("seconds", "post_token")}
    paths["/ims/token/v2"] = {
        "post": {**_token("milliseconds", "post_token_v2"), "deprecated": True}
    }
    paths["/ping"] = {"get": _ping("get_ping")}
    paths["/partnerservice/ping"] = {"get": _ping("get_partnerservice_ping")}
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
            "responses": common_refusals(),
            "examples": named_examples(_refusal_rows()),
            "schemas": components(OPERATIONS),
        },
    }


def _refusal_rows() -> list[CatalogueRow]:
    return [
        *(row for operation in OPERATIONS for row in refusals(operation)),
        *(row for rows in common_rows().values() for row in rows),
    ]


def _operation(operation: Operation) -> dict[str, Any]:
    stored = ("Seatledger-Replayed", "Seatledger-Mismatch") if operation.is_kept else ()
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
            "description": HTTPStatus(operation.success).phrase,
            "headers": header_refs("X-Request-Id", "X-Correlation-Id", *stored),
            "content": {"application/json": {"schema": ref(operation.answer)}},
        },
        **refusals_of(refusals(operation), stored),
    }
    return described


def _token(unit: str, operation_id: str) -> dict[str, Any]:
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
                "description": HTTPStatus.OK.phrase,
                "content": {"application/json": {"schema": ref(TokenOut)}},
            },
            **{
                status: {
                    "description": HTTPStatus(int(status)).phrase,
                    "headers": header_refs("Retry-After") if status == "429" else {},
                    "content": {"application/json": {"schema": _TOKEN_ERROR, "examples": examples}},
                }
                for status, examples in _token_examples().items()
            },
            **refusals_of(rows_of(_TOKEN_SIZE_CODES)),
        },
    }


def _token_examples() -> dict[str, dict[str, Any]]:
    """The refusals of the token endpoint, which have an envelope of their own, by status."""
    examples: dict[str, dict[str, Any]] = {}
    for row in rows_of(_TOKEN_CODES):
        same = examples.setdefault(str(row.http_status), {})
        name = row.code if row.code not in same else f"{row.code}-2"
        same[name] = {"value": {"error": row.code, "error_description": row.message}}
    return examples


def _ping(operation_id: str) -> dict[str, Any]:
    return {
        "operationId": operation_id,
        "summary": "Whether the service answers",
        "tags": ["Health"],
        "security": [{"ApiKey": []}, {"ApiKey": [], "Bearer": []}],
        "responses": {
            "200": {
                "description": HTTPStatus.OK.phrase,
                "content": {"text/plain": {"schema": {"type": "string", "enum": ["pong"]}}},
            },
            **refusals_of(rows_of(_PING_CODES)),
        },
    }
