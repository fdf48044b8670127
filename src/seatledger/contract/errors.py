"""The error catalogue: every code with its HTTP status and byte-exact message (`errors.csv`)."""

import csv
import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple


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


class ErrorForm(NamedTuple):
    """One way a code is answered: HTTP status, message, and whether details are sent at all."""

    code: str
    http_status: int
    message: str
    has_details: bool


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


@cache
def _forms() -> dict[str, tuple[ErrorForm, ...]]:
    forms: dict[str, dict[ErrorForm, None]] = {}
    for row in catalogue():
        form = ErrorForm(row.code, row.http_status, row.message, row.details is not None)
        forms.setdefault(row.code, {})[form] = None
    return {code: tuple(found) for code, found in forms.items()}


@cache
def form(code: str, variant: int | str | None = None) -> ErrorForm:
    """The form of `code`; `variant` (HTTP status or message) tells codes with several apart.

    Without a variant the first form of the catalogue is taken. An unlisted code or variant is a
    programming error: KeyError.
    """
    for candidate in _forms()[code]:
        if variant is None or variant in (candidate.http_status, candidate.message):
            return candidate
    raise KeyError(f"{code} has no form {variant!r}")
