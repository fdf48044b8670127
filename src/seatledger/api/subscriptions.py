"""Subscriptions over HTTP: from requests to engine calls, no rules."""

from seatledger.api import answers
from seatledger.api.context import Context
from seatledger.contract.bodies.subscriptions import SubscriptionIn, SubscriptionPatchIn
from seatledger.engine import render, subscriptions
from seatledger.engine.calls import Answer
from seatledger.engine.subscriptions import Resets


async def get_subscriptions(context: Context) -> Answer:
    """GET /v3/customers/{customer-id}/subscriptions."""
    now = context.engine.worlds.now(context.world)
    async with context.engine.pool.acquire() as connection:
        found = await subscriptions.listed(
            connection, context.world, now, context.params["customer-id"]
        )
    return answers.refusal("1116") if found is None else Answer(200, render.encode(found))


async def get_subscription(context: Context) -> Answer:
    """GET /v3/customers/{customer-id}/subscriptions/{subscription-id}."""
    now = context.engine.worlds.now(context.world)
    async with context.engine.pool.acquire() as connection:
        found = await subscriptions.read(
            connection,
            context.world,
            now,
            context.params["customer-id"],
            context.params["subscription-id"],
        )
    return answers.refusal("3115") if found is None else Answer(200, render.encode(found))


async def post_subscription(context: Context) -> Answer:
    """POST /v3/customers/{customer-id}/subscriptions."""
    body = context.parsed(SubscriptionIn)
    customer_id = context.params["customer-id"]
    tracker_id = (context.headers.one(b"x-recommendation-tracker-id") or "")[:255]
    return await context.engine.writes.perform(
        context.call(), lambda scene: subscriptions.create(scene, customer_id, body, tracker_id)
    )


async def patch_subscription(context: Context) -> Answer:
    """PATCH /v3/customers/{customer-id}/subscriptions/{subscription-id}."""
    body = context.parsed(SubscriptionPatchIn)
    query = context.query()
    flex_codes = query.flag("reset-flex-discount-codes")
    renewal_code = query.flag("reset-renewal-code")
    resets = Resets(flex_codes, renewal_code, query.bad)
    customer_id = context.params["customer-id"]
    subscription_id = context.params["subscription-id"]
    return await context.engine.writes.perform(
        context.call(),
        lambda scene: subscriptions.change(scene, customer_id, subscription_id, body, resets),
    )
