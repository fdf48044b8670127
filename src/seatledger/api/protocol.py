"""HTTP for uvicorn with one thing more: a call may cut its own connection."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from seatledger.api.interception import ABORT


class AbortableProtocol(HttpToolsProtocol):
    """Puts into every ASGI scope a callable that drops the connection without an answer."""

    def on_message_begin(self) -> None:
        """Begin a request: its scope is new, the connection may be an old one."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[dict-item]
