"""The service on its database: ready to serve, a greeting, the server. Loaded beside its start."""

import asyncio
from contextlib import suppress
from ipaddress import ip_address

from rich.console import Console
from rich.text import Text

from seatledger import server
from seatledger.app import UnsafeSettings, Welcome, prepare
from seatledger.cli.common import fail
from seatledger.cli.database import upgrade
from seatledger.settings import PREFIX, Settings


def run(settings: Settings, url: str) -> None:
    """Bring the database up to date and serve until told to stop; ends with one line if not."""
    upgrade(url)
    try:
        welcome = asyncio.run(prepare(settings, url))
    except UnsafeSettings as error:
        fail(str(error), code=2)
    found = {"database_url": url, "admin_token": welcome.admin_token}
    server.run(settings.model_copy(update=found), lambda: _greet(settings, welcome))


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
