"""The same order the textbook way: FastAPI, Pydantic, SQLAlchemy's asynchronous ORM, asyncpg.

One POST does what ours does to an order: it knows the caller, answers a repeat as before, refuses
a request id it has seen, validates the body, finds customer, subscriptions and offers, prices the
lines at the customer's level, stores order, lines, request id and answer, and commits. It keeps
its tokens in memory, as ours does. `uvicorn bench.peers.reference_stack:app` serves it on the
database of REFERENCE_URL.
"""

# The libraries are installed for the bench alone, so the types of what they give are unknown here.
# mypy: disable-error-code="import-not-found, misc, untyped-decorator, no-untyped-call"

import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ForeignKey, select
from sqlalchemy.dialects.postgresql import BYTEA, TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

TOKEN = "reference-token"
_PARTNERS = {hashlib.sha256(TOKEN.encode()).digest(): "P1"}
_DISCOUNTS = ((100, Decimal("0.88")), (50, Decimal("0.91")), (10, Decimal("0.94")))
_CENT = Decimal("0.01")


class Base(DeclarativeBase):
    """Tables; moments are kept with their zone."""

    type_annotation_map = {datetime: TIMESTAMP(timezone=True)}  # noqa: RUF012 - SQLAlchemy's way


class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[str] = mapped_column(primary_key=True)
    partner_id: Mapped[str]
    status: Mapped[str]
    version: Mapped[int]


class Subscription(Base):
    __tablename__ = "subscription"
    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    offer_id: Mapped[str]
    quantity: Mapped[int]


class Offer(Base):
    __tablename__ = "offer"
    id: Mapped[str] = mapped_column(primary_key=True)
    price: Mapped[Decimal]


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customer.id"), index=True)
    status: Mapped[str]
    reference: Mapped[str]
    currency: Mapped[str]
    created_at: Mapped[datetime]
    lines: Mapped[list["Line"]] = relationship(order_by="Line.number")


class Line(Base):
    __tablename__ = "line"
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    offer_id: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]
    amount: Mapped[Decimal]


class StoredAnswer(Base):
    __tablename__ = "stored_answer"
    partner_id: Mapped[str] = mapped_column(primary_key=True)
    correlation_id: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(BYTEA)
    body: Mapped[str]
    at: Mapped[datetime]


class RequestId(Base):
    __tablename__ = "request_id"
    partner_id: Mapped[str] = mapped_column(primary_key=True)
    request_id: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class LineIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    extLineItemNumber: int = Field(ge=0, le=9_999)  # noqa: N815 - the API's spelling
    offerId: str = Field(min_length=1, max_length=20)  # noqa: N815
    quantity: int = Field(ge=1, le=10_000)


class OrderIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    orderType: str = Field(pattern="^NEW$")  # noqa: N815
    externalReferenceId: str = Field(default="", max_length=100)  # noqa: N815
    currencyCode: str = Field(pattern="^[A-Z]{3}$")  # noqa: N815
    lineItems: list[LineIn] = Field(min_length=1, max_length=499)  # noqa: N815


class LineOut(LineIn):
    subscriptionId: str = ""  # noqa: N815
    status: str = "1002"
    currencyCode: str  # noqa: N815


class OrderOut(BaseModel):
    orderId: str  # noqa: N815
    customerId: str  # noqa: N815
    orderType: str  # noqa: N815
    externalReferenceId: str  # noqa: N815
    currencyCode: str  # noqa: N815
    creationDate: datetime  # noqa: N815
    status: str
    lineItems: list[LineOut]  # noqa: N815


engine = create_async_engine(os.environ["REFERENCE_URL"], pool_size=8, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Make the tables, and close the pool in the end."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


async def session() -> AsyncIterator[AsyncSession]:
    """A session for one request."""
    async with sessions() as opened:
        yield opened


async def caller(authorization: Annotated[str, Header()]) -> str:
    """The partner whose token this is; 401 without one."""
    digest = hashlib.sha256(authorization.removeprefix("Bearer ").encode()).digest()
    if digest not in _PARTNERS:
        raise HTTPException(401, "unknown token")
    return _PARTNERS[digest]


@app.get("/ready")
async def ready() -> dict[str, str]:
    """Whether it serves."""
    return {"status": "ok"}


@app.post("/customers/{customer_id}/orders", status_code=201, response_model=OrderOut)
async def place(
    customer_id: str,
    order: OrderIn,
    request: Request,
    partner_id: Annotated[str, Depends(caller)],
    db: Annotated[AsyncSession, Depends(session)],
    x_correlation_id: Annotated[str, Header(max_length=100)],
    x_request_id: Annotated[str, Header(max_length=100)],
) -> OrderOut | Response:
    """Place an order."""
    fingerprint = hashlib.sha256(await request.body()).digest()
    stored = await db.get(StoredAnswer, (partner_id, x_correlation_id))
    if stored is not None:
        if stored.fingerprint != fingerprint:
            raise HTTPException(409, "the same correlation id with another body")
        return Response(stored.body, 201, media_type="application/json")
    if await db.get(RequestId, (partner_id, x_request_id)) is not None:
        raise HTTPException(409, "this request id has been seen")
    customer = await db.get(Customer, customer_id, with_for_update=True)
    if customer is None or customer.partner_id != partner_id:
        raise HTTPException(404, "no such customer")
    if customer.status != "1000":
        raise HTTPException(400, "the customer is not active")
    made = await _order(db, customer, order)
    now = made.created_at
    answer = _answer(made)
    db.add(made)
    db.add(RequestId(partner_id=partner_id, request_id=x_request_id, at=now))
    db.add(
        StoredAnswer(
            partner_id=partner_id,
            correlation_id=x_correlation_id,
            fingerprint=fingerprint,
            body=answer.model_dump_json(),
            at=now,
        )
    )
    customer.version += 1
    await db.commit()
    return answer


async def _order(db: AsyncSession, customer: Customer, order: OrderIn) -> Order:
    """The order with its lines priced at the level its seats and those held reach."""
    numbers = [line.extLineItemNumber for line in order.lineItems]
    if len(set(numbers)) != len(numbers):
        raise HTTPException(400, "line numbers repeat")
    owned = select(Subscription).where(Subscription.customer_id == customer.id)
    held = (await db.scalars(owned)).all()
    wanted = {line.offerId for line in order.lineItems}
    found = await db.scalars(select(Offer).where(Offer.id.in_(wanted)))
    prices = {offer.id: offer.price for offer in found}
    if wanted - prices.keys():
        raise HTTPException(400, "unknown offer")
    seats = sum(one.quantity for one in held) + sum(line.quantity for line in order.lineItems)
    rate = next((rate for least, rate in _DISCOUNTS if seats >= least), Decimal(1))
    now = datetime.now(UTC)  # noqa: TID251 - a program of its own, with real time only
    left = Decimal((timedelta(days=365)).days) / 365
    lines = []
    for line in order.lineItems:
        unit = (prices[line.offerId] * rate * left).quantize(_CENT, ROUND_HALF_UP)
        lines.append(
            Line(
                number=line.extLineItemNumber,
                offer_id=line.offerId,
                quantity=line.quantity,
                unit_price=unit,
                amount=unit * line.quantity,
            )
        )
    return Order(
        id=str(920_000_000_000 + secrets.randbelow(10**11)),
        customer_id=customer.id,
        status="1002",
        reference=order.externalReferenceId,
        currency=order.currencyCode,
        created_at=now,
        lines=lines,
    )


def _answer(order: Order) -> OrderOut:
    return OrderOut(
        orderId=order.id,
        customerId=order.customer_id,
        orderType="NEW",
        externalReferenceId=order.reference,
        currencyCode=order.currency,
        creationDate=order.created_at,
        status=order.status,
        lineItems=[
            LineOut(
                extLineItemNumber=line.number,
                offerId=line.offer_id,
                quantity=line.quantity,
                currencyCode=order.currency,
            )
            for line in order.lines
        ],
    )
