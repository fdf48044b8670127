"""What must hold in a simulated world, beyond the invariants of the service itself.

These need to know the time, or what was shown before: a stored history cannot tell them.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE, PENDING
from seatledger.domain import agenda
from seatledger.domain.benefits import ACCEPTED, REQUESTED
from seatledger.domain.calendar import midnight, utc_day
from seatledger.domain.commitments import price_lock
from seatledger.domain.invariants import violations
from seatledger.domain.levels import (
    LICENSE,
    OFFER_TYPES,
    level_at,
    rank_of_level,
    rank_of_quantity,
)
from seatledger.domain.model import Account, Customer, Order, OrderLine
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.renewal_orders import decide_preview_renewal
from seatledger.domain.orders.request import OrderRequest
from tests.simulation.books import Books
from tests.simulation.memory import Memory

_SECOND = timedelta(seconds=1)


class Broken(AssertionError):
    """Something that must always hold does not."""


def same_lines(
    what: str, lines: Iterable[OrderLine], other: str, shown: Iterable[OrderLine]
) -> None:
    """The lines of two orders are the same but for their numbers and what becomes of them."""
    here, there = ([_bare(one) for one in found] for found in (lines, shown))
    if here != there:
        raise Broken(f"{what} has {here}, {other} {there}")


def _bare(line: OrderLine) -> OrderLine:
    return replace(line, number=0, status="", term=0, enlarged=False)


class Watcher:
    """Looks at a world after everything that happens in it."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._previews: dict[str, tuple[datetime, tuple[OrderLine, ...]]] = {}
        self._settled_runs: set[str] = set()  # ids of their orders
        memory.watch = self.written
        memory.before_instant = self._note_renewals

    def accepted(self, request: OrderRequest, decision: Accepted, account: Account) -> None:
        """What an accepted order may be, told in other words than the rules'."""
        for line in decision.lines:
            if line.price is None or line.price.amount < 0:
                raise Broken(f"line {line.number} costs {line.price}")
        if request.order_type == "RENEWAL":
            self._accepted_renewal(decision, account)
        if request.order_type == "RETURN":
            self._accepted_return(decision, account)

    def _accepted_renewal(self, decision: Accepted, account: Account) -> None:
        flying = {
            line.subscription_id
            for one in account.pending
            if one.order_type == "RENEWAL"
            for line in one.lines
        }
        held = {one.subscription_id: one for one in account.subscriptions}
        for line in decision.lines:
            seats = held[line.subscription_id]
            if line.subscription_id in flying:
                raise Broken(f"{line.subscription_id} is being renewed already")
            if seats.expired_on is None or line.quantity > seats.current_quantity:
                raise Broken(f"{line.quantity} of {seats} are renewed late")

    def _accepted_return(self, decision: Accepted, account: Account) -> None:
        original = account.reference
        assert original is not None
        books = self._memory.books[account.customer.customer_id]
        flying = {
            line.number
            for one in books.waiting
            if one.reference_order_id == original.order_id
            for line in one.lines
        }
        renewed = {
            line.subscription_id
            for one in books.orders.values()
            if one.order_type == "RENEWAL"
            and one.status != "1002"
            and one.created_at > original.created_at
            for line in one.lines
            if line.status == ACTIVE
        }
        for line in decision.lines:
            bought = original.line(line.number)
            assert bought is not None
            if line.number in flying or bought.status != ACTIVE:
                raise Broken(f"line {line.number} of {original.order_id} goes back twice")
            if bought.subscription_id in renewed:
                raise Broken(f"line {line.number} of {original.order_id} is of a term gone by")

    def written(self, customer_id: str) -> None:
        """Everything that holds at any time, right after a write."""
        books = self._memory.books[customer_id]
        for sentence in violations(books.history):
            raise Broken(sentence)
        self._columns(books)
        self._ended(books)
        if books.customer.due_at is None or books.customer.due_at > self._memory.now:
            self._levels(books.customer)  # else what falls on this instant is not complete
        self._commitment(books.customer)
        self._renewal(books)
        self._runs(books)

    def arrived(self) -> None:
        """What holds once the clock stands: nothing overdue is left but what waits."""
        now = self._memory.now
        for books in self._memory.books.values():
            if books.waiting:
                continue
            account = self._memory.account(books.customer.customer_id)
            due = agenda.next_due(
                account.customer, account.subscriptions, self._memory.rules.settings, now
            )
            if due is not None and due.at <= now:
                raise Broken(f"{books.customer.customer_id}: {due.kind} of {due.at} is overdue")
            commit = books.customer.three_year_commit
            running = commit.running if commit is not None else None
            if running is not None and running.end_date < utc_day(now):
                raise Broken(f"{books.customer.customer_id}: commitment runs past its end")

    def _columns(self, books: Books) -> None:
        """The customer is looked at no later than its next due thing."""
        customer, now = books.customer, self._memory.now
        due = agenda.next_due(
            customer, books.subscriptions.values(), self._memory.rules.settings, now
        )
        if due is None or books.waiting:
            return
        if customer.due_at is None or customer.due_at > due.at:
            raise Broken(f"{due.kind} is due at {due.at}, noted is {customer.due_at}")

    def _ended(self, books: Books) -> None:
        """Nothing expires before its day, and what has ended renews nothing."""
        for one in books.subscriptions.values():
            if one.expired_on is not None and one.expired_on > utc_day(self._memory.now):
                raise Broken(f"{one.subscription_id} expired before {one.expired_on}")
            if not one.is_open and one.explicit_quantity is not None:
                raise Broken(f"{one.subscription_id} has ended and has a renewal quantity")

    def _levels(self, customer: Customer) -> None:
        """A level lies on the scale of the customer's commitment, and not below its floor."""
        commit = customer.three_year_commit
        running = commit.running if commit is not None else None
        for offer_type in OFFER_TYPES:
            level = customer.level(offer_type)
            rank = rank_of_level(level)
            if rank is None:
                raise Broken(f"level {level} is no level of {offer_type}")
            is_committed = price_lock(customer, offer_type) is not None
            is_plain = not is_committed or (customer.segment == "EDU" and offer_type == LICENSE)
            if level != level_at(offer_type, "PLAIN" if is_plain else "3YC", rank):
                raise Broken(f"level {level}, commitment in force: {is_committed}")
            if running is not None and rank < rank_of_quantity(
                offer_type, running.minimum(offer_type)
            ):
                raise Broken(f"level {level} lies below the committed minimum")

    def _runs(self, books: Books) -> None:
        """Right after a run the levels are those of what it renewed."""
        for one in books.orders.values():
            if one.anniversary is None or one.status == PENDING:
                continue
            if one.order_id not in self._settled_runs:
                self._settled_runs.add(one.order_id)
                self._renewed_levels(one, books.customer)

    def _renewed_levels(self, order: Order, customer: Customer) -> None:
        renewed: Counter[str] = Counter()
        for line in order.lines:
            product = self._memory.rules.catalog.product_of(line.offer_id)
            if product is not None and line.status == ACTIVE and product.counts_toward_level:
                renewed[product.offer_type] += line.quantity
        commit = customer.three_year_commit
        running = commit.running if commit is not None else None
        for offer_type in OFFER_TYPES:
            committed = running.minimum(offer_type) if running is not None else 0
            rank = rank_of_quantity(offer_type, max(renewed[offer_type], committed))
            if rank_of_level(customer.level(offer_type)) != rank:
                level = customer.level(offer_type)
                raise Broken(f"level {level} after a run of {dict(renewed)}, committed {committed}")

    def _commitment(self, customer: Customer) -> None:
        """Requests to begin and to begin again exclude each other; one waits with its limit."""
        commit = customer.three_year_commit
        if commit is None:
            return
        found = [one for one in (commit.request, commit.recommitment) if one and one.is_live]
        if len(found) > 1:
            raise Broken("a request for a commitment and one for a recommitment live")
        for one in found:
            if one.status == REQUESTED and customer.status == ACTIVE and one.counted_from is None:
                raise Broken("a request waits without a limit")
            if one.status == ACCEPTED and one.start_date is None:
                raise Broken("an accepted request has no dates")

    # --- what was shown is what is charged ---------------------------------------------------

    def _note_renewals(self, instant: datetime) -> None:
        """Keep what PREVIEW_RENEWAL shows a second before an anniversary."""
        self._previews = {}
        for customer_id, books in self._memory.books.items():
            coterm = books.customer.coterm_date
            if coterm is None or midnight(coterm) != instant or books.waiting:
                continue
            account = self._memory.account(customer_id)
            self._previews[customer_id] = instant, self._preview(account, instant - _SECOND)

    def _preview(self, account: Account, now: datetime) -> tuple[OrderLine, ...]:
        rules = self._memory.rules
        decision = decide_preview_renewal(
            OrderRequest("PREVIEW_RENEWAL", ()),
            account,
            rules.partner,
            rules.catalog,
            rules.discounts,
            now,
        )
        lines = decision.lines if isinstance(decision, Accepted) else ()
        return tuple(line for line in lines if line.status == ACTIVE)

    def _renewal(self, books: Books) -> None:
        """The order of an anniversary has the lines its preview had."""
        customer_id = books.customer.customer_id
        noted = self._previews.get(customer_id)
        if noted is None or noted[0] != self._memory.now:
            return
        day = utc_day(noted[0])
        found = [one for one in books.orders.values() if one.anniversary == day]
        if found:
            basis = found[0].basis
            if basis is None or basis.pacific_day != day - timedelta(days=1):
                raise Broken(f"the renewal of {day} was priced on another day: {basis}")
            same_lines("the renewal", found[0].lines, "its preview", noted[1])
            del self._previews[customer_id]
