"""`python -m bench.profile [seconds]`: where the processor time of an accepted order goes.

py-spy looks at the stack of the service process two hundred times a second while 32 connections
order; the share of the looks, times the processor time of an order, is what each part costs.
"""

import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from bench.house import Size, open_house

_PY_SPY = Path(sys.executable).with_name("py-spy")
_CONNECTIONS = 32
_LOOKS_A_SECOND = 200
_FUNCTIONS = 15
_LOOP = "asyncio/runners.py"
_PARTS = {
    "seatledger/api": "api: gate, headers, body, answer",
    "seatledger/engine": "engine: batches, worlds, rendering",
    "seatledger/domain": "domain: checks, levels, prices, why",
    "seatledger/store": "store: rows to and from SQL",
    "seatledger": "the rest of Seatledger: metrics, logs, clock",
    "asyncpg": "asyncpg",
    "uvicorn": "uvicorn: HTTP",
    "starlette": "starlette: routing",
    "structlog": "structlog",
    "asyncio": "asyncio and uvloop: the loop, sockets",
}
"""Parts by what the file of a stack's innermost frame has in its path, the first that fits."""

console = Console(highlight=False)


async def run(folder: Path, seconds: int) -> tuple[float, Counter[str]]:
    """Processor seconds of the service per order, and the looks by stack."""
    looks = folder / "looks"
    async with open_house(folder, Size(seconds=seconds)) as house:
        setting = house.main
        await setting.begin("manual")
        await setting.load(setting.stage.orders(), _CONNECTIONS, 2)  # warm
        spy = await asyncio.create_subprocess_exec(
            _PY_SPY, "record", "--pid", str(setting.process), "--duration", str(seconds),
            "--rate", str(_LOOKS_A_SECOND), "--format", "raw", "--output", looks,
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        _, (service, _) = await setting.load(setting.stage.orders(), _CONNECTIONS, seconds)
        if await spy.wait() or service is None:
            raise SystemExit("py-spy may not look: run as root, or allow ptrace")
    stacks: Counter[str] = Counter()
    for line in looks.read_text().splitlines():
        stack, _, number = line.rpartition(" ")
        if _LOOP in stack:  # other threads wait
            stacks[stack] += int(number)
    return service, stacks


def part_of(frame: str) -> str:
    """The part that a frame, `function (file:line)`, belongs to."""
    return next((name for path, name in _PARTS.items() if f"{path}/" in frame), "Python itself")


def _table(title: str, looks: Mapping[str, int], micros: float, most: int) -> Table:
    table = Table(title, "us per order", "share")
    for name, number in sorted(looks.items(), key=lambda one: -one[1])[:most]:
        share = number / sum(looks.values())
        table.add_row(name, f"{share * micros:.0f}", f"{share:.0%}")
    return table


def main(seconds: int) -> None:
    """Measure, and print the parts and the dearest functions."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        service, stacks = uvloop.run(run(Path(name), seconds))
    parts: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for stack, number in stacks.items():
        innermost = stack.rpartition(";")[2]
        parts[part_of(innermost)] += number
        functions[innermost.rpartition(":")[0].replace("(", "in ")] += number
    console.print(f"{service * 1e6:.0f} us of the service per order, {stacks.total()} looks")
    console.print(_table("part", parts, service * 1e6, len(parts)))
    console.print(_table("function", functions, service * 1e6, _FUNCTIONS))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
