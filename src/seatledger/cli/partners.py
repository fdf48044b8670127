"""`seatledger partner`: partners, their settings, API keys and secrets."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from seatledger.cli.common import (
    AsJson,
    DatabaseUrl,
    DataDir,
    InputFile,
    blaming,
    fail,
    print_json,
)
from seatledger.cli.database import current_database, run
from seatledger.clock import SystemClock
from seatledger.engine import keys, maintenance
from seatledger.engine.credentials import KEPT_SECONDS
from seatledger.engine.keys import Issued, KeyRefused, Role
from seatledger.store import partners
from seatledger.store.rows import AnyConnection

app = typer.Typer()
partner_app = typer.Typer(
    help="Partners, their settings, API keys and secrets.", no_args_is_help=True
)
app.add_typer(partner_app, name="partner")
T = TypeVar("T")
PartnerId = Annotated[str, typer.Argument(metavar="PARTNER", help="A distributor id.")]
ClientId = Annotated[str, typer.Argument(metavar="CLIENT_ID", help="An API key.")]
WithRole = Annotated[Role, typer.Option("--role", help="What the API key may do.")]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MOST_DAYS = 366


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,8})([smhd])", text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else -1
    if not 0 <= seconds <= _MOST_DAYS * _UNITS["d"]:
        raise typer.BadParameter(f"{text!r} is no time like 30m, 24h or 7d, up to {_MOST_DAYS}d")
    return timedelta(seconds=seconds)


Keep = Annotated[
    timedelta,
    typer.Option(
        "--keep",
        parser=_duration,
        metavar="TIME",
        help="How long the old secret is good for: 30m, 24h, 7d; 0s ends it now.",
    ),
]


@partner_app.command()
def apply(file: InputFile, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Create or change the partner that FILE describes."""
    with current_database(data_dir, database_url) as url, blaming(file):
        lines = asyncio.run(maintenance.apply_partner(url, file))
    typer.echo("\n".join(lines))


@partner_app.command()
def create(
    partner: PartnerId,
    name: Annotated[str | None, typer.Option(help="Default: its id.")] = None,
    country: Annotated[str | None, typer.Option(help="Default: US.")] = None,
    region: Annotated[
        list[str] | None, typer.Option(help="Where it sells, once for each (default NA).")
    ] = None,
    segment: Annotated[
        list[str] | None, typer.Option(help="COM, EDU or GOV, once for each (default COM).")
    ] = None,
    role: WithRole = "full",
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Create a partner with an API key; its secret is shown once. More settings: apply."""
    fields: dict[str, Any] = {
        "distributorId": partner, "name": name, "country": country, "regions": region,
        "marketSegments": segment,
    }  # fmt: skip
    given = {field: value for field, value in fields.items() if value is not None}
    real = SystemClock().now()
    issued = _on(data_dir, database_url, lambda c: keys.create_partner(c, given, role, real))
    _show(issued, as_json)


@partner_app.command("list")
def list_partners(
    as_json: AsJson = False, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> None:
    """List the partners: id, status, number of API keys, name."""
    real = SystemClock().now()

    async def read(connection: AnyConnection) -> list[dict[str, Any]]:
        ids = await partners.all_ids(connection)
        return [await keys.told(connection, one, real) for one in ids]

    found = _on(data_dir, database_url, read)
    if as_json:
        print_json(found)
        return
    for one in found:
        count = len(one["credentials"])
        typer.echo(f"{one['distributorId']}  {one['status']}  {count} keys  {one['name']}")


@partner_app.command()
def show(
    partner: PartnerId,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Show a partner and its API keys; secrets are stored hashed and not shown."""
    real = SystemClock().now()
    found = _on(data_dir, database_url, lambda connection: keys.told(connection, partner, real))
    if as_json:
        print_json(found)
        return
    for label, value in found.items():
        if label != "credentials":
            typer.echo(f"{label:<20}{_text(value)}")
    for one in found["credentials"]:
        ends = [f"until {secret['until']:%Y-%m-%dT%H:%M:%SZ}" if secret["until"] else "no end"
                for secret in one["secrets"]]  # fmt: skip
        typer.echo(
            f"{'client id':<20}{one['clientId']}  {one['role']}  {one['status']}"
            f"  secrets: {', '.join(ends) or 'none'}"
        )


@partner_app.command("add-key")
def add_key(
    partner: PartnerId,
    role: WithRole = "full",
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Give a partner one more API key; its secret is shown once."""
    issued = _on(data_dir, database_url, lambda connection: keys.add(connection, partner, role))
    _show(issued, as_json)


@partner_app.command()
def rotate(
    client_id: ClientId,
    keep: Keep = "24h",  # type: ignore[assignment] # parsed as if it had been typed
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Give an API key a new secret, shown once; the old one is good for a while longer.

    Tokens that were given out stay good: against a leak, disable the key.
    """
    real = SystemClock().now()
    issued = _on(data_dir, database_url, lambda c: keys.rotate(c, client_id, keep, real))
    _show(issued, as_json)


@partner_app.command()
def disable(
    client_id: ClientId, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> None:
    """Disable an API key; when this ends, no process takes its tokens any more."""

    async def end(connection: AnyConnection) -> None:
        await keys.set_status(connection, client_id, "disabled")

    async def until_all_know() -> None:
        await asyncio.sleep(KEPT_SECONDS)

    _on(data_dir, database_url, end)
    asyncio.run(until_all_know())
    typer.echo(f"client id {client_id} is disabled")


@partner_app.command()
def enable(client_id: ClientId, data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Enable a disabled API key again; its secrets are those it had."""
    _on(data_dir, database_url, lambda c: keys.set_status(c, client_id, "active"))
    typer.echo(f"client id {client_id} is enabled")


def _on(
    data_dir: Path | None, database_url: str | None, work: Callable[[AnyConnection], Awaitable[T]]
) -> T:
    """Work on the database; ends with one line when it is refused."""
    with current_database(data_dir, database_url) as url:
        try:
            return run(url, work)
        except KeyRefused as error:
            fail(str(error))


def _show(issued: Issued, as_json: bool) -> None:
    if as_json:
        print_json(issued)
        return
    typer.echo(f"partner {issued.distributor_id}")
    typer.echo(f"client id {issued.client_id} ({issued.role})")
    typer.echo(f"client secret {issued.client_secret} (shown once)")


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={_text(one)}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)
