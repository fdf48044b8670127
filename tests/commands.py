"""`seatledger` commands run in the test's own process: no interpreter to start."""

import asyncio
from typing import Any
from unittest.mock import patch

import msgspec
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from seatledger import telemetry
from seatledger.cli import app


async def run(url: str, *arguments: str) -> Result:
    """Run a command on a database to its end.

    Calls the test's own server logs meanwhile may be in its stderr.
    """
    runner = CliRunner()
    command = [*arguments, "--database-url", url]
    # The logging is the test run's; what the server logs meanwhile is not for the command's output.
    with patch.object(telemetry, "configure"), capture_logs():
        return await asyncio.to_thread(lambda: runner.invoke(app, command))


async def done(url: str, *arguments: str) -> str:
    """Run one that succeeds; gives what it printed."""
    result = await run(url, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


async def given(url: str, *arguments: str) -> Any:
    """Run one that succeeds and prints JSON."""
    return msgspec.json.decode(await done(url, *arguments, "--json"))


async def refusal(url: str, *arguments: str, code: int = 1) -> str:
    """Run one that is refused; gives the one line it ended with."""
    result = await run(url, *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    (told,) = [line for line in result.stderr.splitlines() if line.startswith("seatledger: ")]
    return told
