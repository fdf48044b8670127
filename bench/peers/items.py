"""PutItem as an AWS client sends it, one item per request."""

from itertools import count
from typing import Any
from urllib.parse import urlsplit

import httpx

_TABLE = "orders"
_TARGET = "DynamoDB_20120810."
_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "Authorization": "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0",
}


class Items:
    """Requests that each put an item of an order's size under a key of its own."""

    accepted = b"200"

    def __init__(self, address: str) -> None:
        place = urlsplit(address)
        self.host = place.hostname or ""
        self.port = place.port or 0
        self._address = address
        self._numbers = count(10**9)
        headers = "".join(f"{name}: {value}\r\n" for name, value in _HEADERS.items())
        self._head = (
            f"POST / HTTP/1.1\r\nHost: {place.netloc}\r\n{headers}"
            f"X-Amz-Target: {_TARGET}PutItem\r\nContent-Length: "
        ).encode()
        self._body = (
            b'{"TableName":"%b","Item":{"id":{"S":"%%d"},"status":{"S":"1002"},"lines":{"L":[{"M":'
            b'{"offerId":{"S":"11073058CA01A12"},"quantity":{"N":"1"}}}]},"note":{"S":"%b"}},'
            b'"ConditionExpression":"attribute_not_exists(id)"}'
        ) % (_TABLE.encode(), b"x" * 400)

    def next(self) -> tuple[bytes, int]:
        """A request for an item nobody put yet."""
        body = self._body % next(self._numbers)
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body), 1

    async def stored(self) -> int:
        """How many items there are."""
        found = await _call(self._address, "DescribeTable", {"TableName": _TABLE})
        return int(found["Table"]["ItemCount"])


async def make_table(address: str) -> None:
    """The table the items go into."""
    wanted = {
        "TableName": _TABLE,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    await _call(address, "CreateTable", wanted)


async def _call(address: str, action: str, body: dict[str, Any]) -> Any:
    headers = {**_HEADERS, "X-Amz-Target": f"{_TARGET}{action}"}
    async with httpx.AsyncClient(timeout=60) as http:
        reply = await http.post(address, json=body, headers=headers)
    reply.raise_for_status()
    return reply.json()
