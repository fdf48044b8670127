"""How a request body is described: msgspec Structs, and the marks their fields may carry.

A body is a Struct with `rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True`.
Fields without a default are required and must refuse null, "" and [] by their own type
(`min_length=1`, a Literal, a pattern). An optional field declares its default; null then counts
as absent unless its type admits None. Types are str, int, float, bool, Literal, lists and
`tuple[X, ...]` of them, further Structs, `Ignored` and `Forbidden`. Mind that msgspec *searches*
a pattern: anchor it with `\\A` and `\\Z` (`$` lets a final line break pass).
"""

from collections.abc import Iterable
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeAlias, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct, UnsetType

TRIM: Final[dict[str, Any]] = {"trim": True}
"""`extra` of a str: surrounding blanks are removed before anything is judged (orders.md 1.2)."""

PRINTABLE: Final[dict[str, Any]] = {"printable": True}
"""`extra` of a str: control characters make it invalid (orders.md 2.2 #7)."""

TOO_LONG_2126: Final[dict[str, Any]] = {"too_long_code": "2126"}
"""`extra` of a str with `max_length`: more characters are 2126, not 1117 (orders.md 2.2 #6)."""

Ignored: TypeAlias = Annotated[Any, Meta(extra={"ignored": True})]
"""Any value is accepted and none is looked at: read-only names sent back (orders.md 1.2)."""

_EmptyArray: TypeAlias = Annotated[list[Any], Meta(max_length=0)]
_EmptyObject: TypeAlias = Annotated[dict[str, Any], Meta(max_length=0)]
Forbidden: TypeAlias = Annotated[
    Literal[""] | _EmptyArray | _EmptyObject | None, Meta(extra={"forbidden": True})
]
"""Absent, null, "", [] or {}; anything else makes the field an unexpected one (orders.md 1.2)."""

_SCALARS: Final = (str, int, float, bool)


class Shape(Struct, frozen=True, kw_only=True):
    """What a JSON value has to look like; `nullable` says that null is a value of its own."""

    nullable: bool


class ScalarShape(Shape, frozen=True, kw_only=True):
    """A string, number or boolean; `type` is what msgspec judges it by.

    `own_limit`: the number of characters (code points) beyond which the 2126 list gets the field.
    """

    type: Any
    trim: bool
    printable: bool
    own_limit: int | None


class ArrayShape(Shape, frozen=True, kw_only=True):
    """An array: the shape of every element and the allowed number of them."""

    item: Shape
    min_length: int
    max_length: int | None


class Member(Struct, frozen=True, kw_only=True):
    """One field of an object. No shape: ignored, or `forbidden` unless empty."""

    shape: Shape | None
    required: bool
    forbidden: bool


class ObjectShape(Shape, frozen=True, kw_only=True):
    """An object: its members by JSON name, in declaration order."""

    members: dict[str, Member]


@cache
def shape_of(cls: type[Struct]) -> ObjectShape:
    """The shape of the bodies `cls` describes. A declaration this module forbids: TypeError."""
    return _object(cls, nullable=False)


def _object(cls: type[Struct], *, nullable: bool) -> ObjectShape:
    config = cls.__struct_config__
    if not config.forbid_unknown_fields or config.tag_field or config.array_like:
        raise TypeError(f"{cls.__name__}: bodies are plain objects that forbid unknown fields")
    members = {
        field.encode_name: _member(field, f"{cls.__name__}.{field.name}")
        for field in msgspec.structs.fields(cls)
    }
    return ObjectShape(nullable=nullable, members=members)


def _member(field: msgspec.structs.FieldInfo, where: str) -> Member:
    if field.required:
        empties: tuple[Any, ...] = (None, "", [])
        for empty in empties:
            if _accepts(field.type, empty):
                raise TypeError(f"{where} is required but would accept {empty!r}")
    marks = _extra(_unwrapped(field.type)[1])
    unseen = "ignored" in marks or "forbidden" in marks
    return Member(
        shape=None if unseen else _shape(field.type, where),
        required=field.required,
        forbidden="forbidden" in marks,
    )


def _accepts(hint: Any, value: object) -> bool:
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return False
    return True


def _shape(hint: Any, where: str) -> Shape:
    """The shape of a type. A type the walker has no rule for: TypeError."""
    bare, metas = _unwrapped(hint)
    nullable = False
    if get_origin(bare) in (Union, UnionType):
        members = [one for one in get_args(bare) if one is not UnsetType]
        nullable = NoneType in members
        members = [one for one in members if one is not NoneType]
        if len(members) != 1:
            raise TypeError(f"{where}: alternatives besides null are not supported")
        bare, inner = _unwrapped(members[0])
        metas = (*inner, *metas)
    plain = Annotated[bare, *metas] if metas else bare
    origin = get_origin(bare)
    if isinstance(bare, type) and issubclass(bare, Struct):
        return _object(bare, nullable=nullable)
    if origin is list or (origin is tuple and get_args(bare)[1:] == (...,)):
        least, most = _lengths(plain)
        item = _shape(get_args(bare)[0], where)
        return ArrayShape(nullable=nullable, item=item, min_length=least, max_length=most)
    if bare not in _SCALARS and origin is not Literal:
        raise TypeError(f"{where}: {bare!r} is not a type of request bodies")
    extra = _extra(metas)
    return ScalarShape(
        nullable=nullable,
        type=plain,
        trim="trim" in extra,
        printable="printable" in extra,
        own_limit=_lengths(plain)[1] if "too_long_code" in extra else None,
    )


def _unwrapped(hint: Any) -> tuple[Any, tuple[Meta, ...]]:
    """A type without its Annotated wrapping, and the Metas found there."""
    if get_origin(hint) is not Annotated:
        return hint, ()
    bare, *annotations = get_args(hint)
    return bare, tuple(one for one in annotations if isinstance(one, Meta))


def _extra(metas: Iterable[Meta]) -> dict[str, Any]:
    return {key: mark for meta in metas for key, mark in (meta.extra or {}).items()}


def _lengths(hint: Any) -> tuple[int, int | None]:
    """The least and the greatest length msgspec allows a string or array of this type."""
    info = msgspec.inspect.type_info(hint)
    while isinstance(info, msgspec.inspect.Metadata):
        info = info.type
    return getattr(info, "min_length", None) or 0, getattr(info, "max_length", None)
