"""What all commands share: settings as options, and ending with one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import msgspec
import typer
from pydantic import ValidationError

from seatledger import telemetry
from seatledger.settings import PREFIX, Settings


def setting(name: str, *, parser: Callable[[str], Any] | None = None) -> Any:
    """An option for a setting: its flag, its variable, its description and default."""
    field = Settings.model_fields[name]
    default = f" (default {field.default})" if field.default not in (None, False, ()) else ""
    return typer.Option(
        f"--{name.replace('_', '-')}",
        envvar=PREFIX + name.upper(),
        help=f"{field.description}{default}",
        show_default=False,
        parser=parser,
    )


def folder(text: str) -> Path:
    """The folder an option names; what an unset variable leaves empty is not the current one."""
    if not text:
        raise typer.BadParameter("it names no folder")
    return Path(text)


DataDir = Annotated[Path | None, setting("data_dir", parser=folder)]
DatabaseUrl = Annotated[str | None, setting("database_url")]
InputFile = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")]


def settings_of(**flags: Any) -> Settings:
    """The settings of a command: its flags over the environment; ends with one line if wrong."""
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
        fail("; ".join(causes), code=2)
    telemetry.configure(settings)
    return settings


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))


@contextmanager
def blaming(file: Path) -> Iterator[None]:
    """End with one line naming the file when its content is refused."""
    try:
        yield
    except (ValueError, msgspec.MsgspecError) as error:
        fail(f"{file}: {error}")


def fail(cause: str, code: int = 1) -> NoReturn:
    """End with one line on standard error."""
    typer.echo(f"seatledger: {' '.join(cause.split())}", err=True)
    raise typer.Exit(code)
