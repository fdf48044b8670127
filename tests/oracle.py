"""A naive model of a world: what orders, time and settlement make of accounts and seats.

It knows the rules of one term only: nothing in it lasts until an anniversary.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

LICENCES = frozenset({"65304479CA01A12", "11073058CA01A12", "65304600CA01A12"})
PACK = "65327733CA01A12"
RETURN_WINDOW = timedelta(days=14)


@dataclass
class Seats:
    """A subscription; an `own` one is never added to."""

    offer: str
    currency: str
    quantity: int
    renewal: date
    own: bool
    status: str = "1000"


@dataclass
class Line:
    """A line of an order and the seats it went to."""

    number: int
    offer: str
    currency: str
    quantity: int
    status: str = "1002"
    seats: Seats | None = None


@dataclass
class Placed:
    """An accepted order; `run_at` None is held."""

    order_id: str
    created: datetime
    lines: list[Line]
    run_at: datetime | None
    returns: "Placed | None" = None
    status: str = "1002"


@dataclass
class Buyer:
    """A customer; `settle_at` None is held while it is pending."""

    settle_at: datetime | None
    status: str = "1002"
    coterm: date | None = None
    licences: int = 0
    consumables: int = 0
    seats: list[Seats] = field(default_factory=list)
    orders: list[Placed] = field(default_factory=list)

    @property
    def waiting(self) -> list[Placed]:
        """Orders not settled yet, in the order they settle."""
        found = [one for one in self.orders if one.status == "1002"]
        return sorted(found, key=lambda one: (one.created, one.order_id))


class Model:
    """All customers of a world, its clock and its settlement."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.mode, self.delay = "immediate", timedelta(0)
        self.buyers: dict[str, Buyer] = {}

    def due_at(self) -> datetime | None:
        """When what is accepted now settles."""
        if self.mode == "manual":
            return None
        return self.now + (self.delay if self.mode == "delay" else timedelta(0))

    def add_buyer(self, customer_id: str) -> None:
        """A customer was created."""
        self.buyers[customer_id] = Buyer(self.due_at())
        if self.mode == "immediate":
            self._validate(self.now)

    def add_order(
        self, buyer: Buyer, order_id: str, lines: list[Line], returns: Placed | None = None
    ) -> None:
        """An order was accepted."""
        buyer.orders.append(Placed(order_id, self.now, lines, self.due_at(), returns))
        if self.mode == "immediate":
            self._settle_orders(buyer, self.now)

    def refusal_of_return(self, buyer: Buyer, original: Placed, lines: list[Line]) -> str:
        """The code that answers a RETURN of these lines, "" if it is accepted."""
        in_flight = {
            line.number for one in buyer.waiting if one.returns is original for line in one.lines
        }
        if original.returns is not None:
            return "2127"
        if original.status == "1008":
            return "2118"
        if original.status != "1000":
            return "2116"
        if self.now.date() > original.created.date() + RETURN_WINDOW:
            return "2117"
        if any(line.status == "1008" for line in lines):
            return "2133"
        return "4122" if any(line.number in in_flight for line in lines) else ""

    def advance(self, target: datetime) -> None:
        """The clock moves, and what is due happens at its own instant."""
        while (due := self._next_due()) is not None and due <= target:
            self.now = max(self.now, due)
            self._settle_due(self.now)
        self.now = target

    def set_mode(self, mode: str, delay: timedelta) -> None:
        """Settlement changes: `manual` holds what waits, and lets it go in the end; nothing waits
        longer than what is new."""
        self.mode, self.delay = mode, delay
        if mode == "manual":
            for buyer in self.buyers.values():
                buyer.settle_at = None
                for one in buyer.waiting:
                    one.run_at = None
            return
        latest = self.now + (delay if mode == "delay" else timedelta(0))
        self._release()
        for buyer in self.buyers.values():
            assert buyer.settle_at is not None
            buyer.settle_at = min(buyer.settle_at, latest)
            for one in buyer.waiting:
                assert one.run_at is not None
                one.run_at = min(one.run_at, latest)
        self._settle_due(self.now)

    def settle(self) -> None:
        """Everything held settles, and all that is due."""
        self._release()
        self._settle_due(self.now)

    def _release(self) -> None:
        """What is held is due now, with the orders that were accepted before it."""
        for buyer in self.buyers.values():
            buyer.settle_at = buyer.settle_at or self.now
            is_released = False
            for one in reversed(buyer.waiting):
                if one.run_at is None or is_released:
                    one.run_at, is_released = self.now, True

    def set_status(self, buyer: Buyer, status: str) -> None:
        """An operator changes a customer; if it is not active, what waits does not wait on."""
        buyer.status = status
        if status != "1000":
            for one in buyer.waiting:
                one.run_at = self.now
        self._settle_orders(buyer, self.now)

    def _next_due(self) -> datetime | None:
        instants = [
            one.run_at
            for buyer in self.buyers.values()
            if buyer.status != "1002"
            for one in buyer.waiting
        ]
        instants += [b.settle_at for b in self.buyers.values() if b.status == "1002"]
        return min((one for one in instants if one is not None), default=None)

    def _settle_due(self, at: datetime) -> None:
        self._validate(at)
        for buyer in self.buyers.values():
            self._settle_orders(buyer, at)

    def _validate(self, at: datetime) -> None:
        for buyer in self.buyers.values():
            if buyer.status == "1002" and buyer.settle_at is not None and buyer.settle_at <= at:
                buyer.status = "1000"

    def _settle_orders(self, buyer: Buyer, at: datetime) -> None:
        if buyer.status == "1002":
            return
        for one in buyer.waiting:
            if one.run_at is not None and one.run_at <= at:
                if one.returns is not None:
                    _give_back(one, one.returns)
                elif buyer.status == "1000":
                    _fulfil(buyer, one, at.date())
                else:
                    _set_status(one, "1024")


def _set_status(one: Placed, status: str) -> None:
    one.status = status
    for line in one.lines:
        line.status = status


def _fulfil(buyer: Buyer, one: Placed, day: date) -> None:
    a_year_later = day.replace(year=day.year + 1)
    buyer.coterm = buyer.coterm or a_year_later
    _set_status(one, "1000")
    for line in one.lines:
        line.seats = _seats_for(buyer, line, a_year_later)
        line.seats.quantity += line.quantity
    licences = sum(line.quantity for line in one.lines if line.offer in LICENCES)
    consumables = sum(
        line.quantity for line in one.lines if line.offer not in LICENCES and line.offer != PACK
    )
    buyer.licences = max(buyer.licences, licences)
    buyer.consumables = max(buyer.consumables, consumables)


def _seats_for(buyer: Buyer, line: Line, a_year_later: date) -> Seats:
    own = line.offer == PACK
    for seats in buyer.seats:
        same = (seats.offer, seats.currency) == (line.offer, line.currency)
        if same and seats.status == "1000" and not own:
            return seats
    assert buyer.coterm is not None
    renewal = a_year_later if own else buyer.coterm
    buyer.seats.append(Seats(line.offer, line.currency, 0, renewal, own))
    return buyer.seats[-1]


def _give_back(one: Placed, original: Placed) -> None:
    _set_status(one, "1000")
    for line in one.lines:
        (bought,) = (known for known in original.lines if known.number == line.number)
        assert bought.seats is not None
        bought.status = "1008"
        line.seats = bought.seats
        bought.seats.quantity -= bought.quantity
        if bought.seats.quantity == 0:
            bought.seats.status = "1004"
    if all(line.status == "1008" for line in original.lines):
        original.status = "1008"
