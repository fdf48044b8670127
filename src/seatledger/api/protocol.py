"""HTTP for uvicorn as a service on the open network needs it (platform.md 3 and 13).

uvicorn waits for a request's end for ever, keeps as much of its head as a client sends, and answers
what is no HTTP in a form of its own. This protocol bounds all three, and lets a call cut its own
connection.
"""

import logging
import re
import resource
import socket
import struct
from asyncio import BaseTransport, TimerHandle
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from seatledger.api import answers
from seatledger.api.context import new_request_id
from seatledger.api.interception import ABORT, RESET
from seatledger.contract import limits
from seatledger.domain.outcome import Refused
from seatledger.engine import render
from seatledger.engine.calls import Answer

log = structlog.get_logger()

_ERRORS_ONLY = logging.getLogger("uvicorn.protocol")  # its warnings tell nothing of the caller
_ERRORS_ONLY.setLevel(logging.ERROR)
_NO_HTTP = Refused("400", variant="Malformed request")
_BUSY_SECONDS = 1  # Retry-After where there are too many connections
# Left out of a request, as RFC 9110 7.8 allows: HTTP clients offer h2c with their first call.
_UPGRADE = re.compile(rb"(?<=\n)upgrade(?=:)", re.IGNORECASE)
_CODING = b"chunked"
_NO_LINGERING = struct.pack("ii", 1, 0)
_KEPT_FILES = 128  # for the database, the log, and whatever else a process opens


class _Nowhere(list[tuple[bytes, bytes]]):
    """Where the trailers of a chunked body go: no header of a call comes after its body."""

    def append(self, _: tuple[bytes, bytes]) -> None:
        """Forget it."""


def most_connections() -> int:
    """How many connections a process holds: no more than the system lets it open files for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = limits.MAX_CONNECTIONS if files == resource.RLIM_INFINITY else files - _KEPT_FILES
    return max(1, min(limits.MAX_CONNECTIONS, allowed))


class AbortableProtocol(HttpToolsProtocol):
    """One connection. A request is in time and within bounds, or its connection is closed.

    Puts into every ASGI scope a callable that drops the connection without an answer.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.logger = _ERRORS_ONLY
        self._in_head = False
        self._in_message = False
        self._received = 0  # bytes of the current message, but for those of its first segment
        self._deadline: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Take a connection, or turn it away where there are too many."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > most_connections():
            self._refuse(Refused("503"), retry_after_seconds=_BUSY_SECONDS)
        else:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, as long as it is not too much for one request."""
        if self.transport.is_closing():
            return
        if self._in_message:
            self._received += len(data)
            if self._received > limits.MAX_MESSAGE_BYTES:
                self.transport.close()
                return
        elif b"pgrade" in data or b"PGRADE" in data:
            head, end, rest = data.partition(b"\r\n\r\n")
            data = _UPGRADE.sub(b"Ignored", head) + end + rest
        super().data_received(data)
        if self._in_head and self._received > limits.MAX_TARGET_BYTES + limits.MAX_HEADER_BYTES:
            self._refuse(Refused("431"))
        elif not self._in_message and self._is_running():
            self._stop_waiting()
        elif self._deadline is None:
            self._await_request()

    def on_message_begin(self) -> None:
        """Begin a request: its scope is new, the connection may be an old one."""
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._received = 0
        self.scope["extensions"] = {
            ABORT: self.transport.abort,  # type: ignore[dict-item]
            RESET: self._reset,  # type: ignore[dict-item]
        }

    def on_headers_complete(self) -> None:
        """Start the call; a request without one clear host is refused (RFC 9112, 3.2).

        So are codings but chunked (6.1), and whoever still wants another protocol by now: the
        parser takes the body of such a request for the next one.
        """
        self._in_head = False
        if self.parser.should_upgrade():
            raise ValueError("there is no other protocol to go on with")
        if any(
            name == b"transfer-encoding" and value.lower() != _CODING
            for name, value in self.headers
        ):
            raise ValueError("chunked is the one transfer coding")
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise ValueError("one Host header is wanted")
        super().on_headers_complete()
        self.headers = _Nowhere()

    def on_message_complete(self) -> None:
        """The request is here."""
        self._in_message = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, unless the answer would be taken for that of another call."""
        if self._is_running():
            is_own = self._in_message and not self._in_head and not self.pipeline
            if not is_own or self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True  # its call never gets the rest of its body
            self.cycle.message_event.set()
        self._refuse(_NO_HTTP)

    def _reset(self) -> None:
        """Close at once with what has not been sent or read, and tell the caller by a reset."""
        connection = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)
        self.transport.abort()

    def _is_running(self) -> bool:
        """Whether the latest call waits for its answer."""
        cycle: Any = self.cycle  # None before the first one
        return cycle is not None and not cycle.response_complete

    def _await_request(self) -> None:
        self._deadline = self.loop.call_later(limits.REQUEST_SECONDS, self._be_late)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _be_late(self) -> None:
        """Close, unless a call runs: that one answers for its body itself."""
        self._deadline = None
        if self._is_running() and not self._in_head:
            self._await_request()
        else:
            self.transport.close()

    def _refuse(self, refusal: Refused, *, retry_after_seconds: int | None = None) -> None:
        """Answer in the envelope what never becomes a call, and close."""
        self._stop_waiting()
        status, body = render.refusal(refusal)
        answer = Answer(status, body, retry_after_seconds=retry_after_seconds)
        state = {"request_id": new_request_id(), "correlation_id": ""}
        client = None if self.client is None else self.client[0]
        log.info("refused before it was a call", status=status, client=client, **state)
        headers = answers.response({"state": state, "scheme": self.scheme}, answer).raw_headers
        head = (*self.server_state.default_headers, *headers, (b"connection", b"close"))
        lines = [b"%b: %b\r\n" % header for header in head]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))
        self.transport.close()
