"""Hostile text in every place that takes text: it is refused, or kept as it is and nothing else.

Nothing of it reaches SQL, a header, a template, a path or a spreadsheet as more than text.
"""

import copy
import csv
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest

from seatledger.api.table import OPERATIONS
from seatledger.store.rows import AnyConnection
from tests.fuzz.scene import CALLS, Scene, furnish
from tests.harness import World, line
from tests.tenants import fill
from tests.wire import keys

pytestmark = pytest.mark.anyio

HOSTILE = (
    "'; DROP TABLE orders; --", "' OR '1'='1", "x') ON CONFLICT DO NOTHING; --", "$1", "%s%n",
    "\\", '"', "a\r\nX-Injected: 1", "\0", "a\0b", "\ud800", "\x1b[2J", "\u202egpj.exe",
    "\U0001f3f4\u200d\u2620\ufe0f", "\ufdfa" * 9, "{{7*7}}", "${jndi:ldap://x}", "#{7*7}",
    "../../../etc/passwd", "file:///etc/passwd", "http://169.254.169.254/", "<script>alert(1)",
    "=1+1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(\"http://x\")", "\t=1+1", "null", "undefined",
    "a" * 20_000,
)  # fmt: skip
SHARE = 5  # of the texts each place gets every fifth, all places together all of them
FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(A1:A2)", '=HYPERLINK("http://x")', 'a,"b"\r\nc', "=cmd|x")
STORED = ("companyName", "externalReferenceId", "firstName", "lastName", "addressLine1", "city")


def texts(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a body that holds a text: its container and key."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, one in pairs:
        if isinstance(one, str):
            yield node, key
        elif isinstance(one, dict | list):
            yield from texts(one)


def shown(node: Any, name: str) -> Iterator[Any]:
    """Every value of a name in an answer."""
    if isinstance(node, dict):
        yield from (one for key, one in node.items() if key == name)
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from shown(one, name)


@pytest.fixture
async def scene(world: World) -> Scene:
    """A furnished world."""
    made = Scene(world, {})
    await furnish(made)
    return made


async def test_in_every_text_of_every_body(scene: Scene) -> None:
    """Each text of each body is hostile once in turn; what is taken is read back as it was sent."""
    turn, kept = 0, 0
    for method, path, valid in CALLS:
        for place in range(len(list(texts(valid(scene))))):
            for _ in range(2):
                body = copy.deepcopy(valid(scene))
                node, key = list(texts(body))[place]
                node[key] = HOSTILE[turn % len(HOSTILE)]
                turn += 1
                found = await scene.world.call(method, scene.filled(path), body)
                assert found.status < 500, (method, path, key, node[key])
                assert "x-injected" not in found.headers
                if found.status < 300 and key in STORED:
                    kept += 1
                    assert set(shown(found.body, key)) >= {node[key]}, (path, key)
    assert turn > 2 * len(HOSTILE)
    assert kept > 20


async def test_in_every_id_of_every_path(scene: Scene) -> None:
    ids = scene.path_ids
    for turn, operation in enumerate(OPERATIONS):
        for name in (one for one in ids if f"{{{one}}}" in operation.path):
            for text in HOSTILE[turn % SHARE : -1 : SHARE]:
                hostile = quote(text, safe="", errors="replace")
                path = fill(operation.path, ids | {name: hostile})
                content = b"" if operation.method == "GET" else b"{}"
                found = await scene.world.call(operation.method, path, content=content)
                assert found.status == 404, (operation.path, name, text)
                assert "x-injected" not in found.headers


async def test_in_every_query_parameter(scene: Scene) -> None:
    for operation in OPERATIONS:
        if operation.method != "GET":
            continue
        path = scene.filled(operation.path)
        usual = {"country": "US", "market-segment": "COM"} if "country" in operation.query else {}
        for turn, name in enumerate((*operation.query, "colour")):
            for text in HOSTILE[turn % SHARE : -1 : SHARE]:
                sent = "&".join(
                    f"{one}={quote(value, safe='', errors='replace')}"
                    for one, value in (usual | {name: text}).items()
                )
                found = await scene.world.get(f"{path}?{sent}")
                assert found.status in (200, 400), (path, name, text)
                for uri in shown(found.body, "uri"):
                    assert uri.startswith("/v3/")
                    assert uri.isascii()
                    assert not set(uri) & set("\r\n <>\"'\\"), uri


async def test_in_every_header(scene: Scene) -> None:
    customer = scene.filled("/v3/customers/{customer-id}")
    names = (
        "X_Api_Key", "Authorization", "X_Correlation_Id", "X_Request_Id", "Accept", "User_Agent",
        "Accept_Encoding", "X_Forwarded_For", "X_Forwarded_Proto", "Cookie", "Host", "Origin",
        "traceparent", "x_recommendation_tracker_id", "Range", "X_HTTP_Method_Override",
    )  # fmt: skip
    for turn, name in enumerate(names):
        for text in HOSTILE[turn % 2 :: 2]:
            value = text.encode("utf-8", "replace")[:4_000]
            if set(value) & set(b"\r\n\0"):
                continue  # no header at all: tests/security/test_framing.py
            sent = [(one.encode(), own.encode()) for one, own in keys(scene.world, **{name: None})]
            sent.append((name.replace("_", "-").encode(), value))
            found = await scene.world.client.get(customer, headers=sent)
            assert found.status_code in (200, 400, 401, 403, 406), (name, text)
            assert "x-injected" not in found.headers


async def test_tables_are_still_there(scene: Scene, database: AnyConnection) -> None:
    """A reference that looks like SQL is a reference."""
    customer = scene.path_ids["customer-id"]
    reference = "'; DROP TABLE orders; --"
    placed = await scene.world.order(
        customer, line("80004567EA01A12"), externalReferenceId=reference
    )
    assert placed.ok()["externalReferenceId"] == reference
    found = await scene.world.get(
        f"/v3/customers/{customer}/orders", params={"offer-id": "x' OR '1'='1"}
    )
    assert found.ok(200)["totalCount"] == 0
    assert await database.fetchval("SELECT count(*) FROM orders") > 0


async def test_formulas_in_the_reconciliation_file(world: World) -> None:
    """In the workbook everything somebody wrote is text; in the CSV each stays in its own cell.

    Cells of the CSV begin as they were sent: programs match them (orders.md 9).
    """
    customer = await world.customer()
    sent = []
    for text in FORMULAS:
        placed = await world.order(customer, line("80004567EA01A12"), externalReferenceId=text)
        if placed.status == 201:
            sent.append(text)
    assert len(sent) >= len(FORMULAS) - 1
    await world.at("2025-08-01T00:10:00Z")
    body = {"month": "2025-07", "currency": "USD"}
    as_csv = await world.post("/sandbox/reconciliation-files", body)
    header, *rows = csv.reader(io.StringIO(as_csv.ok(200).content.decode(), newline=""))
    assert {len(one) for one in rows} == {len(header)}
    assert set(sent) <= {cell for one in rows for cell in one}
    xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    book = await world.post("/sandbox/reconciliation-files", body, headers={"Accept": xlsx})
    sheet = openpyxl.load_workbook(io.BytesIO(book.ok(200).content))["Data"]
    cells = [cell for one in sheet.iter_rows() for cell in one]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    assert set(sent) <= {cell.value for cell in cells}
