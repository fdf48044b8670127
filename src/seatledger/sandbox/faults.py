"""Failure injection: calls that fail, hang or lose their connection on demand (sandbox.md 5.3)."""

import asyncio
import secrets
from datetime import datetime
from typing import Any, NoReturn

import msgspec
from msgspec.structs import astuple, replace
from starlette.requests import ClientDisconnect, Request

from seatledger.api import answers
from seatledger.api.body import Malformed, parse_object
from seatledger.api.context import Context, Handler
from seatledger.api.interception import ABORT, FAULT_HEADER, RESET, Aborted, Cut
from seatledger.contract.resources import ErrorOut
from seatledger.contract.statuses import DUPLICATE
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.calls import Answer
from seatledger.engine.context import Engine
from seatledger.sandbox.control import Control, Refusal
from seatledger.sandbox.fault_bodies import (
    EFFECTS,
    AccountFails,
    BadBody,
    Effect,
    GatewayTimeout,
    HttpError,
    InternalError,
    Latency,
    Match,
    OrderFails,
    RateLimit,
    Reset,
    Timeout,
    fits,
    order_types,
    read_fault,
    read_shortcut,
)
from seatledger.store import faults, partners, rows
from seatledger.store.faults import Fault
from seatledger.store.rows import AnyConnection

_GATEWAY_TIMEOUT = render.encode({"error_code": "504001", "message": "Gateway Timeout"})
_GATEWAYS_PAGE = b"<!DOCTYPE html><html><body><h1>500 Internal Server Error</h1></body></html>\n"
_WITHOUT_BODY = (204, 304)  # by the rules of HTTP
_SETTLING = (OrderFails, AccountFails)  # what they settle has to be accepted first
_CHANCE = secrets.SystemRandom()


async def arm(control: Control) -> tuple[int, Any]:
    """POST /sandbox/faults: armed from the next call on."""
    wanted, expires_at = read_fault(control)
    effect = control.raw["effect"]
    fault = Fault(
        fault_id=secrets.token_hex(8),
        partner_id=control.partner_id,
        match=control.raw.get("match") or {},
        effect={name: value for name, value in effect.items() if value is not None},
        skip=wanted.skip,
        times=wanted.times,
        probability=wanted.probability,
        expires_at=expires_at,
    )
    now = _now(control)
    async with control.engine.pool.acquire() as connection, connection.transaction():
        if not await faults.insert(connection, fault):
            raise Refusal(Refused("4115"))
        await faults.note_armed(connection, control.partner_id, now)
    await control.engine.worlds.refresh(control.partner_id)
    return 201, _shown(fault, now)


async def show(control: Control) -> tuple[int, Any]:
    """GET /sandbox/faults: all of them in creation order, spent ones included."""
    now = _now(control)
    items = [_shown(one, now) for one in await _all(control)]
    return 200, {"totalCount": len(items), "items": items}


async def disarm(control: Control) -> tuple[int, Any]:
    """DELETE /sandbox/faults/{fault-id}."""
    if not await _delete(control, control.params["fault-id"]):
        raise Refusal(Refused("404"))
    return 204, None


async def disarm_all(control: Control) -> tuple[int, Any]:
    """DELETE /sandbox/faults."""
    await _delete(control, None)
    return 204, None


async def count(control: Control) -> int:
    """How many faults of the caller's world are armed."""
    now = _now(control)
    return sum(one.is_armed(now) for one in await _all(control))


async def _all(control: Control) -> list[Fault]:
    async with control.engine.pool.acquire() as connection:
        return await faults.of_partner(connection, control.partner_id)


async def _delete(control: Control, fault_id: str | None) -> bool:
    async with control.engine.pool.acquire() as connection, connection.transaction():
        found = await faults.delete(connection, control.partner_id, fault_id)
        await faults.note_armed(connection, control.partner_id, _now(control))
    await control.engine.worlds.refresh(control.partner_id)
    return found


def _now(control: Control) -> datetime:
    return control.engine.worlds.now(control.own)


def _shown(fault: Fault, now: datetime) -> dict[str, Any]:
    return {
        "id": fault.fault_id,
        "armed": fault.is_armed(now),
        "match": fault.match,
        "skip": fault.skip,
        "times": fault.times,
        "probability": fault.probability,
        "expiresAt": render.timestamp(fault.expires_at) if fault.expires_at else None,
        "effect": fault.effect,
        "fired": fault.fired,
    }


class Faults:
    """Steps between a call and its handler where a fault is to strike."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def intercept(self, request: Request, context: Context, handler: Handler) -> Answer:
        """Run a call under the fault of its header, else under the first armed one that fires."""
        header = context.headers.one(FAULT_HEADER)
        if header is not None:
            effect = read_shortcut(header)
            if effect is None:
                return answers.refusal("1117", "X-Sandbox-Fault")
            if not _concerns(effect, _Asked(context)):
                return await handler(context)
            return await _strike(effect, request, context, handler)
        effect, counted = await self._next_effect(context)
        watched = _Watched(handler)
        try:
            if effect is None:
                return await watched(context)
            return await _strike(effect, request, context, watched)
        finally:
            if counted and not watched.has_accepted:
                await self._give_back(context.partner_id, counted)

    async def _next_effect(self, context: Context) -> tuple[Effect | None, list[Fault]]:
        """The effect of the first fault that fires, counted; calls it lets pass count as well.

        With it the counted faults that are to settle something: their count holds only if the
        call is accepted. Counting first keeps them from firing too often, in any process.
        """
        counted: list[Fault] = []
        asked = _Asked(context)
        partner_id = context.partner_id
        async with self._engine.pool.acquire() as connection:
            world = await self._engine.worlds.current(partner_id, connection)
            if world is None:
                return None, counted
            now = self._engine.worlds.now(world)
            known = await faults.of_partner(connection, partner_id)
            armed = [one for one in known if one.is_armed(now)]
            found = None
            for one in armed:
                effect = msgspec.convert(one.effect, EFFECTS[one.effect["type"]])
                if not (asked.fits(one.match) and _concerns(effect, asked) and _happens(one)):
                    continue
                met = await _meet(connection, one, now)
                if met is not None and isinstance(effect, _SETTLING):
                    counted.append(met)
                if met is not None and met.fired:
                    found = met
                    break
            if not armed or (found is not None and not found.is_armed(now)):
                async with connection.transaction():
                    await faults.note_armed(connection, partner_id, now)
                await self._engine.worlds.refresh(partner_id, connection)
            return None if found is None else effect, counted

    async def _give_back(self, partner_id: str, counted: list[Fault]) -> None:
        """Uncount a call that was not accepted.

        A call let pass stays counted once the fault has fired: it would fire once too often.
        """
        ours = {one.fault_id: one.fired > 0 for one in counted}
        async with self._engine.pool.acquire() as connection:
            async with connection.transaction():
                await partners.load_locked(connection, partner_id)
                known = await faults.of_partner(connection, partner_id)
                less = [
                    replace(one, met=one.met - 1)
                    for one in known
                    if ours.get(one.fault_id) == (one.fired > 0)
                ]
                await rows.upsert(connection, "fault", "fault_id", less)
                world = await self._engine.worlds.current(partner_id, connection)
                if world is not None:
                    now = self._engine.worlds.now(world)
                    await faults.note_armed(connection, partner_id, now)
            await self._engine.worlds.refresh(partner_id, connection)


async def _meet(connection: AnyConnection, fault: Fault, now: datetime) -> Fault | None:
    """Count a matching call under the lock of the world, as whoever gives a count back does."""
    async with connection.transaction():
        await partners.load_locked(connection, fault.partner_id)
        return await faults.meet(connection, fault.fault_id, now)


class _Watched:
    """A handler, and whether it has accepted something new: replays and refusals are neither."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.has_accepted = False

    async def __call__(self, context: Context) -> Answer:
        answer = await self._handler(context)
        self.has_accepted = answer.http_status < 300 and not answer.replayed
        return answer


def _happens(fault: Fault) -> bool:
    return fault.probability >= 1 or _CHANCE.random() < fault.probability


class _Asked:
    """What a call asks for, as far as faults look at it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        try:
            self._body = parse_object(context.body)
        except Malformed:
            self._body = {}

    @property
    def order_type(self) -> str | None:
        """The orderType of the body."""
        value = self._body.get("orderType")
        return value if isinstance(value, str) else None

    def is_post_to(self, path: str) -> bool:
        """Whether the call is a POST to a path."""
        return self._context.method == "POST" and fits(path, self._context.path)

    def fits(self, sent: dict[str, Any]) -> bool:
        """Whether the call is one a fault waits for."""
        match = msgspec.convert(sent, Match)
        context = self._context
        headers = (match.header or {}).items()
        return (
            fits(match.method and match.method.upper(), context.method)
            and fits(match.path, context.path)
            and fits(match.order_type, self.order_type)
            and fits(match.customer_id, context.params.get("customer-id"))
            and (match.offer_id is None or any(fits(match.offer_id, o) for o in self._offers()))
            and all(
                any(fits(pattern, value) for value in context.headers.all(name.lower().encode()))
                for name, pattern in headers
            )
        )

    def _offers(self) -> list[str]:
        lines = self._body.get("lineItems")
        if not isinstance(lines, list):
            return []
        found = [line.get("offerId") for line in lines if isinstance(line, dict)]
        return [offer for offer in found if isinstance(offer, str)]


def _concerns(effect: Effect, asked: _Asked) -> bool:
    """Whether an effect can happen to a call at all: some need an order or a new account."""
    if isinstance(effect, OrderFails):
        is_order = asked.is_post_to("/v3/customers/*/orders")
        return is_order and asked.order_type in order_types(effect)
    if isinstance(effect, AccountFails):
        is_reseller = asked.is_post_to("/v3/resellers") and effect.status != DUPLICATE
        return is_reseller or asked.is_post_to("/v3/customers")
    return True


async def _strike(effect: Effect, request: Request, context: Context, handler: Handler) -> Answer:
    match effect:
        case HttpError():
            details = effect.additional_details
            body = render.encode(ErrorOut(effect.code, effect.message, details))
            return Answer(effect.status, b"" if effect.status in _WITHOUT_BODY else body)
        case RateLimit():
            return answers.refusal("4118", retry_after_seconds=effect.retry_after)
        case InternalError(when="before"):
            return answers.refusal("1124")
        case InternalError():
            context.fail_after_write = True
            await handler(context)
            return answers.refusal("1124")  # there was nothing to write
        case Latency():
            await asyncio.sleep(_wait(effect))
        case Timeout():
            if effect.type == "timeout_after_commit":
                await handler(context)
            await asyncio.sleep(effect.seconds)
            await _hang_up(request, ABORT)
        case BadBody(kind="html"):
            return Answer(500, _GATEWAYS_PAGE, media_type="text/html; charset=utf-8")
        case OrderFails() | AccountFails():
            context.injected_status = effect.status
    return await _spoil(effect, request, await handler(context))


async def _spoil(effect: Effect, request: Request, answer: Answer) -> Answer:
    """What becomes of the answer of a call that has run."""
    match effect:
        case GatewayTimeout():
            return Answer(504, _GATEWAY_TIMEOUT)
        case Reset(at="headers"):
            await _hang_up(request, RESET)
        case Reset():
            return Cut(*astuple(answer))
        case BadBody():
            length = 0 if effect.kind == "empty" else len(answer.body) // 2
            return replace(answer, body=answer.body[:length])
    return answer


def _wait(effect: Latency) -> float:
    if effect.seconds is not None:
        return effect.seconds
    assert effect.min is not None
    assert effect.max is not None
    return _CHANCE.uniform(effect.min, effect.max)


async def _hang_up(request: Request, how: str) -> NoReturn:
    """Drop the connection; nobody is left to be answered."""
    abort = request.scope.get("extensions", {}).get(how)
    if abort is None:
        raise Aborted
    abort()
    while (await request.receive())["type"] != "http.disconnect":
        pass
    raise ClientDisconnect
