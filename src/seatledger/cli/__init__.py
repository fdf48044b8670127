"""The `seatledger` command: serve, check, db, partner, catalog, customer, reconcile, openapi.

Only `serve` and `db upgrade` create or change a schema; the others want one they work on.
Exit codes: 0 done, 1 refused by the state of things (port taken, database unreachable or with
another schema, a violated invariant), 2 wrong or unsafe settings.
"""

import importlib.metadata
from typing import Annotated

import typer

from seatledger.cli import books, customers, partners, schema, serving

app = typer.Typer(
    help="An order service for seat subscriptions, speaking the VIP Marketplace Partner API v3.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serving.serve)
app.add_typer(books.app)
app.add_typer(schema.app, name="db")
app.add_typer(partners.app, name="partner")
app.add_typer(customers.app, name="customer")


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
