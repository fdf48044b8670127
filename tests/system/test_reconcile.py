"""`seatledger reconcile`: the month's file from the command line, the one the service froze."""

import asyncio
import csv
import io
import subprocess
from pathlib import Path

import asyncpg
import openpyxl
import pytest

from seatledger.domain.reconciliation import HEADER
from seatledger.store.reconciliation import hold_month
from tests.harness import World, line
from tests.system.server import run

pytestmark = pytest.mark.anyio

FILES = "/sandbox/reconciliation-files"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
async def sold(world: World) -> World:
    """A world on 2 August with one order of July, in USD."""
    customer = await world.customer()
    (await world.order(customer, line("65304479CA01A12", 3), externalReferenceId="759")).ok()
    await world.at("2025-08-02T00:00:00Z")
    return world


async def reconcile(url: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return await asyncio.to_thread(run, "reconcile", "--database-url", url, *arguments)


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line it ended with."""
    assert (done.returncode, done.stdout) == (1, ""), done
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.proves("S-183")
async def test_it_gives_what_was_frozen(sold: World, database_url: str, tmp_path: Path) -> None:
    of_july = ("--partner", sold.distributor_id, "--month", "2025-07")
    csv_file, book, piped = (tmp_path / name for name in ("july.csv", "july.XLSX", "july"))
    shown = await reconcile(database_url, *of_july)
    assert (shown.returncode, shown.stderr) == (0, "")
    header, row = csv.reader(io.StringIO(shown.stdout))
    assert tuple(header) == HEADER
    assert row[HEADER.index("External Reference")] == "759"
    for more in (
        ("--output", csv_file),
        ("--output", book),
        ("--output", piped, "--format", "xlsx"),
    ):
        done = await reconcile(database_url, *of_july, *more)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = await sold.post(FILES, {"month": "202507"})
    workbook = await sold.post(FILES, {"month": "202507"}, headers={"Accept": XLSX})
    assert csv_file.read_bytes() == text.ok(200).content
    assert book.read_bytes() == piped.read_bytes() == workbook.ok(200).content
    assert openpyxl.load_workbook(book).sheetnames == ["Data"]


async def test_it_says_in_a_line_why_there_is_no_file(
    sold: World, database_url: str, tmp_path: Path
) -> None:
    partner = ("--partner", sold.distributor_id)
    for month in ("2025-08", "2025-13", "July"):
        told = refusal(await reconcile(database_url, *partner, "--month", month))
        assert f"{month} is not a month that is over" in told
    told = refusal(await reconcile(database_url, "--partner", "nobody", "--month", "2025-07"))
    assert "there is no partner nobody" in told
    of_july = (*partner, "--month", "2025-07")
    told = refusal(await reconcile(database_url, *of_july, "--currency", "XXX"))
    assert "XXX is not a currency of that month" in told
    nowhere = tmp_path / "missing" / "july.csv"
    told = refusal(await reconcile(database_url, *of_july, "--output", nowhere))
    assert f"cannot write {nowhere}: No such file or directory" in told


async def test_a_refused_file_leaves_the_older_one(
    sold: World, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "month.csv"
    file.write_text("of last month", "utf-8")
    refused = await reconcile(
        database_url, "--partner", sold.distributor_id, "--month", "2025-08", "--output", file
    )
    assert refused.returncode == 1
    assert file.read_text("utf-8") == "of last month"


async def test_it_does_not_wait_for_another_generation(sold: World, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    async with connection.transaction():
        await hold_month(connection, sold.distributor_id, "202507")
        done = await reconcile(database_url, "--partner", sold.distributor_id, "--month", "2025-07")
    await connection.close()
    assert "the month is being generated" in refusal(done)


async def test_of_several_currencies_one_is_named(world: World, database_url: str) -> None:
    customer = await world.customer(top={"globalSalesEnabled": True})
    branch = await world.deployment(customer, "JP")
    yen = line("11073064CA01A12", 1, 2, currencyCode="JPY", deploymentId=branch)
    dollars = line("65304479CA01A12", 1, 1, currencyCode="USD")
    (await world.order(customer, dollars, yen, currencyCode=None)).ok()
    await world.at("2025-08-02T00:00:00Z")
    of_july = ("--partner", world.distributor_id, "--month", "2025-07")
    told = refusal(await reconcile(database_url, *of_july))
    assert "name one with --currency" in told
    done = await reconcile(database_url, *of_july, "--currency", "JPY")
    _, row = csv.reader(io.StringIO(done.stdout))
    assert row[HEADER.index("Currency")] == "JPY"
