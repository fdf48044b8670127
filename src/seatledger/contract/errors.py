"""The error catalogue: every code with its HTTP status and byte-exact message (`errors.csv`)."""

import csv
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class ErrorForm(NamedTuple):
    """One way a code is answered: HTTP status, message, and whether details are sent at all."""

    code: str
    http_status: int
    message: str
    has_details: bool


@cache
def _forms() -> dict[str, tuple[ErrorForm, ...]]:
    text = files("seatledger.contract").joinpath("data", "errors.csv").read_text("utf-8")
    forms: dict[str, list[ErrorForm]] = {}
    for row in csv.DictReader(text.splitlines()):
        form = ErrorForm(
            row["code"],
            int(row["http_status"]),
            row["message"],
            row["additional_details_example"] != "(absent)",
        )
        known = forms.setdefault(form.code, [])
        if form not in known:
            known.append(form)
    return {code: tuple(rows) for code, rows in forms.items()}


def codes() -> frozenset[str]:
    """Every code of the catalogue."""
    return frozenset(_forms())


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
