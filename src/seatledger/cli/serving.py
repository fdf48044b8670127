"""`seatledger serve`: from settings to a running server."""

import asyncio
import errno
import signal
import socket
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

from rich.console import Console
from rich.text import Text

from seatledger import server
from seatledger.app import UnsafeSettings, Welcome, prepare
from seatledger.cli.common import DatabaseUrl, DataDir, fail, setting, settings_of
from seatledger.cli.database import database, upgrade
from seatledger.settings import PREFIX, Settings
from seatledger.tracing import TracingError, tracing


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
    _stop_in_order()
    settings = settings.model_copy(update={"port": _usable_port(settings.host, settings.port)})
    if settings.metrics_port is not None:
        _usable_port(settings.host, settings.metrics_port)
    with database(settings, creates=True) as url:
        upgrade(url)
        try:
            welcome = asyncio.run(prepare(settings, url))
        except UnsafeSettings as error:
            fail(str(error), code=2)
        _greet(settings, welcome)
        found = {"database_url": url, "admin_token": welcome.admin_token}
        server.run(settings.model_copy(update=found))


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
            fail(f"port {port} on {host} is taken; choose another with --port")
        fail(f"cannot listen on port {port} of {host}: {error.strerror}")


def _stop_in_order() -> None:
    """Let SIGTERM unwind what was started until, and after, the server handles it itself."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    def hang_up(_signal: int, _frame: FrameType | None) -> None:
        signal.raise_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, hang_up)


def _greet(settings: Settings, welcome: Welcome) -> None:
    address = _address(settings)
    rows = [("Listening on", address), ("Mode", welcome.mode)]
    if settings.metrics_port is not None:
        at_port = settings.model_copy(update={"port": settings.metrics_port})
        rows.append(("Metrics", f"{_address(at_port)}/metrics"))
    if settings.database_url is None:
        rows.append(("Data directory", str(settings.data_dir)))
    if welcome.demo is not None:
        rows += [
            ("Token URL", f"{address}/ims/token/v3"),
            ("Demo partner", welcome.demo.distributor_id),
            ("Client id", welcome.demo.client_id),
            ("Client secret", welcome.demo.client_secret),
        ]
    if welcome.mode == "sandbox" and welcome.admin_token is not None:
        is_given = settings.admin_token is not None
        shown = f"as set by {PREFIX}ADMIN_TOKEN" if is_given else welcome.admin_token
        rows.append(("Admin token", shown))
    console = Console(highlight=False)
    console.print(Text(f"{welcome.product} {welcome.version}", style="bold"))
    for label, value in rows:
        # Never wrapped, whatever the width: these lines are there to be copied from.
        console.print(Text.assemble((f"  {label:<15}", "dim"), value), soft_wrap=True)


def _address(settings: Settings) -> str:
    host = settings.host
    with suppress(ValueError):  # a name, not a number
        if ip_address(host).is_unspecified:
            host = "localhost"
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.tls_cert else 'http'}://{host}:{settings.port}"
