"""The same orders sent by wrk where it is installed: a check of our own load generator."""

import asyncio
import json
import re
import shutil
from pathlib import Path

from msgspec import Struct

from bench.load import LoadError, Orders

# wrk asks for one request after another; heads and tails are put together as `Orders.next` does.
_SCRIPT = """\
local heads, tails, n = {{{heads}}}, {{{tails}}}, 0
math.randomseed({seed})
request = function()
  n = n + 1
  local name = string.format("%012d-%012d", math.random(0, 2147483647), n)
  return heads[n % #heads + 1] .. name .. "\\r\\nX-Request-Id: " .. name .. tails[n % #tails + 1]
end
done = function(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("found %d %d %d %d %d %d", summary.requests, errors.status, broken,
    summary.duration, latency:percentile(50), latency:percentile(99)))
end
"""
_FOUND = re.compile(r"found (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)")
_MICRO = 1e6


class Counted(Struct, frozen=True):
    """What wrk counted: orders accepted, how long it sent, and percentiles, in seconds.

    It hangs up in the end: up to one order per connection more has been placed.
    """

    accepted: int
    seconds: float
    p50: float
    p99: float


def program() -> str | None:
    """wrk, if there is one."""
    return shutil.which("wrk")


def write_script(orders: Orders, path: Path) -> None:
    """Write the script that sends such orders to `path`."""
    heads, tails = (
        ", ".join(json.dumps(one.decode("ascii")) for one in parts) for parts in orders.parts()
    )
    seed = orders.next()[0].rpartition(b"X-Request-Id: ")[2][:9].decode()
    path.write_text(_SCRIPT.format(heads=heads, tails=tails, seed=int(seed)), encoding="ascii")


async def send(script: Path, orders: Orders, connections: int, seconds: float) -> Counted:
    """Let wrk send for `seconds`; LoadError when a connection broke or wrk failed."""
    process = await asyncio.create_subprocess_exec(
        program() or "wrk",
        *("-t1", f"-c{connections}", f"-d{round(seconds)}s", "-s", script),
        f"http://{orders.host}:{orders.port}",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    found = _FOUND.search(output)
    if found is None or process.returncode != 0:
        raise LoadError(f"wrk: {output[-500:]}")
    requests, refused, broken, microseconds, p50, p99 = map(int, found.groups())
    if broken:
        raise LoadError(f"wrk lost {broken} connections or answers")
    return Counted(requests - refused, microseconds / _MICRO, p50 / _MICRO, p99 / _MICRO)
