"""A world with one of everything, and a valid body for every write to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.accounts import commit
from tests.harness import World, line, order, profile

CUSTOMER = "/v3/customers/{customer-id}"


@dataclass
class Scene:
    """A world, and what is in it."""

    world: World
    path_ids: dict[str, str]
    reseller: dict[str, Any] = field(default_factory=dict)
    customer: dict[str, Any] = field(default_factory=dict)
    order: dict[str, Any] = field(default_factory=dict)
    seats: dict[str, Any] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def filled(self, path: str) -> str:
        """A path with the ids of this world in it."""
        for name, value in self.path_ids.items():
            path = path.replace(f"{{{name}}}", value)
        return path

    async def place_order(self) -> None:
        """Make a new order the one that `order` and `path_ids` mean."""
        customer_id = self.path_ids["customer-id"]
        lines = (line("65304479CA01A12", 5), line("11073058CA01A12", 2, number=2))
        placed = (await self.world.order(customer_id, *lines)).ok()
        self.order = (await self.world.read_order(customer_id, placed["orderId"])).body
        self.path_ids["order-id"] = placed["orderId"]


async def furnish(scene: Scene) -> None:
    """Put a reseller, a customer, a deployment and a settled order into an empty world."""
    world = scene.world
    reseller_id = await world.reseller(companyName="Reseller")
    customer_id = await world.customer(
        reseller_id, companyName="Customer", top={"globalSalesEnabled": True}
    )
    scene.path_ids |= {
        "reseller-id": reseller_id,
        "customer-id": customer_id,
        "deployment-id": await world.deployment(customer_id, "CA"),
    }
    scene.reseller = (await world.get(f"/v3/resellers/{reseller_id}")).ok(200).body
    await scene.place_order()
    scene.customer = (await world.read_customer(customer_id)).body
    scene.seats, *_ = await world.seats(customer_id)
    scene.path_ids["subscription-id"] = scene.seats["subscriptionId"]


def own_profile(scene: Scene, **more: Any) -> dict[str, Any]:
    """A profile nobody in this world has, of the same length in every run."""
    number = f"{next(scene.numbers):05}"
    contact = {"firstName": "Ann", "lastName": "Lee", "email": f"ann{number}@example.com"}
    return profile(companyName=f"Company {number}", contacts=[contact], **more)


def new_reseller(scene: Scene) -> dict[str, Any]:
    return {
        "externalReferenceId": "reseller",
        "distributorId": scene.world.distributor_id,
        "companyProfile": own_profile(scene, marketSegments=["COM", "EDU"]),
    }


def new_customer(scene: Scene) -> dict[str, Any]:
    return {
        "externalReferenceId": "customer",
        "resellerId": scene.path_ids["reseller-id"],
        "companyProfile": own_profile(scene, marketSegment="COM"),
        **commit(("LICENSE", 10), ("CONSUMABLES", 1_000)),
        "globalSalesEnabled": True,
    }


def new_deployment(_: Scene) -> dict[str, Any]:
    address = {"country": "CA", "region": "ON", "city": "Toronto", "postalCode": "M5V 2T6"}
    return {"companyProfile": {"address": {**address, "addressLine1": "Street 1"}}}


def new_order(scene: Scene) -> dict[str, Any]:
    return order(
        line("65304479CA01A12", 2, number=1),
        line("80004567EA01A12", 1, number=2, deploymentId=scene.path_ids["deployment-id"]),
        line("11083117CA01A12", 1, number=3, flexDiscountCodes=["BLACK_FRIDAY_10_PERCENT_OFF"]),
        externalReferenceId="order",
    )


def preview(scene: Scene) -> dict[str, Any]:
    return {**new_order(scene), "orderType": "PREVIEW"}


def preview_renewal(scene: Scene) -> dict[str, Any]:
    return {**late_renewal(scene), "orderType": "PREVIEW_RENEWAL"}


def late_renewal(scene: Scene) -> dict[str, Any]:
    seats = scene.seats
    lines = [line(seats["offerId"], 2, subscriptionId=seats["subscriptionId"], currencyCode="USD")]
    return {"orderType": "RENEWAL", "externalReferenceId": "renewal", "lineItems": lines}


def give_back(scene: Scene) -> dict[str, Any]:
    return {
        "orderType": "RETURN",
        "referenceOrderId": scene.path_ids["order-id"],
        "currencyCode": "USD",
        "lineItems": scene.order["lineItems"],
    }


def changed_reseller(scene: Scene) -> dict[str, Any]:
    return with_other_contacts(scene, scene.reseller)


def changed_customer(scene: Scene) -> dict[str, Any]:
    return {**with_other_contacts(scene, scene.customer), **commit(("LICENSE", 10))}


def with_other_contacts(scene: Scene, account: dict[str, Any]) -> dict[str, Any]:
    own = {**account["companyProfile"], "contacts": own_profile(scene)["contacts"]}
    return {**account, "companyProfile": own}


def changed_deployment(scene: Scene) -> dict[str, Any]:
    return {**new_deployment(scene), "status": "1000"}


def price_list(_: Scene) -> dict[str, Any]:
    return {
        "region": "NA",
        "marketSegment": "COM",
        "currency": "USD",
        "priceListMonth": "202507",
        "priceListType": "STANDARD",
        "filters": {"lastOrderDate": "2025-07-07", "productFamily": ""},
        "includeOfferAttributes": ["metric", "levelDetails"],
    }


def scheduled(_: Scene) -> dict[str, Any]:
    settings = {"enabled": True, "renewalQuantity": 5, "flexDiscountCodes": ["SUMMER_SALE_12"]}
    return {"offerId": "11083117CA01A12", "autoRenewal": settings, "currencyCode": "USD"}


def changed_subscription(_: Scene) -> dict[str, Any]:
    settings = {"enabled": True, "renewalQuantity": 5, "flexDiscountCodes": ["SUMMER_SALE_12"]}
    return {"autoRenewal": settings, "status": "1000", "currencyCode": "USD"}


def changed_order(scene: Scene) -> dict[str, Any]:
    return {**scene.order, "externalReferenceId": "changed"}


CALLS: tuple[tuple[str, str, Callable[[Scene], dict[str, Any]]], ...] = (
    ("POST", "/v3/resellers", new_reseller),
    ("PATCH", "/v3/resellers/{reseller-id}", changed_reseller),
    ("POST", "/v3/customers", new_customer),
    ("PATCH", CUSTOMER, changed_customer),
    ("POST", CUSTOMER + "/deployments", new_deployment),
    ("PATCH", CUSTOMER + "/deployments/{deployment-id}", changed_deployment),
    ("POST", CUSTOMER + "/orders", new_order),
    ("POST", CUSTOMER + "/orders?fetch-price=true", preview),
    ("POST", CUSTOMER + "/orders?fetch-price=true", preview_renewal),
    ("POST", CUSTOMER + "/orders", late_renewal),
    ("POST", CUSTOMER + "/orders", give_back),
    ("PATCH", CUSTOMER + "/orders/{order-id}", changed_order),
    ("POST", CUSTOMER + "/subscriptions", scheduled),
    ("PATCH", CUSTOMER + "/subscriptions/{subscription-id}", changed_subscription),
    ("POST", "/v3/pricelist?limit=5", price_list),
)
