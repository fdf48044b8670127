"""Every kind of write, to be repeated: requests, and what a repeat must look like."""

from dataclasses import dataclass
from typing import Any

from tests.harness import Reply, World, line, order, profile

OFFER = "80004567EA01A12"


@dataclass
class Write:
    """A write of the API: a request, another one to the same path, and how to count effects."""

    world: World
    method: str
    path: str
    body: dict[str, Any]
    other_body: dict[str, Any]
    bad_body: dict[str, Any]
    bad_code: str
    status: int

    async def send(
        self,
        correlation_id: str,
        body: dict[str, Any] | None = None,
        request_id: str | None = None,
        **more: Any,
    ) -> Reply:
        """The request under a correlation id."""
        return await self.world.call(
            self.method,
            self.path,
            self.body if body is None else body,
            correlation_id=correlation_id,
            headers={"X-Request-Id": request_id},
            **more,
        )


async def order_write(world: World) -> Write:
    return Write(
        world,
        "POST",
        f"/v3/customers/{await world.customer()}/orders",
        order(line(OFFER, 3)),
        order(line(OFFER, 7)),
        order(line("99999999XX01A12")),
        "2122",
        201,
    )


async def preview_write(world: World) -> Write:
    write = await order_write(world)
    for body in (write.body, write.other_body, write.bad_body):
        body["orderType"] = "PREVIEW"
    return write


async def order_patch_write(world: World) -> Write:
    customer = await world.customer()
    placed = (await world.order(customer, line(OFFER))).ok()
    return Write(
        world,
        "PATCH",
        f"/v3/customers/{customer}/orders/{placed['orderId']}",
        {"externalReferenceId": "first"},
        {"externalReferenceId": "second"},
        {"externalReferenceId": "x" * 36},
        "2126",
        200,
    )


def _reseller_body(world: World, **changes: Any) -> dict[str, Any]:
    company = profile(marketSegments=["COM"])
    return {"distributorId": world.distributor_id, "companyProfile": company, **changes}


async def reseller_write(world: World) -> Write:
    return Write(
        world,
        "POST",
        "/v3/resellers",
        _reseller_body(world),
        _reseller_body(world),
        _reseller_body(world, distributorId="99999999"),
        "1114",
        201,
    )


async def customer_write(world: World) -> Write:
    reseller = await world.reseller()
    body, other = ({"resellerId": reseller, "companyProfile": profile()} for _ in range(2))
    bad = {"resellerId": "1000999999", "companyProfile": profile()}
    return Write(world, "POST", "/v3/customers", body, other, bad, "1115", 201)


async def customer_patch_write(world: World) -> Write:
    company = profile()
    body = {"resellerId": await world.reseller(), "companyProfile": company}
    made = (await world.post("/v3/customers", body)).ok()
    first, second, third = (
        {"companyProfile": company, "externalReferenceId": reference}
        for reference in ("first", "second", "x" * 36)
    )
    return Write(
        world, "PATCH", f"/v3/customers/{made['customerId']}", first, second, third, "2126", 200
    )


async def deployment_write(world: World) -> Write:
    customer = await world.customer(top={"globalSalesEnabled": True})
    body, other, bad = (
        {"companyProfile": {"address": {"country": "DE", "region": "SN", "city": city,
                                        "addressLine1": "Weg 1", "postalCode": postal_code}}}
        for city, postal_code in (("Dresden", "01067"), ("Leipzig", "04109"), ("Pirna", "x"))
    )  # fmt: skip
    path = f"/v3/customers/{customer}/deployments"
    return Write(world, "POST", path, body, other, bad, "1118", 201)


WRITES = {
    "order": order_write,
    "preview": preview_write,
    "order patch": order_patch_write,
    "reseller": reseller_write,
    "customer": customer_write,
    "customer patch": customer_patch_write,
    "deployment": deployment_write,
}


async def orders_of(write: Write) -> list[dict[str, Any]]:
    """The customer's orders."""
    items: list[dict[str, Any]] = (await write.world.get(write.path)).ok(200)["items"]
    return items


def fresh(reply: Reply) -> bool:
    """Whether an answer was worked out, not repeated."""
    return not any(name in reply.headers for name in ("Seatledger-Replayed", "Seatledger-Mismatch"))


def is_repeat(reply: Reply, first: Reply, *, mismatch: bool = False) -> None:
    """Assert that an answer is a stored one, byte for byte."""
    assert (reply.status, reply.content) == (first.status, first.content)
    assert reply.headers["Seatledger-Replayed"] == "true"
    assert reply.headers.get("Seatledger-Mismatch") == ("body" if mismatch else None)
    assert reply.headers["Content-Type"] == "application/json"
