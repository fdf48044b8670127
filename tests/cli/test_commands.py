"""The commands: each is there and explains itself, and none pays for what the others need."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from seatledger.cli import app

COMMANDS = ["serve", "check", "reconcile", "openapi", "catalog", "db", "partner", "customer"]
LOADED = """
import sys
from importlib import import_module
import_module(sys.argv[1])
print([name for name in sys.argv[2:] if name in sys.modules])
"""


def test_help_lists_every_command_with_what_it_does() -> None:
    shown = CliRunner().invoke(app, ["--help"], terminal_width=200).output
    rows = [line.strip("│ ").split("  ", 1) for line in shown.splitlines() if line[:1] == "│"]
    told = {row[0]: row[1].strip() for row in rows if len(row) > 1}
    assert [name for name in told if not name.startswith("-")] == COMMANDS
    assert all(told.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f"{name} [OPTIONS]" in result.output


def test_a_mistyped_command_is_refused_with_the_one_that_was_meant() -> None:
    result = CliRunner().invoke(app, ["serv"])
    assert result.exit_code == 2
    assert "Did you mean 'serve'?" in result.output


@pytest.mark.parametrize(
    ("module", "unneeded"),
    [
        ("seatledger.cli", ["asyncpg", "pydantic", "seatledger.app"]),
        ("seatledger.cli.serving", ["seatledger.app", "uvicorn", "starlette"]),
        ("seatledger.cli.service", ["alembic", "sqlalchemy", "xlsxwriter"]),
    ],
)
def test_a_start_loads_what_it_needs_when_it_needs_it(module: str, unneeded: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, module, *unneeded],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
