"""Who a contact and a customer are: names of known emails, duplicates (accounts.md 4.1, 5.4)."""

import asyncio

import pytest

from tests.accounts import Body, contact, customer_body, reseller_body
from tests.conftest import MakeWorld
from tests.harness import Reply, World

pytestmark = pytest.mark.anyio


async def post(world: World, body: Body) -> Reply:
    return await world.post("/v3/customers", body)


@pytest.mark.proves("accounts.md 15")
async def test_a_known_email_keeps_its_first_names(world: World) -> None:
    reseller_id = await world.reseller()
    email = contact()["email"]
    ann = {"firstName": "Ann", "lastName": "Lee", "email": email, "phoneNumber": "1"}
    bob = {"firstName": "Bob", "lastName": "Ray", "email": email.upper(), "phoneNumber": "2"}
    first = (await post(world, customer_body(reseller_id, contacts=[ann]))).ok()
    second = (await post(world, customer_body(reseller_id, contacts=[bob]))).ok()
    assert second["companyProfile"]["contacts"] == [bob]
    read = await world.read_customer(second["customerId"])
    assert read["companyProfile"]["contacts"] == [{**bob, "firstName": "Ann", "lastName": "Lee"}]
    assert (await world.read_customer(first["customerId"]))["companyProfile"]["contacts"] == [ann]


async def test_names_are_known_to_the_whole_partner_and_to_no_other(
    world: World, new_world: MakeWorld
) -> None:
    email = contact()["email"]
    body = reseller_body(world, contacts=[contact(email=email)])
    (await world.post("/v3/resellers", body)).ok()
    bob = contact(firstName="Bob", lastName="Ray", email=email, phoneNumber="")
    mine = await world.customer(contacts=[bob])
    shown = (await world.read_customer(mine))["companyProfile"]["contacts"]
    assert shown == [{**bob, "firstName": "Ann", "lastName": "Lee"}]
    other = await new_world()
    theirs = await other.customer(contacts=[bob])
    assert (await other.read_customer(theirs))["companyProfile"]["contacts"] == [bob]


async def test_one_email_under_two_names_at_once(world: World) -> None:
    twice = [contact(), contact(firstName="Bob")]
    twice[1]["email"] = twice[0]["email"]
    customer = await world.customer(contacts=twice)
    shown = (await world.read_customer(customer))["companyProfile"]["contacts"]
    assert [one["firstName"] for one in shown] == ["Ann", "Ann"]


@pytest.mark.proves("accounts.md 16", "1127")
@pytest.mark.parametrize("mode", ["immediate", "manual"])
async def test_the_same_customer_again(world: World, mode: str) -> None:
    reseller_id = await world.reseller()
    other_id = await world.reseller()
    await world.settlement(mode)
    ann = contact()
    made = (
        await post(world, customer_body(reseller_id, companyName="Acmé Straße", contacts=[ann]))
    ).ok()
    again = customer_body(
        reseller_id, companyName="ACMÉ STRASSE", contacts=[{**ann, "email": ann["email"].upper()}]
    )
    (await post(world, again)).refused(400, "1127")
    second = [contact(), ann]
    (await post(world, customer_body(reseller_id, companyName="Acmé Straße", contacts=second))).ok()
    (await post(world, customer_body(reseller_id, companyName="Acmé 2", contacts=[ann]))).ok()

    below = (await post(world, {**again, "resellerId": other_id})).ok()
    assert below["status"] == "1002"
    await world.settle()
    assert (await world.read_customer(made["customerId"]))["status"] == "1000"
    assert (await world.read_customer(below["customerId"]))["status"] == "1014"
    # What is over may be made again.
    (await post(world, again)).refused(400, "1127")
    edit = await world.patch(f"/sandbox/customers/{made['customerId']}", {"status": "1004"})
    edit.ok(200)
    (await post(world, again)).ok()


async def test_of_two_at_once_one_is_made(world: World) -> None:
    body = customer_body(await world.reseller())
    answers = await asyncio.gather(*(post(world, body) for _ in range(5)))
    assert sorted(one.status for one in answers) == [201, 400, 400, 400, 400]
    assert {one.code for one in answers if one.status == 400} == {"1127"}


async def test_other_partners_may_have_the_same_customer(
    world: World, new_world: MakeWorld
) -> None:
    ann = contact()
    mine = await world.customer(companyName="Acme", contacts=[ann])
    other = await new_world()
    theirs = await other.customer(companyName="Acme", contacts=[ann])
    assert (await world.read_customer(mine))["status"] == "1000"
    assert (await other.read_customer(theirs))["status"] == "1000"
