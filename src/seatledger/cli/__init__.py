"""The `seatledger` command: serve, check, db, partner, catalog, customer, reconcile, openapi.

Only `serve` and `db upgrade` create or change a schema; the others want one they work on.
Exit codes: 0 done, 1 refused by the state of things (port taken, database unreachable or with
another schema, a violated invariant), 2 wrong or unsafe settings.
"""

import importlib.metadata
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

_MODULES: Final = {
    "serve": "serving",
    "check": "books",
    "reconcile": "books",
    "openapi": "books",
    "catalog": "books",
    "db": "schema",
    "partner": "partners",
    "customer": "customers",
}


class _Commands(TyperGroup):
    """Commands by name; the module of one is loaded when it is called.

    Else every start would load what all the others need, which takes longer than making a database.
    """

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands.update((name, TyperCommand(name)) for name in _MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or None where there is none of the name."""
        if cmd_name not in _MODULES:
            return None
        module = import_module(f"{__name__}.{_MODULES[cmd_name]}")
        return get_group(module.app).commands[cmd_name]


app = typer.Typer(
    cls=_Commands,
    help="An order service for seat subscriptions, speaking the VIP Marketplace Partner API v3.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
