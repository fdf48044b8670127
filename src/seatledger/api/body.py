"""From the bytes of a request to one JSON object (platform.md 7)."""

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any, Final, NoReturn

import msgspec

from seatledger.contract.walker import MAX_FAULTS, join_name

MAX_DEPTH: Final = 32
"""Levels of objects and arrays, the body itself being the first."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_MAX_DIGITS: Final = 100
_HUGE: Final = int("1" + "0" * _MAX_DIGITS)


class Malformed(Exception):
    """The body is not one JSON object; `details` name its duplicate keys, if that is why."""

    def __init__(self, details: tuple[str, ...] = ()) -> None:
        super().__init__(details)
        self.details = details


class _DuplicateKey(Exception):
    """Some object has a key twice."""


class _Pairs(list[tuple[str, Any]]):
    """An object with all its keys."""


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a body; `{}` for an empty body. Anything else raises Malformed.

    Numbers with a fraction or an exponent become Decimal, so that `3.0` is no integer and no
    digit is lost. Escaped U+0000 and lone surrogates get through: they are a fault of their field
    (`contract.walker`). Size is the caller's matter.
    """
    if not body:
        return {}
    parsed: Any = _plain(body)
    if parsed is None:
        parsed = _thorough(body)
    openers = body.count(b"{") + body.count(b"[")
    if not isinstance(parsed, dict) or (openers > MAX_DEPTH and _is_too_deep(parsed)):
        raise Malformed
    return parsed


def _plain(body: bytes) -> dict[str, Any] | None:
    """The quick way for what clients send, or None where only the patient one can tell.

    Where nothing is escaped every quotation mark stands for itself, so a key that came twice
    shows by the marks it lost.
    """
    if b"\\" in body:
        return None
    try:
        parsed = _PLAIN.decode(body)
        marks = _ENCODER.encode(parsed).count(b'"')
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return parsed if marks == body.count(b'"') and isinstance(parsed, dict) else None


def _thorough(body: bytes) -> Any:
    try:
        text = str(body.removeprefix(_BYTE_ORDER_MARK), "utf-8")
        try:
            return _PATIENT.decode(text)
        except _DuplicateKey:
            raise Malformed(_duplicate_keys(text)) from None
    except (ValueError, RecursionError):
        raise Malformed from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise _DuplicateKey
    return built


def _refuse_constant(_: str) -> NoReturn:
    raise Malformed  # NaN, Infinity, -Infinity


def _any_int(digits: str) -> int:
    """An integer of any size: beyond every limit of the contract only its sign matters."""
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    return -_HUGE if digits.startswith("-") else _HUGE


def _any_decimal(number: str) -> Decimal:
    """A decimal of any exponent: beyond what Decimal holds no field wants it anyway."""
    try:
        return Decimal(number)
    except ArithmeticError:
        return Decimal("Infinity")


_PLAIN: Final[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_PATIENT: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_any_int,
    parse_float=_any_decimal,
    parse_constant=_refuse_constant,
)
_ALL_KEYS: Final = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=_refuse_constant
)


def _is_too_deep(root: dict[str, Any]) -> bool:
    level: list[Any] = [root]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if type(parent) is dict else parent)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True


def _duplicate_keys(text: str) -> tuple[str, ...]:
    """`lineItems[0].quantity: duplicate key` for every such key, in document order."""
    found = islice(_repeated(_ALL_KEYS.decode(text), ""), MAX_FAULTS)
    return tuple(f"{path}: duplicate key" for path in dict.fromkeys(found))


def _repeated(node: Any, path: str) -> Iterator[str]:
    if isinstance(node, _Pairs):
        seen: set[str] = set()
        for key, value in node:
            place = join_name(path, key)
            if key in seen:
                yield place
            seen.add(key)
            yield from _repeated(value, place)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _repeated(value, f"{path}[{index}]")
