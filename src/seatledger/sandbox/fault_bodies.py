"""What a fault may say: bodies of the control call and the shortcut header (sandbox.md 5.3)."""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, defstruct

from seatledger.api.query import instant_of
from seatledger.contract.fields import Ignored
from seatledger.contract.statuses import INACTIVE
from seatledger.contract.walker import is_storable
from seatledger.domain.outcome import Refused
from seatledger.sandbox.control import Control, Refusal

CLIENT_TIMEOUT_SECONDS: Final = 60  # the real client gives up then: longer waits need `force`

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]
Required = Annotated[str, Meta(min_length=1)]


class _Body(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The rules every body follows."""


class Match(_Body, frozen=True, kw_only=True):
    """Which calls a fault waits for; what is absent matches every call. `*` stands for any text.

    `header` is an object of header names and patterns.
    """

    method: str | None = None
    path: str | None = None
    order_type: str | None = None
    customer_id: str | None = None
    offer_id: str | None = None
    header: Ignored = None


class Effect(_Body, frozen=True, kw_only=True):
    """What every effect may say."""

    type: Required
    force: bool = False


class HttpError(Effect, frozen=True, kw_only=True):
    """Answers an error instead of running the call."""

    status: Annotated[int, Meta(ge=200, le=599)]
    code: Required
    message: str = ""
    additional_details: tuple[str, ...] = ()


class Latency(Effect, frozen=True, kw_only=True):
    """Waits `seconds`, or a time between `min` and `max`, and then runs the call."""

    seconds: Seconds | None = None
    min: Seconds | None = None
    max: Seconds | None = None


class RateLimit(Effect, frozen=True, kw_only=True):
    """Answers 429 4118."""

    retry_after: Annotated[int, Meta(ge=0, le=86_400)] = 1


class InternalError(Effect, frozen=True, kw_only=True):
    """Answers 500 1124 without running the call, or after its writes were rolled back."""

    when: Literal["before", "after_write"] = "before"


class Timeout(Effect, frozen=True, kw_only=True):
    """Closes the connection without an answer after `seconds`."""

    seconds: Seconds = 0


class GatewayTimeout(Effect, frozen=True, kw_only=True):
    """Runs the call and answers 504."""


class Reset(Effect, frozen=True, kw_only=True):
    """Runs the call, and resets its connection instead of its answer or in the midst of it."""

    at: Literal["headers", "body"] = "headers"


class BadBody(Effect, frozen=True, kw_only=True):
    """Answers a body that is no JSON: a gateway's page, or nothing or half of the call's own."""

    kind: Literal["html", "empty", "truncated"]


class OrderFails(Effect, frozen=True, kw_only=True):
    """The order is accepted and settles to `status`."""

    status: Literal["1004", "1020", "1022", "1024", "1026"]


class AccountFails(Effect, frozen=True, kw_only=True):
    """The new reseller or customer settles to `status`."""

    status: Literal["1004", "1010", "1012", "1014"]


EFFECTS: Final[dict[str, type[Effect]]] = {
    "http_error": HttpError,
    "latency": Latency,
    "rate_limit": RateLimit,
    "internal_error": InternalError,
    "timeout_before": Timeout,
    "timeout_after_commit": Timeout,
    "gateway_timeout": GatewayTimeout,
    "reset": Reset,
    "bad_body": BadBody,
    "order_fails": OrderFails,
    "account_fails": AccountFails,
}


class FaultIn(_Body, frozen=True, kw_only=True):
    """POST /sandbox/faults; `force` may stand here or in the effect."""

    match: Match = Match()
    skip: Count = 0
    times: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    expires_at: str | None = None
    force: bool = False


class _UnknownEffectFault(FaultIn, frozen=True, kw_only=True):
    effect: Ignored = None


_BODIES: Final[dict[str, type[Struct]]] = {
    name: defstruct(
        f"{effect.__name__}Fault", [("effect", effect)], bases=(FaultIn,), frozen=True, kw_only=True
    )
    for name, effect in EFFECTS.items()
}


def read_fault(control: Control) -> tuple[FaultIn, datetime | None]:
    """The fault a control call asks for and when it expires (business clock).

    Raises Refusal (1121, 1122, 1117) with everything that is wrong with it.
    """
    effect = control.raw.get("effect")
    name = effect.get("type") if isinstance(effect, dict) else None
    shape = _BODIES.get(name) if isinstance(name, str) else None
    if shape is None:
        control.body(_UnknownEffectFault)  # what is wrong besides goes first
        raise Refusal(_effect_refusal(effect, name))
    body = control.body(shape)
    faults = [f"effect.{field}" for field in _bad_times(body.effect, forced=body.force)]
    if isinstance(body.effect, OrderFails) and not _may_fire(body.effect, body.match):
        faults.append("effect.status")
    if not _is_text_map(body.match.header):
        faults.append("match.header")
    expires_at = None if body.expires_at is None else instant_of(body.expires_at)
    if expires_at is None and body.expires_at is not None:
        faults.append("expiresAt")
    if faults:
        raise Refusal(Refused("1117", tuple(faults)))
    missing = _missing_times(body.effect)
    if missing:
        raise Refusal(Refused("1122", tuple(f"effect.{field}" for field in missing)))
    return body, expires_at


def _effect_refusal(effect: object, name: object) -> Refused:
    if effect in (None, ""):
        return Refused("1122", ("effect",))
    if not isinstance(effect, dict):
        return Refused("1117", ("effect",))
    return Refused("1122" if name in (None, "") else "1117", ("effect.type",))


def _bad_times(effect: Effect, *, forced: bool) -> list[str]:
    """Times beyond the client's own timeout that nobody insists on, and bounds the wrong way."""
    bad: list[str] = []
    if not (forced or effect.force):
        bad += [
            name
            for name in ("seconds", "min", "max")
            if (getattr(effect, name, None) or 0) > CLIENT_TIMEOUT_SECONDS
        ]
    if isinstance(effect, Latency) and effect.min is not None and effect.max is not None:
        bad += ["min"] if effect.min > effect.max else []
    return bad


def _missing_times(effect: Effect) -> list[str]:
    """A latency says how long: `seconds`, or both bounds."""
    if not isinstance(effect, Latency) or effect.seconds is not None:
        return []
    if effect.min is None and effect.max is None:
        return ["seconds"]
    return [name for name in ("min", "max") if getattr(effect, name) is None]


def order_types(effect: OrderFails) -> tuple[str, ...]:
    """The types of orders that can settle to a status; credits know 1004 alone (orders.md 1.6)."""
    return ("NEW", "RENEWAL", "RETURN") if effect.status == INACTIVE else ("NEW", "RENEWAL")


def _may_fire(effect: OrderFails, match: Match) -> bool:
    return any(fits(match.order_type, one) for one in order_types(effect))


def _is_text_map(value: object) -> bool:
    return value is None or (
        isinstance(value, dict)
        and all(
            isinstance(text, str) and is_storable(text) for one in value.items() for text in one
        )
    )


def read_shortcut(text: str) -> Effect | None:
    """The effect of an X-Sandbox-Fault header: `type;name=value;...`; None if it makes none."""
    name, *pairs = (part.strip() for part in text.split(";"))
    shape = EFFECTS.get(name)
    if shape is None or any("=" not in pair for pair in pairs):
        return None
    fields = dict(pair.split("=", 1) for pair in pairs)
    try:
        effect: Effect = msgspec.convert({**fields, "type": name}, shape, strict=False)
    except msgspec.ValidationError:
        return None
    return None if _bad_times(effect, forced=False) or _missing_times(effect) else effect


def fits(pattern: str | None, text: str | None) -> bool:
    """Whether a text matches a pattern in which `*` stands for any text; no pattern fits all."""
    if pattern is None or text is None:
        return pattern is None
    head, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    if not text.startswith(head):
        return False
    *middle, tail = rest
    at = len(head)
    for part in middle:  # the leftmost place leaves the most room for what follows
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return at + len(tail) <= len(text) and text.endswith(tail)
