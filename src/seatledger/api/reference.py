"""What an operation may answer besides success: rows of the error catalogue, with examples."""

import csv
import json
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from seatledger.api.operations import Operation

EVERY_CALL: Final = (
    *("413", "414", "431", "4115", "4117", "4116", "4118", "406"),
    *("4119", "1117", "4121", "1124", "503"),
)
"""Codes of the steps every operation passes (platform.md 3)."""

EVERY_WRITE: Final = ("415", "4120", "4122")
"""Codes of POST and PATCH beside those: media type and idempotency (platform.md 5)."""


class CatalogueRow(NamedTuple):
    """A row of the catalogue: who answers the code so, and `additionalDetails` as an example.

    `details` is None where the key is left out of the answer.
    """

    code: str
    http_status: int
    message: str
    applies_to: tuple[str, ...]
    details: tuple[str, ...] | None

    def envelope(self) -> dict[str, Any]:
        """The answer's body."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        return body if self.details is None else {**body, "additionalDetails": list(self.details)}


@cache
def catalogue() -> tuple[CatalogueRow, ...]:
    """All rows, in the order of the catalogue."""
    text = files("seatledger.contract").joinpath("data", "errors.csv").read_text("utf-8")
    return tuple(
        CatalogueRow(
            row["code"],
            int(row["http_status"]),
            row["message"],
            tuple(row["applies_to"].split("|")),
            _details(row["additional_details_example"]),
        )
        for row in csv.DictReader(text.splitlines())
    )


def _details(example: str) -> tuple[str, ...] | None:
    return None if example == "(absent)" else tuple(json.loads(example))


def codes_of(operation: Operation) -> tuple[str, ...]:
    """Every code an operation may answer, sorted."""
    codes = {*EVERY_CALL, *operation.codes}
    if not operation.needs_correlation_id:
        codes.remove("4119")
    if operation.method in ("POST", "PATCH"):
        codes.update(EVERY_WRITE)
    return tuple(sorted(codes))


def refusals(operation: Operation) -> list[CatalogueRow]:
    """One row for each status and message an operation's codes come with, in order of the codes."""
    return [row for code in codes_of(operation) for row in _forms(code, operation)]


def _forms(code: str, operation: Operation) -> Iterable[CatalogueRow]:
    """The rows of a code, one per status and message, that are about the operation's resource."""
    rows = [row for row in catalogue() if row.code == code]
    if code == "1117" and operation.method == "GET":
        return [rows[0]._replace(details=("X-Request-Id",))]
    noun = resource_of(operation.path)[:-1]
    near = [row for row in rows if any(noun in call or "every" in call for call in row.applies_to)]
    forms: dict[tuple[int, str], CatalogueRow] = {}
    for row in near or rows:
        forms.setdefault((row.http_status, row.message), row)
    return forms.values()


def resource_of(path: str) -> str:
    """The resource a path is about, as a heading: `Deployments`."""
    return next(part for part in reversed(path.split("/")) if part[0] != "{").capitalize()
