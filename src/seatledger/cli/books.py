"""Commands on what the service holds: the check, price lists, reconciliation, the API document."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from seatledger.api.openapi import document
from seatledger.cli.common import DatabaseUrl, DataDir, InputFile, blaming, fail, print_json
from seatledger.cli.database import current_database
from seatledger.engine import maintenance
from seatledger.engine.sheets import CSV, XLSX

app = typer.Typer()
catalog_app = typer.Typer(help="Price lists.", no_args_is_help=True)
app.add_typer(catalog_app, name="catalog")


@app.command()
def check(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Prove that ledger, orders and subscriptions agree; exit code 1 if they do not."""
    with current_database(data_dir, database_url) as url:
        report = asyncio.run(maintenance.check(url))
    for violation in report.violations:
        typer.echo(violation)
    for one in report.parked:
        where = f"customer {one.customer_id} of partner {one.partner_id}"
        typer.echo(f"{where} is parked: {one.reason}")
    typer.echo(f"{report.checked} checked, {len(report.violations)} violated")
    raise typer.Exit(0 if report.ok else 1)


@catalog_app.command("load")
def load_catalog(
    file: InputFile, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> None:
    """Take in the price list in FILE."""
    with current_database(data_dir, database_url) as url, blaming(file):
        line = asyncio.run(maintenance.load_catalog(url, file))
    typer.echo(line)


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
    with current_database(data_dir, database_url) as url:
        try:
            asyncio.run(maintenance.reconcile(url, partner, month, currency, media_type, target))
        except maintenance.ReconcileError as error:
            fail(str(error))


@app.command()
def openapi() -> None:
    """Print the OpenAPI document of the API."""
    print_json(document())
