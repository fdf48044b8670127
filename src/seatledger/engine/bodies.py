"""A parsed body of an account call with everything found wrong with its form."""

import re
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from seatledger.contract.walker import FieldFaults, in_document_order
from seatledger.domain.outcome import Refused

_ADDRESS = "companyProfile.address."
_ID = re.compile(r"(?:[^\W_]|-){4,40}")


class Body(Struct, frozen=True):
    """The JSON object a caller sent, and the faults of its form.

    `malformed` is set when it was no JSON object at all: that comes after the 404 of the path.
    """

    raw: dict[str, Any]
    faults: FieldFaults
    malformed: Refused | None = None


def may_be_id(text: str) -> bool:
    """Whether a text has the form of an id; any other is nobody's (platform.md 1)."""
    return _ID.fullmatch(text) is not None


def field_refusal(
    body: Body,
    *,
    missing: Iterable[str] = (),
    invalid: Iterable[str] = (),
) -> Refused | None:
    """The refusal of a body's form, value checks merged in (accounts.md 2, platform.md 7).

    `missing` and `invalid` were found by value checks. 1117 becomes 1118 when every invalid field
    belongs to the address.
    """
    if body.malformed is not None:
        return body.malformed
    faults = body.faults
    every_missing = _merged(body, faults.missing, missing)
    every_invalid = _merged(body, faults.invalid, invalid)
    code, details = FieldFaults(
        faults.unexpected, every_missing, faults.too_long, every_invalid
    ).first() or ("", [])
    if not code:
        return None
    if code == "1117" and all(path.startswith(_ADDRESS) for path in details):
        code = "1118"
    return Refused(code, tuple(details))


def _merged(body: Body, known: list[str], found: Iterable[str]) -> list[str]:
    return in_document_order(dict.fromkeys((*known, *found)), body.raw)


def is_same(sent: Any, shown: Any) -> bool:
    """Whether a JSON value sent back is the one that was read; true is not 1, 1 is 1.00."""
    if isinstance(sent, dict) and isinstance(shown, dict):
        return sent.keys() == shown.keys() and all(is_same(sent[k], shown[k]) for k in sent)
    if isinstance(sent, list) and isinstance(shown, list | tuple):
        return len(sent) == len(shown) and all(map(is_same, sent, shown))
    return isinstance(sent, bool) == isinstance(shown, bool) and bool(sent == shown)


def read_only_faults(raw: dict[str, Any], shown: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Read-only fields sent with another value than the API shows (accounts.md 2); null is none."""
    return [
        name
        for name in names
        if raw.get(name) is not None and not is_same(raw[name], shown.get(name))
    ]
