"""`seatledger serve`: from settings to a database, and on to the service."""

import errno
import signal
import socket
from importlib import import_module
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Annotated, Literal

import typer

from seatledger.cli.common import DatabaseUrl, DataDir, fail, setting, settings_of
from seatledger.cli.database import database
from seatledger.settings import PREFIX
from seatledger.tracing import TracingError, tracing

app = typer.Typer()
_SERVICE = "seatledger.cli.service"


@app.command()
def serve(
    port: Annotated[int | None, setting("port")] = None,
    host: Annotated[str | None, setting("host")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    mode: Annotated[Literal["sandbox", "production"] | None, setting("mode")] = None,
    workers: Annotated[int | None, setting("workers")] = None,
    role: Annotated[Literal["all", "api", "worker"] | None, setting("role")] = None,
    sandbox_open: Annotated[bool | None, setting("sandbox_open")] = None,
    tls_cert: Annotated[Path | None, setting("tls_cert")] = None,
    tls_key: Annotated[Path | None, setting("tls_key")] = None,
    tls_proxies: Annotated[str | None, setting("tls_proxies")] = None,
) -> None:
    """Start the service, with a database of its own unless one is given."""
    settings = settings_of(
        port=port,
        host=host,
        data_dir=data_dir,
        database_url=database_url,
        mode=mode,
        workers=workers,
        role=role,
        sandbox_open=sandbox_open,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_proxies=tls_proxies,
    )
    try:
        tracing.configure()
    except TracingError as error:
        fail(str(error), code=2)
    if settings.tls_cert is not None and settings.tls_key is not None:
        _refuse_bad_pair(settings.tls_cert, settings.tls_key)
    _stop_in_order()
    settings = settings.model_copy(update={"port": _usable_port(settings.host, settings.port)})
    if settings.metrics_port is not None:
        _usable_port(settings.host, settings.metrics_port)
    # Other processes make and start the database; meanwhile this one loads the service.
    Thread(target=import_module, args=(_SERVICE,)).start()
    with database(settings, creates=True) as url:
        import_module(_SERVICE).run(settings, url)


def _refuse_bad_pair(certificate: Path, key: Path) -> None:
    """End with one line unless a server could speak TLS with these files."""
    import ssl  # not for the many starts without

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error.args[-1]
        fail(f"--tls-cert and --tls-key are no pair in PEM, without a password: {reason}", code=2)


def _usable_port(host: str, port: int) -> int:
    """`port`, or a free one for 0; ends with one line if nobody may listen there."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the server will: connections of an earlier one may still be winding down.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            found: int = probe.getsockname()[1]
            return found
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            fail(f"port {port} on {host} is taken; choose another with --port or {PREFIX}PORT")
        fail(f"cannot listen on port {port} of {host}: {error.strerror}")


def _stop_in_order() -> None:
    """Let SIGTERM unwind what was started until, and after, the server handles it itself."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    def hang_up(_signal: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, hang_up)
