"""The `seatledger` command: serve, check, db, partner, catalog, customer, reconcile, openapi.

Only `serve` and `db upgrade` create or change a schema; the others want the one of this release.
Exit codes: 0 done, 1 refused by the state of things (port taken, database unreachable or with
another schema, a violated invariant), 2 wrong or unsafe settings.
"""

import asyncio
import errno
import importlib.metadata
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Literal, NoReturn

import asyncpg
import msgspec
import typer
import uvicorn
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from seatledger import telemetry
from seatledger.api.openapi import document
from seatledger.api.protocol import AbortableProtocol
from seatledger.app import UnsafeSettings, Welcome, prepare
from seatledger.engine import maintenance
from seatledger.engine.sheets import CSV, XLSX
from seatledger.settings import PREFIX, Settings
from seatledger.store.embedded import EmbeddedError, EmbeddedPostgres
from seatledger.store.embedded_place import OLDEST_MAJOR, find_home
from seatledger.store.migrate import SchemaError, describe, schema_of, upgrade

_CONNECT_SECONDS = 10
_WORKER_SECONDS = 15

app = typer.Typer(
    help="An order service for seat subscriptions, speaking the VIP Marketplace Partner API v3.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
partner_app = typer.Typer(help="Partners, their settings and credentials.", no_args_is_help=True)
catalog_app = typer.Typer(help="Price lists.", no_args_is_help=True)
db_app = typer.Typer(help="The database's schema.", no_args_is_help=True)
customer_app = typer.Typer(help="Customers whose work was given up.", no_args_is_help=True)
app.add_typer(customer_app, name="customer")
app.add_typer(partner_app, name="partner")
app.add_typer(catalog_app, name="catalog")
app.add_typer(db_app, name="db")


def _setting(name: str) -> Any:
    """An option for a setting: its flag, its variable, its description and default."""
    field = Settings.model_fields[name]
    default = f" (default {field.default})" if field.default not in (None, False) else ""
    return typer.Option(
        f"--{name.replace('_', '-')}",
        envvar=PREFIX + name.upper(),
        help=f"{field.description}{default}",
        show_default=False,
    )


DataDir = Annotated[Path | None, _setting("data_dir")]
DatabaseUrl = Annotated[str | None, _setting("database_url")]
InputFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"seatledger {importlib.metadata.version('seatledger')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Only `--version` stands before the commands; it has done its work when we get here."""


@app.command()
def serve(
    port: Annotated[int | None, _setting("port")] = None,
    host: Annotated[str | None, _setting("host")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    mode: Annotated[Literal["sandbox", "production"] | None, _setting("mode")] = None,
    workers: Annotated[int | None, _setting("workers")] = None,
    sandbox_open: Annotated[bool | None, _setting("sandbox_open")] = None,
    tls_cert: Annotated[Path | None, _setting("tls_cert")] = None,
    tls_key: Annotated[Path | None, _setting("tls_key")] = None,
) -> None:
    """Start the service, with a database of its own unless one is given."""
    settings = _settings(
        port=port,
        host=host,
        data_dir=data_dir,
        database_url=database_url,
        mode=mode,
        workers=workers,
        sandbox_open=sandbox_open,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    _stop_in_order()
    settings = settings.model_copy(update={"port": _usable_port(settings.host, settings.port)})
    with _database(settings, creates=True) as url:
        _upgrade(url)
        try:
            welcome = asyncio.run(prepare(settings, url))
        except UnsafeSettings as error:
            _fail(str(error), code=2)
        # The API processes read their settings from here.
        handed_on = {"database_url": url, "admin_token": welcome.admin_token}
        os.environ.update(settings.model_copy(update=handed_on).to_environment())
        _greet(settings, welcome)
        uvicorn.run(
            "seatledger.app:create_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            loop="uvloop",
            http=AbortableProtocol,
            ssl_certfile=settings.tls_cert,
            ssl_keyfile=settings.tls_key,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=30,
            # With the default of 5 a slow machine would kill its API processes while they start.
            timeout_worker_healthcheck=_WORKER_SECONDS,
        )


@app.command()
def check(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Prove that ledger, orders and subscriptions agree; exit code 1 if they do not."""
    with _current_database(data_dir, database_url) as url:
        report = asyncio.run(maintenance.check(url))
    for violation in report.violations:
        typer.echo(violation)
    for one in report.parked:
        where = f"customer {one.customer_id} of partner {one.partner_id}"
        typer.echo(f"{where} is parked: {one.reason}")
    typer.echo(f"{report.checked} checked, {len(report.violations)} violated")
    raise typer.Exit(0 if report.ok else 1)


@customer_app.command("resume")
def resume_customer(
    customer_id: Annotated[str, typer.Argument(help="A parked customer (`seatledger check`).")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Give the work of a parked customer another chance."""
    with _current_database(data_dir, database_url) as url:
        resumed = asyncio.run(maintenance.resume(url, customer_id))
    if not resumed:
        _fail(f"customer {customer_id} is not parked")
    typer.echo(f"customer {customer_id} is back at work")


@partner_app.command("apply")
def apply_partner(
    file: InputFile, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> None:
    """Create or change the partner that FILE describes."""
    with _current_database(data_dir, database_url) as url, _blaming(file):
        lines = asyncio.run(maintenance.apply_partner(url, file))
    typer.echo("\n".join(lines))


@catalog_app.command("load")
def load_catalog(
    file: InputFile, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> None:
    """Take in the price list in FILE."""
    with _current_database(data_dir, database_url) as url, _blaming(file):
        line = asyncio.run(maintenance.load_catalog(url, file))
    typer.echo(line)


@db_app.command("upgrade")
def upgrade_schema(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the schema to the one of this release."""
    settings = _settings(data_dir=data_dir, database_url=database_url)
    with _database(settings, creates=True) as url:
        _upgrade(url)
        typer.echo(describe(schema_of(url)))


@db_app.command("check")
def check_schema(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Tell the schema; exit code 1 unless it is the one of this release."""
    with _database(_settings(data_dir=data_dir, database_url=database_url)) as url:
        schema = schema_of(url)
    typer.echo(describe(schema))
    raise typer.Exit(0 if schema.is_current else 1)


@app.command()
def reconcile(
    partner: Annotated[str, typer.Option(help="The partner's distributor id.")],
    month: Annotated[str, typer.Option(help="A month that is over, like 2026-02.")],
    currency: Annotated[str, typer.Option(help="Where the month has several.")] = "",
    form: Annotated[
        Literal["csv", "xlsx"] | None,
        typer.Option("--format", help="Default: what the file's name says, else csv."),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="A file (default: standard output).")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Give the reconciliation file of a partner's month; the first time it is generated."""
    named = output.suffix.lower() if output is not None else ""
    media_type = XLSX if (form or named.removeprefix(".")) == "xlsx" else CSV
    target = output or sys.stdout.buffer
    with _current_database(data_dir, database_url) as url:
        try:
            asyncio.run(maintenance.reconcile(url, partner, month, currency, media_type, target))
        except maintenance.ReconcileError as error:
            _fail(str(error))


@app.command()
def openapi() -> None:
    """Print the OpenAPI document of the API."""
    typer.echo(msgspec.json.format(msgspec.json.encode(document()), indent=2))


def _settings(**flags: Any) -> Settings:
    given = {name: value for name, value in flags.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        causes = [
            ": ".join(
                [
                    *(PREFIX + str(name).upper() for name in problem["loc"]),
                    problem["msg"].removeprefix("Value error, "),
                ]
            )
            for problem in error.errors(include_input=False)
        ]
        _fail("; ".join(causes), code=2)
    telemetry.configure(settings)
    return settings


@contextmanager
def _current_database(data_dir: Path | None, database_url: str | None) -> Iterator[str]:
    """The address of a database with the schema of this release; ends with one line otherwise."""
    with _database(_settings(data_dir=data_dir, database_url=database_url)) as url:
        schema = schema_of(url)
        if schema.is_unknown:
            _fail(describe(schema))
        if not schema.is_current:
            _fail(f"{describe(schema)}; run `seatledger serve` or `seatledger db upgrade`")
        yield url


@contextmanager
def _database(settings: Settings, *, creates: bool = False) -> Iterator[str]:
    """The address of the database, reachable; `creates` makes an embedded one where there is none.

    Ends with one line when it cannot be reached.
    """
    if settings.database_url is not None:
        asyncio.run(_reach(settings.database_url))
        yield settings.database_url
        return
    log = telemetry.get_logger("postgresql")
    postgres = EmbeddedPostgres(settings.data_dir, user=settings.postgres_user, log=log)
    try:
        if not creates and find_home(settings.data_dir) is None:
            _fail(
                f"there is no database in {settings.data_dir}; "
                "`seatledger serve` or `seatledger db upgrade` makes one"
            )
        url = postgres.start()
    except EmbeddedError as error:
        _fail(str(error))
    try:
        yield url
    finally:
        postgres.stop()


def _upgrade(url: str) -> None:
    try:
        upgrade(url)
    except SchemaError as error:
        _fail(str(error))


async def _reach(url: str) -> None:
    place = url.partition("?")[0].partition("://")[2].rpartition("@")[2]  # without the password
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        _fail(f"cannot reach the database at {place}: {str(error) or 'no answer in time'}")
    major = connection.get_server_version().major
    await connection.close()
    if major < OLDEST_MAJOR:
        _fail(f"the database at {place} is PostgreSQL {major}, {OLDEST_MAJOR} is needed")


@contextmanager
def _blaming(file: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, msgspec.MsgspecError) as error:
        _fail(f"{file}: {error}")


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
            _fail(f"port {port} on {host} is taken; choose another with --port")
        _fail(f"cannot listen on port {port} of {host}: {error.strerror}")


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


def _fail(cause: str, code: int = 1) -> NoReturn:
    typer.echo(f"seatledger: {' '.join(cause.split())}", err=True)
    raise typer.Exit(code)
