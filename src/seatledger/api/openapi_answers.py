"""Refusals in the OpenAPI document: per HTTP status the envelope, its codes, their examples."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from seatledger.api.openapi_parameters import header_refs
from seatledger.api.openapi_schemas import ref
from seatledger.api.reference import EVERY_BODY, EVERY_CALL, EVERY_WRITE
from seatledger.contract.errors import CatalogueRow, catalogue
from seatledger.contract.resources import ErrorOut

_HEADERS_OF: Final = {429: ("Retry-After",), 503: ("Retry-After",), 401: ("WWW-Authenticate",)}


def rows_of(codes: Iterable[str]) -> list[CatalogueRow]:
    """The first row of every code and message, in the catalogue's order."""
    found: dict[tuple[str, str], CatalogueRow] = {}
    for row in catalogue():
        found.setdefault((row.code, row.message), row)
    return [row for (code, _), row in found.items() if code in frozenset(codes)]


def refusals_of(rows: Iterable[CatalogueRow], stored: Sequence[str] = ()) -> dict[str, Any]:
    """The refusals of an operation by status; those every call may get are shared by all.

    `stored`: headers of answers kept for replay, which 400 and 404 are.
    """
    refused: dict[str, Any] = {}
    for status, group in _by_status(rows).items():
        if group == common_rows().get(status):
            refused[str(status)] = {"$ref": f"#/components/responses/{status}"}
        else:
            refused[str(status)] = _refusal(status, group, stored if status in (400, 404) else ())
    return refused


def common_refusals() -> dict[str, Any]:
    """The shared refusals by status, for the components."""
    return {str(status): _refusal(status, rows) for status, rows in common_rows().items()}


@cache
def common_rows() -> Mapping[int, list[CatalogueRow]]:
    """Rows of the codes of every call; 400 is each operation's own."""
    grouped = _by_status(rows_of((*EVERY_CALL, *EVERY_BODY, *EVERY_WRITE)))
    return {status: rows for status, rows in grouped.items() if status != 400}


def named_examples(rows: Iterable[CatalogueRow]) -> dict[str, Any]:
    """Envelopes as examples by the names that refusals use for them."""
    return {
        example_name(row): {"summary": row.message, "value": row.envelope()}
        for row in sorted(set(rows), key=example_name)
    }


def example_name(row: CatalogueRow) -> str:
    """The code; with a number behind it for the further rows of a code."""
    same = [one for one in catalogue() if one.code == row.code]
    if row not in same:
        return f"{row.code}-header"
    place = same.index(row)
    return f"{row.code}-{place + 1}" if place else row.code


def _by_status(rows: Iterable[CatalogueRow]) -> dict[int, list[CatalogueRow]]:
    grouped: dict[int, list[CatalogueRow]] = {}
    for row in sorted(rows, key=lambda row: (row.http_status, row.code)):
        grouped.setdefault(row.http_status, []).append(row)
    return grouped


def _refusal(
    status: int, rows: Sequence[CatalogueRow], stored: Sequence[str] = ()
) -> dict[str, Any]:
    codes = sorted({row.code for row in rows})
    retry = ("Retry-After",) if "4122" in codes else _HEADERS_OF.get(status, ())
    return {
        "description": HTTPStatus(status).phrase,
        "headers": header_refs("X-Request-Id", *retry, *stored),
        "content": {
            "application/json": {
                "schema": {"allOf": [ref(ErrorOut), {"properties": {"code": {"enum": codes}}}]},
                "examples": {
                    example_name(row): {"$ref": f"#/components/examples/{example_name(row)}"}
                    for row in rows
                },
            }
        },
    }
