"""`seatledger customer`: customers, above all those whose work was given up."""

from typing import Annotated

import msgspec
import typer

from seatledger.cli.common import AsJson, DatabaseUrl, DataDir, fail
from seatledger.cli.database import current_database, run
from seatledger.store import due, listing
from seatledger.store.listing import Listed
from seatledger.store.rows import AnyConnection

app = typer.Typer()
customer_app = typer.Typer(help="Customers, and work that was given up.", no_args_is_help=True)
app.add_typer(customer_app, name="customer")
OfPartner = Annotated[str | None, typer.Option("--partner", help="Those of this distributor id.")]


@customer_app.command("list")
def list_customers(
    parked: Annotated[
        bool, typer.Option("--parked", help="Those whose work was given up.")
    ] = False,
    partner: OfPartner = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """List customers, one a line: id, partner, status, and why they are parked if they are."""

    async def show(connection: AnyConnection) -> None:
        async for one in listing.customers(connection, partner, only_parked=parked):
            typer.echo(msgspec.json.encode(one).decode() if as_json else _line(one))

    with current_database(data_dir, database_url) as url:
        run(url, show)


def _line(one: Listed) -> str:
    told = f"{one.customer_id}  {one.partner_id}  {one.status}"
    return told if one.parked_reason is None else f"{told}  parked: {one.parked_reason}"


@customer_app.command()
def resume(
    customer_id: Annotated[str | None, typer.Argument(help="A parked customer.")] = None,
    partner: OfPartner = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Give the work of a parked customer another chance, or of all parked ones of a partner."""
    if customer_id is None and partner is None:
        fail("name a customer, or a partner with --partner", code=2)
    named = None if customer_id is None else [customer_id]
    with current_database(data_dir, database_url) as url:
        resumed = run(url, lambda connection: due.resume(connection, partner, named))
    if not resumed and customer_id is not None:
        fail(f"customer {customer_id} is not parked")
    for one in resumed:
        typer.echo(f"customer {one} is back at work")
