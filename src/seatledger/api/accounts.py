"""Resellers, customers and deployments over HTTP."""

import msgspec

from seatledger.api import answers
from seatledger.api.context import Context
from seatledger.api.query import page_links
from seatledger.contract.bodies.accounts import (
    CustomerIn,
    CustomerPatchIn,
    DeploymentIn,
    DeploymentPatchIn,
    ResellerIn,
    ResellerPatchIn,
)
from seatledger.contract.resources import DeploymentPage, PageLinks
from seatledger.contract.statuses import ACTIVE, INACTIVE
from seatledger.engine import customers, deployments, render, resellers
from seatledger.engine.calls import Answer
from seatledger.store import accounts

_DEFAULT_LIMIT = 25
_MAX_LIMIT = 100


async def post_reseller(context: Context) -> Answer:
    """POST /v3/resellers."""
    body = context.parsed(ResellerIn)
    ids = context.engine.ids
    return await context.engine.writes.perform(
        context.call(), lambda scene: resellers.create(scene, body, ids)
    )


async def get_reseller(context: Context) -> Answer:
    """GET /v3/resellers/{reseller-id}."""
    async with context.engine.pool.acquire() as connection:
        found = await resellers.read(connection, context.partner_id, context.params["reseller-id"])
    if found is None:
        return answers.refusal("1115")
    return Answer(200, render.encode(render.reseller(found, found.profile)))


async def patch_reseller(context: Context) -> Answer:
    """PATCH /v3/resellers/{reseller-id}."""
    body = context.parsed(ResellerPatchIn)
    reseller_id = context.params["reseller-id"]
    return await context.engine.writes.perform(
        context.call(), lambda scene: resellers.update(scene, reseller_id, body)
    )


async def post_customer(context: Context) -> Answer:
    """POST /v3/customers."""
    body = context.parsed(CustomerIn)
    ids = context.engine.ids
    return await context.engine.writes.perform(
        context.call(), lambda scene: customers.create(scene, body, ids)
    )


async def get_customer(context: Context) -> Answer:
    """GET /v3/customers/{customer-id}."""
    async with context.engine.pool.acquire() as connection:
        found = await customers.read(
            connection, context.world.partner, context.params["customer-id"]
        )
    return answers.refusal("1116") if found is None else Answer(200, render.encode(found))


async def patch_customer(context: Context) -> Answer:
    """PATCH /v3/customers/{customer-id}."""
    body = context.parsed(CustomerPatchIn)
    customer_id = context.params["customer-id"]
    return await context.engine.writes.perform(
        context.call(), lambda scene: customers.update(scene, customer_id, body)
    )


async def post_deployment(context: Context) -> Answer:
    """POST /v3/customers/{customer-id}/deployments."""
    body = context.parsed(DeploymentIn)
    customer_id = context.params["customer-id"]
    ids = context.engine.ids
    return await context.engine.writes.perform(
        context.call(), lambda scene: deployments.create(scene, customer_id, body, ids)
    )


async def get_deployments(context: Context) -> Answer:
    """GET /v3/customers/{customer-id}/deployments."""
    customer_id = context.params["customer-id"]
    query = context.query()
    status = query.text("status", (ACTIVE, INACTIVE))
    limit = min(query.integer("limit", _DEFAULT_LIMIT, minimum=1), _MAX_LIMIT)
    offset = query.integer("offset", 0, minimum=0)
    async with context.engine.pool.acquire() as connection:
        if await accounts.customer(connection, context.partner_id, customer_id) is None:
            return answers.refusal("1116")
        if query.bad:
            return answers.refusal("1132", *query.bad)
        total, found = await accounts.deployments(connection, customer_id, status, limit, offset)
    if offset > total:
        return answers.refusal("1133", "offset")
    links = page_links(
        context.path, query.filters(), limit=limit, offset=offset, count=len(found), total=total
    )
    page = DeploymentPage(
        total,
        len(found),
        offset,
        limit,
        tuple(render.deployment(one) for one in found),
        msgspec.convert(links, PageLinks),
    )
    return Answer(200, render.encode(page))


async def get_deployment(context: Context) -> Answer:
    """GET /v3/customers/{customer-id}/deployments/{deployment-id}."""
    customer_id = context.params["customer-id"]
    async with context.engine.pool.acquire() as connection:
        if await accounts.customer(connection, context.partner_id, customer_id) is None:
            return answers.refusal("1116")
        found = await accounts.deployment(connection, customer_id, context.params["deployment-id"])
    if found is None:
        return answers.refusal("2138")
    return Answer(200, render.encode(render.deployment(found)))


async def patch_deployment(context: Context) -> Answer:
    """PATCH /v3/customers/{customer-id}/deployments/{deployment-id}."""
    body = context.parsed(DeploymentPatchIn)
    customer_id, deployment_id = context.params["customer-id"], context.params["deployment-id"]
    return await context.engine.writes.perform(
        context.call(),
        lambda scene: deployments.update(scene, customer_id, deployment_id, body),
    )
