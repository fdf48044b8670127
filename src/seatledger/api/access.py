"""The request log: one line for every call, in the form of all other log lines.

Made for the hot path: a line is a few fields encoded at once, and lines are written several at a
time. What a caller sends in headers, query and body stays out but for its ids and user agent.
"""

import asyncio
import json
import re
import sys
from datetime import datetime
from operator import attrgetter
from typing import Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.types import Scope

from seatledger.api.context import Context, Headers
from seatledger.clock import RealClock
from seatledger.engine.calls import Answer
from seatledger.telemetry import without_hidden

_WRITE_SECONDS = 0.1  # lines wait that long for others; a killed process loses those
_LONGEST_AGENT = 200
_SIGNS_OF_HIDDEN = (b"@", b"%40", b"eyJ", b"p8e-")  # looked for without decoding the line


class Line(Struct, frozen=True, omit_defaults=True):
    """One call. Without `status` its connection was gone before there was an answer.

    `mismatch` says that a stored answer was repeated for another request (platform.md 5.3),
    `ignored` are query parameters nobody asked for (platform.md 8).
    """

    event: str
    level: str
    component: str
    timestamp: datetime
    method: str
    path: str
    duration_ms: float
    request_id: str
    status: int = 0
    code: str = ""
    correlation_id: str = ""
    partner_id: str = ""
    replayed: bool = False
    mismatch: bool = False
    ignored: tuple[str, ...] = ()
    user_agent: str = ""
    trace_id: str = ""


class AccessLog:
    """Writes the lines of one process to standard error."""

    def __init__(self, clock: RealClock, log_format: Literal["json", "console"]) -> None:
        self._clock = clock
        self._encode = _as_json if log_format == "json" else _as_text
        self._lines: list[bytes] = []

    def note(self, scope: Scope, status: int, code: str, seconds: float) -> None:
        """Log a call that the gate has prepared and that has ended with `status`; 0: with none.

        `code` is that of its refusal, "" of a success; `seconds` is how long it took.
        """
        state = scope["state"]
        answer: Answer | None = state.get("answer")
        context: Context | None = state.get("context")
        headers: Headers = state["headers"]
        mismatch = answer is not None and answer.mismatch
        line = Line(
            event="call" if status else "call cut off",
            level="warning" if mismatch else "info",
            component="access",
            timestamp=self._clock.now(),
            method=scope["method"],
            path=scope["raw_path"].decode("ascii", "backslashreplace"),
            duration_ms=round(seconds * 1000, 1),
            request_id=state["request_id"],
            status=status,
            code=code,
            correlation_id=state["correlation_id"],
            partner_id=context.partner_id if context is not None else "",
            replayed=answer is not None and answer.replayed,
            mismatch=mismatch,
            ignored=_ignored(scope["query_string"], state.get("parameters")),
            user_agent=(headers.one(b"user-agent") or "")[:_LONGEST_AGENT],
            trace_id=state.get("trace_id", ""),
        )
        if not self._lines:
            asyncio.get_running_loop().call_later(_WRITE_SECONDS, self.write)
        encoded = self._encode(line)
        if any(sign in encoded for sign in _SIGNS_OF_HIDDEN):
            encoded = without_hidden(encoded.decode()).encode()
        self._lines.append(encoded)

    def write(self) -> None:
        """Write the lines that wait."""
        lines, self._lines = self._lines, []
        sys.stderr.write(b"".join(lines).decode())
        sys.stderr.flush()


def _ignored(query: bytes, known: tuple[str, ...] | None) -> tuple[str, ...]:
    if not query or known is None:
        return ()
    sent = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return tuple(dict.fromkeys(name for name, _ in sent if name not in known))


_ENCODER = msgspec.json.Encoder()


def _as_json(line: Line) -> bytes:
    return _ENCODER.encode(line) + b"\n"


def _as_text(line: Line) -> bytes:
    told = " ".join(
        [
            f"{name}={text if _PLAIN(text := str(value)) else json.dumps(value)}"
            for name, value in zip(_FACTS, _VALUES(line), strict=True)
            if value
        ]
    )
    at = line.timestamp.isoformat()[:-6]
    return f"{at}Z [{line.level:<9}] {line.event:<30} {told}\n".encode()


_FACTS = tuple(
    name for name in Line.__struct_fields__ if name not in ("event", "level", "timestamp")
)
_VALUES = attrgetter(*_FACTS)
_PLAIN = re.compile(r"[!#-&*-~]+").fullmatch  # what could break or fake a line is quoted
