"""From a parsed JSON object to a typed body, or to the full list of its offending fields.

msgspec judges a body in microseconds but names the first offender only. Bodies it refuses, or
whose text holds anything out of the ordinary, are walked against the same Struct instead.
"""

import re
from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct, field

from seatledger.contract.fields import ArrayShape, ObjectShape, ScalarShape, Shape, shape_of

T = TypeVar("T", bound=Struct)

MAX_FAULTS: Final = 10_000
"""The walk ends here: more than 499 lines can have wrong, and a bound on the answer's size."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")  # platform.md 7: in no string
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # orders.md 2.2 #7
_BLANK: Final = " "  # nothing else surrounds an id by accident (orders.md 1.2)
_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


class FieldFaults(Struct):
    """The offending fields of a body as dotted paths (`lineItems[0].quantity`).

    Every list is in document order; absent fields follow the present ones of their object, in the
    order of their declaration.
    """

    unexpected: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    too_long: list[str] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)

    def first(self) -> tuple[str, list[str]] | None:
        """The code that answers and its details: 1121, 1122, 2126, 1117 (platform.md 7).

        None when there is no fault at all. 2126 has no details (orders.md 2.2 #6).
        """
        if self.unexpected:
            return "1121", self.unexpected
        if self.missing:
            return "1122", self.missing
        if self.too_long:
            return "2126", []
        if self.invalid:
            return "1117", self.invalid
        return None


def decode(raw: dict[str, Any], cls: type[T]) -> T | FieldFaults:
    """`raw` (of `api.body.parse_object`) as a `cls`, or everything that is wrong with it.

    Fields marked TRIM come out trimmed, null of an optional field as its default. `raw` itself is
    left as it is. A `cls` declared against the rules of `contract.fields` is a TypeError.
    """
    shape_of(cls)  # cached; a wrong declaration must not wait for a faulty body to show
    value = convert_plain(raw, cls)
    return walk(raw, cls) if value is None else value


def convert_plain(raw: dict[str, Any], cls: type[T]) -> T | None:
    """The quick way: `raw` as a `cls`, or None where only `walk` can tell.

    msgspec knows nothing of blanks to trim, control characters, U+0000 and lone surrogates. The
    encoded text shows at once that there are none: it is ASCII, nothing in it is escaped and no
    string begins or ends with a blank.
    """
    try:
        value = msgspec.convert(raw, cls)
        text = msgspec.json.encode(raw)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
    if (
        text.isascii()
        and b"\\" not in text
        and b"\x7f" not in text
        and b'" ' not in text
        and b' "' not in text
    ):
        return value
    return None


def walk(raw: dict[str, Any], cls: type[T]) -> T | FieldFaults:
    """The thorough way, and the last word: like `decode`, for any `raw`."""
    walker = _Walker()
    try:
        clean = walker.walk_object(raw, shape_of(cls), "")
    except _EnoughError:
        return walker.faults
    if walker.faults.first():
        return walker.faults
    return msgspec.convert(clean, cls)


def is_storable(text: str) -> bool:
    """Whether a text may be in a body: it has no U+0000 and no lone surrogate (platform.md 7)."""
    return _UNSTORABLE.search(text) is None


def join_name(path: str, name: str) -> str:
    """The path of a member of the object at `path` ("" is the body); always encodable text."""
    name = name.encode("utf-8", "replace").decode()
    return f"{path}.{name}" if path else name


def in_document_order(paths: Iterable[str], raw: dict[str, Any]) -> list[str]:
    """`paths` as the body has them, so that faults of several checks make one list.

    Names an object does not have (and query parameters) follow the ones it has, in given order.
    """
    return sorted(paths, key=lambda path: _place(path, raw))


def _place(path: str, raw: dict[str, Any]) -> tuple[int, ...]:
    """Where a path leads: the position taken at every step down from the body."""
    place: list[int] = []
    node: Any = raw
    for index, name in _STEP.findall(path):
        if index:
            place.append(int(index))
            node = node[int(index)] if isinstance(node, list) and int(index) < len(node) else None
        elif isinstance(node, dict) and name in node:
            place.append(list(node).index(name))
            node = node[name]
        else:
            place.append(len(node) if isinstance(node, dict) else 0)
            break
    return tuple(place)


class _EnoughError(Exception):
    """MAX_FAULTS are listed."""


class _Walker:
    """One walk over a body: collects faults and returns the values cleaned for msgspec."""

    def __init__(self) -> None:
        self.faults = FieldFaults()
        self._room = MAX_FAULTS

    def walk_object(self, raw: dict[str, Any], shape: ObjectShape, path: str) -> dict[str, Any]:
        """The known members of an object that have a value."""
        clean: dict[str, Any] = {}
        for name, value in raw.items():
            member = shape.members.get(name)
            if member is None:
                self._note(self.faults.unexpected, join_name(path, name))
            elif member.shape is None:
                clean[name] = value
                if member.forbidden and value not in (None, "", [], {}):
                    self._note(self.faults.unexpected, join_name(path, name))
            elif member.required and _is_missing(value, member.shape):
                self._note(self.faults.missing, join_name(path, name))
            elif value is not None or member.shape.nullable:
                clean[name] = self._value(value, member.shape, join_name(path, name))
        for name, member in shape.members.items():
            if member.required and name not in raw:
                self._note(self.faults.missing, join_name(path, name))
        return clean

    def _value(self, value: Any, shape: Shape, path: str) -> Any:
        if value is None and shape.nullable:
            return None
        if isinstance(shape, ScalarShape):
            return self._scalar(value, shape, path)
        if isinstance(shape, ArrayShape) and isinstance(value, list):
            return self._array(value, shape, path)
        if isinstance(shape, ObjectShape) and isinstance(value, dict):
            return self.walk_object(value, shape, path)
        self._note(self.faults.invalid, path)
        return None

    def _array(self, values: list[Any], shape: ArrayShape, path: str) -> list[Any]:
        too_many = shape.max_length is not None and len(values) > shape.max_length
        if too_many or len(values) < shape.min_length:
            self._note(self.faults.invalid, path)
        return [
            self._value(value, shape.item, f"{path}[{index}]") for index, value in enumerate(values)
        ]

    def _scalar(self, value: Any, shape: ScalarShape, path: str) -> Any:
        if isinstance(value, str):
            if shape.trim:
                value = value.strip(_BLANK)
            if shape.own_limit is not None and len(value) > shape.own_limit:
                self._note(self.faults.too_long, path)
                return None
            if (_CONTROL if shape.printable else _UNSTORABLE).search(value):
                self._note(self.faults.invalid, path)
                return None
        try:
            msgspec.convert(value, shape.type)
        except msgspec.ValidationError:
            self._note(self.faults.invalid, path)
        return value

    def _note(self, faults: list[str], path: str) -> None:
        faults.append(path)
        self._room -= 1
        if not self._room:
            raise _EnoughError


def _is_missing(value: Any, shape: Shape) -> bool:
    """Whether a required field's value counts as none (orders.md 2.2 #5)."""
    if value is None or value == "":
        return True
    if isinstance(shape, ArrayShape):
        return isinstance(value, list) and not value
    trimmed = isinstance(shape, ScalarShape) and shape.trim
    return trimmed and isinstance(value, str) and not value.strip(_BLANK)
