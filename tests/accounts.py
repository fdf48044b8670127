"""Bodies of account calls, and places addresses lie in."""

from typing import Any

from tests.harness import US_ADDRESS, Reply, World, profile, unique

Body = dict[str, Any]

LONDON = {
    "country": "GB",
    "region": "00",
    "city": "London",
    "addressLine1": "1 Whitehall",
    "postalCode": "SW1A 1AA",
}
DRESDEN = {
    "country": "DE",
    "region": "SN",
    "city": "Dresden",
    "addressLine1": "Taschenberg 2",
    "postalCode": "01067",
}
PARIS = {
    "country": "FR",
    "region": "75",
    "city": "Paris",
    "addressLine1": "Rue 1",
    "postalCode": "75001",
}


def without(fields: Body, *names: str) -> Body:
    """An object that lacks some of its fields."""
    return {name: value for name, value in fields.items() if name not in names}


def commit(
    *minimums: tuple[str, object], kind: str = "commitmentRequest", **more: Any
) -> dict[str, Any]:
    """`benefits` that ask for a three-year commit; `more` lies over the request."""
    quantities = [{"offerType": name, "quantity": quantity} for name, quantity in minimums]
    request = {"minimumQuantities": quantities, **more}
    return {"benefits": [{"type": "THREE_YEAR_COMMIT", kind: request}]}


def us_address(**changes: Any) -> Body:
    """San Jose with changes."""
    return {**US_ADDRESS, **changes}


def contact(**changes: Any) -> Body:
    """A contact nobody else has, with changes."""
    email = f"{unique('person')}@example.com"
    return {"firstName": "Ann", "lastName": "Lee", "email": email, **changes}


def reseller_body(world: World, *, top: Body | None = None, **changes: Any) -> Body:
    """A valid POST of a reseller; `changes` lie over its profile, `top` over the body."""
    return {
        "distributorId": world.distributor_id,
        "companyProfile": profile(**changes),
        **(top or {}),
    }


def customer_body(reseller_id: str, *, top: Body | None = None, **changes: Any) -> Body:
    """A valid POST of a customer; `changes` lie over its profile, `top` over the body."""
    return {"resellerId": reseller_id, "companyProfile": profile(**changes), **(top or {})}


def changed(read: Reply, **changes: Any) -> Body:
    """A PATCH that sends a read profile back with changes."""
    return {"companyProfile": {**read["companyProfile"], **changes}}


def moved(read: Reply, **changes: Any) -> Body:
    """A PATCH that sends a read profile back with changes to its address."""
    return changed(read, address={**read["companyProfile"]["address"], **changes})


async def read_reseller(world: World, reseller_id: str) -> Reply:
    """GET a reseller."""
    return (await world.get(f"/v3/resellers/{reseller_id}")).ok(200)


async def ask(world: World, customer: str, benefits: Body, **more: Any) -> Reply:
    """PATCH a customer with benefits; not asserted."""
    body = changed(await world.read_customer(customer))
    return await world.patch(f"/v3/customers/{customer}", {**body, **benefits, **more})


async def benefit(world: World, customer: str) -> Any:
    """The customer's only benefit."""
    (found,) = (await world.read_customer(customer))["benefits"]
    return found


async def commits(world: World, *minimums: tuple[str, int], now: str = "", **changes: Any) -> str:
    """A customer that has accepted a commitment, at an instant if given."""
    customer = await world.customer(top=commit(*minimums), **changes)
    if now:
        await world.at(now)
    (await world.three_year_commit(customer, "accept")).ok(200)
    return customer


def quantities(*minimums: tuple[str, int]) -> list[Body]:
    """Minimum quantities as the API shows them."""
    return [{"offerType": name, "quantity": quantity} for name, quantity in minimums]


def commitment(status: str, *minimums: tuple[str, int], **dates: str) -> Body:
    """A commitment, or a request for one, as the API shows it."""
    return {**dates, "status": status, "minimumQuantities": quantities(*minimums)}
