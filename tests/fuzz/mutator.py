"""Turns a valid JSON body into something a hostile or broken client might send."""

import copy
import json
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

STRINGS = (
    *("", " ", "\0", "a\0b", "\ud800", "\udfff tail", "\x1b[31m", "\x7f", "\x85", "\u2028"),
    *("\ufeff", "\u202egnirts", "e\u0301", "\u0130stanbul", "\u1e9e", "\ufdfa" * 9, "🏴‍☠️"),
    *("null", "true", "1", "-1", "1e3", "NaN", "undefined", "[]", "{}", "0x10", "١٢"),
    *("' OR '1'='1", "'; DROP TABLE orders; --", "$1", "%s%n%x", "{{7*7}}", "${jndi:ldap://x}"),
    *("<script>alert(1)</script>", "../../etc/passwd", "\\", '"', "\r\nX-Injected: 1", "a" * 36),
    *("a" * 41, "€" * 41, "a" * 256, "ab " * 20_000, "2025-02-30", "9999-12-31", "0000-00-00"),
    *("2025-07-07T00:00:00+02:00", "ann@example.com\n", "a@b", "@", "USD ", "usd", "US", "XX"),
    *("65304479CA01A12 ", "65304479ca01a12", "65304479CA99A12", "1234567890", "RETURN", "RENEWAL"),
)
NUMBERS = (
    *(0, -1, 1, 2, 10_000, 10_001, 999_999, 1_000_000, 2**31 - 1, 2**31, -(2**31) - 1),
    *(2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**30, 10**400, 1.0, 0.1, -0.0),
    *(1e308, 5e-324, 1e15),
)
NAMES = (
    *("", "colour", "a.b", "[0]", "lineItems[0]", "__proto__", "constructor", "\0", "\ud800"),
    *("ORDERTYPE", "orderId", "status", "links", "x" * 5_000, "naïve", "$ref", "companyProfile"),
)
NUMERALS = (
    *("1e400", "-1e-400", "1E5", "5.0", "1.", ".5", "01", "+1", "-", "-0", "0x1F", "1_000"),
    *("NaN", "Infinity", "-Infinity", "1" * 5_000, "1e999999999999999999999", "0." + "9" * 500),
)

MOST_COPIED = 10

Step = tuple[Any, Any]
"""A container and the key or index of one value in it."""


def mutated(body: dict[str, Any], random: Random) -> bytes:
    """`body` with one to three faults in it, as bytes; in rare cases none."""
    tree = copy.deepcopy(body)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        random.choice(TREE_FAULTS)(tree, random)
    content = json.dumps(tree, ensure_ascii=random.random() < 0.8).encode("utf-8", "surrogatepass")
    if random.random() < 0.3:
        content = random.choice(BYTE_FAULTS)(content, random)
    return content


def _steps(node: Any) -> Iterator[Step]:
    keys = list(node) if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield node, key
        if isinstance(node[key], dict | list):
            yield from _steps(node[key])


def _any_step(tree: dict[str, Any], random: Random) -> Step:
    steps = list(_steps(tree))
    return random.choice(steps) if steps else (tree, "empty")


def _objects(tree: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [node[key] for node, key in _steps(tree)]
    return [tree, *(one for one in inner if isinstance(one, dict))]


def _deep(random: Random) -> Any:
    value: Any = random.choice((1, [], {}))
    for _ in range(random.choice((5, 29, 31, 33, 200))):
        value = [value] if random.random() < 0.5 else {"a": value}
    return value


def _value(random: Random) -> Any:
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: random.choice(STRINGS),
        lambda: random.choice(NUMBERS),
        lambda: random.choice((None, True, False)),
        lambda: random.choice(([], {}, [None], [[]], [1, "a"], {"a": 1})),
        lambda: _deep(random),
    )
    return random.choice(kinds)()


def _drop(tree: dict[str, Any], random: Random) -> None:
    node, key = _any_step(tree, random)
    if not isinstance(node, dict) or key in node:
        del node[key]


def _replace(tree: dict[str, Any], random: Random) -> None:
    node, key = _any_step(tree, random)
    node[key] = _value(random)


def _same_type(tree: dict[str, Any], random: Random) -> None:
    leaves = [(node, key) for node, key in _steps(tree) if isinstance(node[key], str | int)]
    if leaves:
        node, key = random.choice(leaves)
        node[key] = random.choice(STRINGS if isinstance(node[key], str) else NUMBERS)


def _add(tree: dict[str, Any], random: Random) -> None:
    random.choice(_objects(tree))[random.choice(NAMES)] = _value(random)


def _rename(tree: dict[str, Any], random: Random) -> None:
    chosen = random.choice(_objects(tree))
    if chosen:
        name = random.choice(list(chosen))
        changed = random.choice((name.upper(), name + " ", name[:-1], f"_{name}"))
        chosen[changed] = chosen.pop(name)


def _swap(tree: dict[str, Any], random: Random) -> None:
    steps = list(_steps(tree))
    if steps:
        (one, first), (other, second) = random.choice(steps), random.choice(steps)
        values = copy.deepcopy((one[first], other[second]))
        other[second], one[first] = values


def _stretch(tree: dict[str, Any], random: Random) -> None:
    arrays = [node[key] for node, key in _steps(tree) if isinstance(node[key], list)]
    short = [one for one in arrays if len(one) <= MOST_COPIED]
    if short:
        chosen = random.choice(short)
        chosen[:] = [copy.deepcopy(one) for one in chosen] * random.choice((0, 2, 600))


TREE_FAULTS = (_drop, _replace, _replace, _same_type, _same_type, _add, _rename, _swap, _stretch)


def _cut(content: bytes, random: Random) -> bytes:
    return content[: random.randrange(len(content))]


def _flip(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content))
    return content[:place] + bytes([random.randrange(256)]) + content[place + 1 :]


def _insert(content: bytes, random: Random) -> bytes:
    place = random.randrange(len(content))
    wild = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\x00", b"\x1f", b"/* c */", b",", b"\\u00")
    return content[:place] + random.choice(wild) + content[place:]


def _repeat_key(content: bytes, random: Random) -> bytes:
    found = list(re.finditer(rb'"\w+": ', content))
    if not found:
        return content
    key = random.choice(found)
    return content[: key.start()] + key[0] + b"1, " + content[key.start() :]


def _numeral(content: bytes, random: Random) -> bytes:
    found = list(re.finditer(rb"(?<=: )\d+", content))
    if not found:
        return content
    number = random.choice(found)
    return content[: number.start()] + random.choice(NUMERALS).encode() + content[number.end() :]


def _wrap(content: bytes, random: Random) -> bytes:
    wraps = (
        (b"\xef\xbb\xbf", b""),
        (b"[", b"]"),
        (b"", b"{}"),
        (b"", b" \n\t"),
        (b"", b"\x00"),
        (b"// c\n", b""),
        (b'{"a":' * 40, b"}" * 40),
        (b'{"a":' * 20_000, b"}" * 20_000),
    )
    before, after = random.choice(wraps)
    return before + content + after


def _reencode(content: bytes, random: Random) -> bytes:
    text = content.decode("utf-8", "replace")
    return text.encode(random.choice(("utf-16", "utf-32", "utf-16-le", "utf-7")))


def _something_else(_: bytes, random: Random) -> bytes:
    others = (b"", b" ", b"null", b"1", b'"{}"', b"[]", b"{}", b"a=1&b=2", b"<a/>", b"{" * 5_000)
    return random.choice(others)


BYTE_FAULTS = (
    *(_cut, _flip, _insert, _repeat_key, _repeat_key, _numeral, _numeral, _wrap),
    *(_reencode, _something_else),
)
