"""JSON schemas of bodies and answers, made from their Structs."""

from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Any, Final, get_args

import msgspec

from seatledger.api.operations import Operation
from seatledger.api.tokens import TokenOut
from seatledger.contract.bodies.common import Body
from seatledger.contract.bodies.orders import (
    NewOrderIn,
    PreviewRenewalOrderIn,
    RenewalOrderIn,
    ReturnOrderIn,
)
from seatledger.contract.fields import shape_of
from seatledger.contract.resources import ErrorOut

REF_TEMPLATE: Final = "#/components/schemas/{name}"

_ORDER_TYPES: Final[dict[type[msgspec.Struct], list[str]]] = {
    NewOrderIn: ["NEW", "PREVIEW"],
    RenewalOrderIn: ["RENEWAL"],
    PreviewRenewalOrderIn: ["PREVIEW_RENEWAL"],
    ReturnOrderIn: ["RETURN"],
}
"""Which body of an order belongs to which `orderType`."""

_IGNORED: Final = {"description": "Accepted back and ignored.", "readOnly": True}
_FORBIDDEN_NOTE: Final = "Not allowed here: absent, or null or empty."


def ref(cls: type[msgspec.Struct]) -> dict[str, Any]:
    """A reference to the schema of a Struct."""
    return {"$ref": REF_TEMPLATE.format(name=cls.__name__)}


def body_types(operation: Operation) -> tuple[type[msgspec.Struct], ...]:
    """The Structs a body may be: none, one, or those of the order types."""
    if operation.body is None:
        return ()
    if isinstance(operation.body, UnionType):
        return get_args(operation.body)
    return (operation.body,)


def body_schema(types: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    """The schema of a body; several are told apart by `orderType`."""
    if len(types) == 1:
        return ref(types[0])
    mapping = {name: ref(cls)["$ref"] for cls, names in _ORDER_TYPES.items() for name in names}
    return {
        "oneOf": [ref(cls) for cls in types],
        "discriminator": {"propertyName": "orderType", "mapping": dict(sorted(mapping.items()))},
    }


def components(operations: Iterable[Operation]) -> dict[str, Any]:
    """Every schema the operations need, by name."""
    types = {ErrorOut, TokenOut}
    for operation in operations:
        types.update((operation.answer, *body_types(operation)))
    ordered = sorted(types, key=lambda cls: cls.__name__)
    _, found = msgspec.json.schema_components(ordered, ref_template=REF_TEMPLATE)
    schemas: dict[str, Any] = {name: _adapted(found[name]) for name in sorted(found)}
    for body in _bodies(Body):
        if body.__name__ in schemas:
            _describe_unread(schemas[body.__name__]["properties"], body)
    for cls, names in _ORDER_TYPES.items():
        schemas[cls.__name__]["properties"]["orderType"] = {"type": "string", "enum": names}
    return schemas


def _bodies(kind: type[Body]) -> Iterator[type[Body]]:
    """Every body of a kind, and every part of one."""
    for one in kind.__subclasses__():
        yield one
        yield from _bodies(one)


def _describe_unread(properties: dict[str, Any], cls: type[msgspec.Struct]) -> None:
    """Say of ignored and forbidden fields what they are; a Struct's own schema cannot."""
    for name, member in shape_of(cls).members.items():
        if member.forbidden:
            properties[name] = {"description": _FORBIDDEN_NOTE, **properties[name]}
        elif member.shape is None:
            properties[name] = dict(_IGNORED)


def _adapted(node: Any) -> Any:
    """A schema as OpenAPI readers want it: amounts are numbers, patterns are ECMA's."""
    if isinstance(node, list):
        return [_adapted(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "decimal":
        return {"type": "number"}
    adapted = {name: _adapted(value) for name, value in node.items() if name != "default"}
    if "pattern" in node:
        adapted["pattern"] = node["pattern"].replace(r"\A", "^").replace(r"\Z", "$")
    return adapted
