"""A partner's world in memory: what the store keeps, and the engine's use cases over it.

Rules are the shipped ones; what is written here anew is the store alone: rows, what is due, and
in which order it is taken (orders.md 1.6, sandbox.md 5).
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE, PENDING
from seatledger.domain import agenda
from seatledger.domain.calendar import midnight
from seatledger.domain.commitment_life import activated
from seatledger.domain.due_work import Happened, Supply, let_happen, settle_in_turn
from seatledger.domain.effects import Fact, Rules, Settlement
from seatledger.domain.fulfilment import Standing
from seatledger.domain.model import Account, Customer, Deployment, Order, Subscription
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.redemptions import redemptions_of
from seatledger.domain.orders.request import OrderRequest
from tests.simulation.books import Books, Event, redeemed

RESELLERS = ("R1", "R2")
SEGMENTS = ["COM", "EDU", "GOV"]


class Memory:
    """One world. `watch` is called with the id of a customer after each write of its own."""

    def __init__(self, rules: Rules, now: datetime) -> None:
        self.rules = rules
        self.now = now
        self.mode, self.delay = "immediate", timedelta(0)
        self.books: dict[str, Books] = {}
        self.resellers = dict.fromkeys(RESELLERS, ACTIVE)
        self.events: list[Event] = []
        self.watch: Callable[[str], None] = lambda _: None
        self.before_instant: Callable[[datetime], None] = lambda _: None
        self._numbers = 0

    # --- ids, readings ----------------------------------------------------------------------

    def number(self) -> int:
        """The next number of any kind."""
        self._numbers += 1
        return self._numbers

    def order_id(self) -> str:
        """The id of the next order."""
        return f"9200{self.number():06d}"

    def subscription_id(self) -> str:
        """The id of the next subscription."""
        return f"S{self.number():06d}"

    def settles_at(self) -> datetime | None:
        """When what is accepted now may settle."""
        return None if self.mode == "manual" else self.now + self.delay

    def standing(self, customer: Customer) -> Standing:
        """The statuses its orders depend on."""
        return Standing(self.rules.partner.status, self.resellers[customer.reseller_id])

    def account(self, customer_id: str, reference_order_id: str = "") -> Account:
        """What an order, a change of settings or the agenda is judged on."""
        books = self.books[customer_id]
        customer = books.customer
        begun = customer.term_started_at or customer.created_at
        return Account(
            customer,
            SEGMENTS,
            tuple(books.subscriptions.values()),
            tuple(books.waiting),
            books.deployments,
            tuple(books.redemptions),
            frozenset(
                one.discount_id
                for other in self.books.values()
                for one in other.redemptions
                if one.one_time
            ),
            tuple(
                one
                for one in books.orders.values()
                if one.order_type in ("NEW", "RENEWAL") and one.created_at >= begun
            ),
            books.orders.get(reference_order_id),
        )

    # --- writing ----------------------------------------------------------------------------

    def add(self, customer: Customer, deployments: tuple[Deployment, ...]) -> None:
        """A customer is created; its validation is work like any other."""
        settle_at = self.settles_at()
        waiting = replace(customer, status=PENDING, settle_at=settle_at)
        self.books[customer.customer_id] = Books(waiting, deployments)
        if self.mode == "immediate":
            self._settle_accounts()

    def accept(
        self, customer: Customer, request: OrderRequest, decision: Accepted, injected: str
    ) -> Order:
        """Store an order that was accepted now, and settle it if that happens at once."""
        order = Order(
            order_id=self.order_id(),
            partner_id=customer.partner_id,
            customer_id=customer.customer_id,
            reseller_id=customer.reseller_id,
            order_type=request.order_type,
            status=PENDING,
            source="API",
            external_reference_id="",
            reference_order_id=request.reference_order_id,
            created_at=self.now,
            lines=decision.lines,
            basis=decision.basis,
            run_at=self.settles_at(),
            injected_status=injected or None,
        )
        books = self.books[customer.customer_id]
        books.orders[order.order_id] = order
        books.redemptions += redemptions_of(order, self.rules.discounts)
        books.customer = replace(customer, version=customer.version + 1)
        self.watch(customer.customer_id)
        if self.mode == "immediate":
            self._settle_orders(customer.customer_id)
        return books.orders[order.order_id]

    def put(self, customer_id: str, *changed: Subscription) -> None:
        """Store changed or new subscriptions."""
        books = self.books[customer_id]
        books.subscriptions |= {one.subscription_id: one for one in changed}
        books.customer = replace(books.customer, version=books.customer.version + 1)
        self.watch(customer_id)

    def put_customer(self, customer: Customer) -> None:
        """Store a changed customer with what happens to it next."""
        books = self.books[customer.customer_id]
        changed = replace(customer, version=books.customer.version + 1)
        books.customer = agenda.scheduled(
            changed, books.subscriptions.values(), self.rules.settings, self.now
        )
        self.watch(customer.customer_id)

    def set_status(self, customer: Customer, status: str) -> None:
        """An operator sets a customer's status; its waiting orders follow (accounts.md 5.1)."""
        changed = replace(customer, status=status, settle_at=None)
        self.put_customer(activated(changed, self.now))
        if status != ACTIVE:
            self._release(self.books[customer.customer_id], self.now)
        self._settle_orders(customer.customer_id)

    def set_rules(self, rules: Rules) -> None:
        """Another contract: what is due may fall on other days now."""
        self.rules = rules
        for books in self.books.values():
            due_at = min(books.customer.due_at or self.now, self.now)
            books.customer = replace(books.customer, due_at=due_at)
        self._run_agenda()

    def set_mode(self, mode: str, delay: timedelta) -> None:
        """Another settlement: what `manual` held is let go, no order waits longer than new ones."""
        before, self.mode, self.delay = self.mode, mode, delay
        if mode == "manual":
            for books in self.books.values():
                self._release(books, None)
            return
        latest = self.now + delay
        for books in self.books.values():
            if before == "manual":
                self._release(books, self.now)
            for order in books.waiting:
                if order.run_at is not None and order.run_at > latest:
                    books.orders[order.order_id] = replace(order, run_at=latest)
        self._carry_out_due()

    def settle(self) -> None:
        """Everything held or due settles now."""
        for books in self.books.values():
            self._release(books, self.now)
        self._settle_accounts()
        for customer_id in sorted(self.books):
            self._settle_orders(customer_id)
        self._run_agenda()

    def _release(self, books: Books, at: datetime | None) -> None:
        if books.customer.status == PENDING:
            books.customer = replace(books.customer, settle_at=at)
        for order in books.waiting:
            books.orders[order.order_id] = replace(order, run_at=at)

    # --- time -------------------------------------------------------------------------------

    def advance(self, target: datetime) -> None:
        """The clock moves to `target`, and what is due happens at its own instant."""
        while (due := self._next_instant()) is not None and due <= target:
            if due > self.now:
                self.before_instant(due)
            self.now = max(self.now, due)
            if not self._carry_out_due() and due == self._next_instant():
                break
        self.now = target

    def _next_instant(self) -> datetime | None:
        return min(self._instants(), default=None)

    def _instants(self) -> Iterator[datetime]:
        for books in self.books.values():
            customer = books.customer
            if customer.status == PENDING and customer.settle_at is not None:
                yield customer.settle_at
            for order in books.waiting:
                if order.run_at is not None and not self._waits(customer, order):
                    yield order.run_at
            if customer.due_at is not None and not books.waiting:
                yield customer.due_at

    def _waits(self, customer: Customer, order: Order) -> bool:
        """Whether an order waits for its pending customer (orders.md 1.6)."""
        standing = self.standing(customer)
        return (
            customer.status == PENDING
            and order.order_type != "RETURN"
            and standing.partner_status == ACTIVE
            and standing.reseller_status in (ACTIVE, PENDING)
        )

    def _carry_out_due(self) -> bool:
        """Everything due now, accepted work first; whether there was any."""
        is_any = False
        while True:
            settled = self._settle_accounts()
            for customer_id in sorted(self.books):
                settled |= self._settle_orders(customer_id)
            happened = self._run_agenda()
            is_any |= settled or happened
            if not happened:
                return is_any

    def _settle_accounts(self) -> bool:
        due = [
            books
            for books in self.books.values()
            if books.customer.status == PENDING
            and books.customer.settle_at is not None
            and books.customer.settle_at <= self.now
        ]
        for books in due:
            validated = replace(books.customer, status=ACTIVE, settle_at=None)
            self.put_customer(activated(validated, self.now))
        return bool(due)

    def _settle_orders(self, customer_id: str) -> bool:
        books = self.books[customer_id]
        due = [one for one in books.waiting if one.run_at is not None and one.run_at <= self.now]
        if not due:
            return False
        account = replace(self.account(customer_id), term_orders=self._renewals(books))
        done = settle_in_turn(
            account,
            due,
            books.orders,
            self.standing(books.customer),
            self.rules,
            self.now,
            self.subscription_id,
        )
        for one in done:
            self._save(books, one)
        return bool(done)

    def _renewals(self, books: Books) -> tuple[Order, ...]:
        """Completed RENEWAL orders since the anniversary before the present one."""
        coterm = books.customer.coterm_date
        if coterm is None:
            return ()
        since = midnight(coterm) - timedelta(days=366)
        return tuple(
            one
            for one in books.orders.values()
            if one.order_type == "RENEWAL" and one.status == ACTIVE and one.created_at >= since
        )

    def _save(self, books: Books, one: Settlement) -> None:
        books.customer = one.customer
        books.orders[one.order.order_id] = one.order
        if one.original is not None:
            books.orders[one.original.order_id] = one.original
        books.subscriptions |= {seats.subscription_id: seats for seats in one.subscriptions}
        books.entries += one.entries
        books.redemptions = [
            redeemed(use, one)
            for use in books.redemptions
            if not one.failed or use.order_id != one.order.order_id
        ]
        kind = "order_failed" if one.failed else "order_completed"
        ended = Fact(kind, one.order.status, order_id=one.order.order_id)
        for fact in (ended, *one.facts):
            self._tell(one.customer, fact)
        self.watch(one.customer.customer_id)

    def _run_agenda(self) -> bool:
        """One thing of each due customer after the other; those it brings nothing rest."""
        is_any, in_vain = False, set[str]()
        while due := self._due_customers(in_vain):
            for customer in due:
                if self._let_happen(customer):
                    is_any = True
                else:
                    in_vain.add(customer.customer_id)
        return is_any

    def _due_customers(self, in_vain: set[str]) -> list[Customer]:
        found = [
            books.customer
            for books in self.books.values()
            if books.customer.due_at is not None
            and books.customer.due_at <= self.now
            and not books.waiting
            and books.customer.customer_id not in in_vain
        ]
        return sorted(found, key=lambda one: (one.due_at, one.due_phase, one.customer_id))

    def _let_happen(self, customer: Customer) -> bool:
        supply = Supply(self.settles_at(), self.order_id, self.subscription_id)
        account = self.account(customer.customer_id)
        standing = self.standing(customer)
        happened: Happened = let_happen(account, standing, self.rules, self.now, supply)
        books = self.books[customer.customer_id]
        books.customer = happened.customer
        books.orders |= {one.order_id: one for one in happened.orders}
        books.subscriptions |= {one.subscription_id: one for one in happened.subscriptions}
        books.entries += happened.entries
        books.redemptions += happened.redemptions
        for fact in happened.facts:
            self._tell(customer, fact)
        self.watch(customer.customer_id)
        return bool(happened.facts)

    def _tell(self, customer: Customer, fact: Fact) -> None:
        self.events.append(Event(self.now, customer.customer_id, fact))
