"""What an operation may answer besides success: rows of the error catalogue, with examples."""

from collections.abc import Iterable
from typing import Final

from seatledger.api.operations import Operation
from seatledger.contract.errors import CatalogueRow, catalogue

EVERY_CALL: Final = (
    *("413", "414", "431", "4115", "4117", "4116", "4118", "406"),
    *("4119", "1117", "4121", "1124", "503"),
)
"""Codes of the steps every operation passes (platform.md 3)."""

EVERY_BODY: Final = ("415",)
"""Codes of POST and PATCH beside those."""

EVERY_WRITE: Final = ("4120", "4122")
"""Codes of calls whose answer is kept for replay, beside those (platform.md 5)."""


def codes_of(operation: Operation) -> tuple[str, ...]:
    """Every code an operation may answer, sorted."""
    codes = {*EVERY_CALL, *operation.codes}
    if not operation.needs_correlation_id:
        codes.remove("4119")
    if operation.method in ("POST", "PATCH"):
        codes.update(EVERY_BODY)
    if operation.is_kept:
        codes.update(EVERY_WRITE)
    return tuple(sorted(codes))


def refusals(operation: Operation) -> list[CatalogueRow]:
    """One row for each status and message an operation's codes come with, in order of the codes."""
    return [row for code in codes_of(operation) for row in _forms(code, operation)]


def _forms(code: str, operation: Operation) -> Iterable[CatalogueRow]:
    """The rows of a code, one per status and message, that are about the operation's resource."""
    rows = [row for row in catalogue() if row.code == code]
    if code == "1117" and code not in operation.codes:
        return [rows[0]._replace(details=("X-Request-Id",))]
    noun = resource_of(operation.path).removesuffix("s").lower()
    near = [
        row
        for row in rows
        if any(noun in call.lower().replace(" ", "") or "every" in call for call in row.applies_to)
    ]
    forms: dict[tuple[int, str], CatalogueRow] = {}
    for row in near or rows:
        forms.setdefault((row.http_status, row.message), row)
    return forms.values()


def resource_of(path: str) -> str:
    """The resource a path is about, as a heading: `Deployments`."""
    return next(part for part in reversed(path.split("/")) if part[0] != "{").capitalize()
