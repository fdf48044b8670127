"""`seatledger db`: the database's schema, and the way to it for PostgreSQL's own programs."""

import shlex
from pathlib import Path

import typer

from seatledger.cli.common import DatabaseUrl, DataDir, fail, settings_of
from seatledger.cli.database import database
from seatledger.cli.database import upgrade as bring_up_to_date
from seatledger.store.embedded import EmbeddedError
from seatledger.store.embedded_place import CLUSTER, find_binaries, find_home, ourselves
from seatledger.store.embedded_process import NAME, Server
from seatledger.store.migrate import describe, schema_of

app = typer.Typer()
db_app = typer.Typer(help="The database: its schema, and its address.", no_args_is_help=True)
app.add_typer(db_app, name="db")


@db_app.command()
def upgrade(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the schema to the one of this release, while servers run."""
    settings = settings_of(data_dir=data_dir, database_url=database_url)
    with database(settings, creates=True) as url:
        bring_up_to_date(url)
        typer.echo(describe(schema_of(url)))


@db_app.command()
def check(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Tell the schema; exit code 1 unless this release works on it."""
    with database(settings_of(data_dir=data_dir, database_url=database_url)) as url:
        schema = schema_of(url)
    typer.echo(describe(schema))
    raise typer.Exit(0 if schema.is_served else 1)


@db_app.command()
def env(data_dir: DataDir = None) -> None:
    """Print the shell variables by which psql, pg_dump and the like find a running server of ours.

    Use it as: eval "$(seatledger db env)"
    """
    folder = settings_of(data_dir=data_dir).data_dir
    try:
        home, running = find_home(folder), Server(folder, None).find()
        if home is None or running is None:
            fail(f"no database server of ours runs in {folder}")
        major = int((home / CLUSTER / "PG_VERSION").read_text("utf-8"))
        programs = find_binaries(ourselves(), home, major)
    except (EmbeddedError, OSError) as error:
        fail(str(error))
    _export("PGHOST", running.sockets)
    _export("PGPORT", "5432")
    _export("PGUSER", NAME)
    _export("PGDATABASE", NAME)
    typer.echo(f'export PATH={shlex.quote(str(programs))}:"$PATH"')


def _export(name: str, value: str | Path) -> None:
    typer.echo(f"export {name}={shlex.quote(str(value))}")
