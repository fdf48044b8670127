"""A partner's world on the shipped rules that takes one step after the other.

Steps reach the rules as the engine's use cases do; `Memory` is the store.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import UNSET
from msgspec.structs import replace

from seatledger.contract.statuses import ACTIVE, INACTIVE
from seatledger.domain import commitment_requests
from seatledger.domain.benefits import COMMITMENT_REQUEST, RECOMMITMENT_REQUEST
from seatledger.domain.calendar import midnight, utc_day
from seatledger.domain.effects import Rules
from seatledger.domain.model import Account, Customer, Deployment, Order, Subscription
from seatledger.domain.orders import new, returns
from seatledger.domain.orders.new import Accepted
from seatledger.domain.orders.renewal_orders import decide_renewal
from seatledger.domain.orders.request import OrderRequest, RequestLine
from seatledger.domain.outcome import Refused
from seatledger.domain.scheduling import Wanted, schedule
from seatledger.domain.subscriptions import Change, update
from tests import samples
from tests.simulation.checks import Broken, Watcher, same_lines
from tests.simulation.memory import RESELLERS, Memory
from tests.simulation.steps import (
    GOODS,
    Answer,
    Become,
    Buy,
    Commit,
    Enter,
    Flags,
    GiveBack,
    Meet,
    Mode,
    Prefer,
    RenewLate,
    Schedule,
    Settle,
    Step,
    Use,
    Wait,
)


class World:
    """A partner's world that takes steps; each gives a few words on what came of it."""

    def __init__(self, start: datetime) -> None:
        rules = Rules(samples.partner(), samples.catalog(), samples.discounts())
        self.memory = Memory(rules, start)
        self.watcher = Watcher(self.memory)
        self._actions: dict[type, Callable[..., str]] = {
            Enter: self._enter,
            Buy: self._buy,
            GiveBack: self._give_back,
            RenewLate: self._renew_late,
            Prefer: self._prefer,
            Schedule: self._schedule,
            Use: self._use,
            Commit: self._commit,
            Answer: self._answer,
            Become: self._become,
            Flags: self._flags,
            Mode: self._mode,
            Settle: self._settle,
            Wait: self._wait,
            Meet: self._meet,
        }

    @property
    def rules(self) -> Rules:
        """The partner's contract, catalogue and discounts."""
        return self.memory.rules

    def take(self, step: Step) -> str:
        """One step; raises Broken when an invariant does not hold after it."""
        return self._actions[type(step)](step)

    def _pick(self, number: int) -> Customer | None:
        known = list(self.memory.books.values())
        return known[number % len(known)].customer if known else None

    # --- accounts ---------------------------------------------------------------------------

    def _enter(self, step: Enter) -> str:
        today = utc_day(self.memory.now)
        customer_id = f"C{self.memory.number():06d}"
        coterm = today + timedelta(days=31 * step.extended) if step.extended else None
        customer = samples.customer(
            segment=step.segment,
            sub_segments=("K_12",) if step.segment == "EDU" else (),
            customer_id=customer_id,
            reseller_id=RESELLERS[step.reseller],
            created_at=self.memory.now,
            coterm_date=coterm,
            extended_term=coterm is not None,
            global_sales=step.is_global,
        )
        branch = Deployment(
            f"D{customer_id}", customer_id, "P1", ACTIVE, {"country": "DE"}, self.memory.now
        )
        self.memory.add(customer, (branch,) if step.is_global else ())
        return customer_id

    def _become(self, step: Become) -> str:
        if step.who == "partner":
            partner = replace(self.rules.partner, status=step.status)
            self.memory.set_rules(replace(self.rules, partner=partner))
            return "partner"
        if step.who == "reseller":
            reseller = RESELLERS[step.number % 2]
            self.memory.resellers[reseller] = step.status
            return reseller
        customer = self._pick(step.number)
        if customer is None:
            return "nobody"
        self.memory.set_status(customer, step.status)
        return customer.customer_id

    def _flags(self, step: Flags) -> str:
        partner = self.rules.partner
        settings = replace(
            partner.settings,
            relaxed_3yc=step.relaxed,
            late_renewal_days=step.late_days,
            order_blackout_hours=step.blackout_hours,
        )
        self.memory.set_rules(replace(self.rules, partner=replace(partner, settings=settings)))
        return "partner"

    def _commit(self, step: Commit) -> str:
        customer = self._pick(step.customer)
        if customer is None:
            return "nobody"
        minimums = [("LICENSE", step.licences), ("CONSUMABLES", step.consumables)]
        kind = RECOMMITMENT_REQUEST if step.again else COMMITMENT_REQUEST
        sent = [
            {
                "type": commitment_requests.THREE_YEAR_COMMIT,
                kind: {
                    "minimumQuantities": [
                        {"offerType": name, "quantity": quantity}
                        for name, quantity in minimums
                        if quantity
                    ]
                },
            }
        ]
        asked = commitment_requests.read(sent, (), customer, utc_day(self.memory.now))
        refused = commitment_requests.quantity_refusal(asked, customer)
        if asked.invalid or refused is not None:
            return f"refused {asked.invalid or refused}"
        self.memory.put_customer(commitment_requests.requested(customer, asked, self.memory.now))
        return customer.customer_id

    def _answer(self, step: Answer) -> str:
        customer = self._pick(step.customer)
        if customer is None or customer.status != ACTIVE:
            return "nobody"
        for kind in commitment_requests.KINDS:
            if commitment_requests.open_request(customer, kind) is None:
                continue
            if step.accepts:
                account = self.memory.account(customer.customer_id)
                changed = commitment_requests.accept(
                    account, self.rules.catalog, kind, self.memory.now
                )
            else:
                changed = commitment_requests.decline(customer, kind)
            self.memory.put_customer(changed)
            return f"{customer.customer_id} {kind}"
        return "nothing asked"

    # --- orders -----------------------------------------------------------------------------

    def _buy(self, step: Buy) -> str:
        customer = self._pick(step.customer)
        if customer is None:
            return "nobody"
        lines = self._goods(customer, step)
        account = self.memory.account(customer.customer_id)
        currency = lines[0].currency
        if any(one.currency != currency for one in lines):
            currency = ""
        request = OrderRequest("NEW", lines, currency=currency)
        shown: Accepted | Refused | None = None
        if step.previews:
            shown = self._decided(replace(request, order_type="PREVIEW"), account)
            if isinstance(shown, Refused):
                return _no(shown)
            best = {line.number: line.offer_id for line in shown.lines}
            lines = tuple(replace(one, offer_id=best[one.number]) for one in lines)
            request = replace(request, lines=lines)
        decision = self._decided(request, account)
        if isinstance(decision, Refused):
            if shown is not None:
                raise Broken(f"NEW of what PREVIEW showed is refused: {_no(decision)}")
            return _no(decision)
        if isinstance(shown, Accepted):
            same_lines("NEW", decision.lines, "its PREVIEW", shown.lines)
        return self._placed(account, request, decision, step.injected)

    def _goods(self, customer: Customer, step: Buy) -> tuple[RequestLine, ...]:
        goods = GOODS[customer.segment]
        lines = []
        for number, (good, quantity) in enumerate(step.lines, start=1):
            offer_id, currency = goods[good % len(goods)]
            lines.append(
                RequestLine(
                    number,
                    offer_id,
                    quantity,
                    currency,
                    f"D{customer.customer_id}" if currency == "EUR" else "",
                    flex_codes=(step.code,) if step.code and number == 1 else (),
                )
            )
        return tuple(lines)

    def _decided(self, request: OrderRequest, account: Account) -> Accepted | Refused:
        rules, now = self.rules, self.memory.now
        if request.order_type == "RETURN":
            return returns.decide(request, account, rules.partner, rules.catalog, now)
        decide = decide_renewal if request.order_type == "RENEWAL" else new.decide
        return decide(request, account, rules.partner, rules.catalog, rules.discounts, now)

    def _placed(
        self, account: Account, request: OrderRequest, decision: Accepted, injected: str
    ) -> str:
        self.watcher.accepted(request, decision, account)
        order = self.memory.accept(account.customer, request, decision, injected)
        return f"{order.order_id} {order.status}"

    def _give_back(self, step: GiveBack) -> str:
        customer = self._pick(step.customer)
        orders = list(self.memory.books[customer.customer_id].orders.values()) if customer else []
        if customer is None or not orders:
            return "nothing to give back"
        original: Order = orders[-1 - step.order % len(orders)]
        lines = tuple(
            RequestLine(line.number, line.offer_id, line.quantity, line.currency)
            for index, line in enumerate(original.lines)
            if not step.lines or step.lines >> index & 1
        )
        if not lines:
            return "nothing to give back"
        account = self.memory.account(customer.customer_id, original.order_id)
        request = OrderRequest("RETURN", lines, reference_order_id=original.order_id)
        decision = self._decided(request, account)
        if isinstance(decision, Refused):
            return f"{original.order_id} {_no(decision)}"
        return f"{original.order_id} {self._placed(account, request, decision, step.injected)}"

    def _renew_late(self, step: RenewLate) -> str:
        customer = self._pick(step.customer)
        if customer is None:
            return "nobody"
        account = self.memory.account(customer.customer_id)
        lapsed = [one for one in account.subscriptions if one.status == INACTIVE and one.expired_on]
        chosen = [one for index, one in enumerate(lapsed) if step.lines >> index & 1] or lapsed
        lines = tuple(
            RequestLine(
                number,
                one.offer_id,
                min(step.most, one.current_quantity),
                subscription_id=one.subscription_id,
            )
            for number, one in enumerate(chosen, start=1)
        )
        if not lines:
            return "nothing expired"
        request = OrderRequest("RENEWAL", lines)
        decision = self._decided(request, account)
        if isinstance(decision, Refused):
            return _no(decision)
        return self._placed(account, request, decision, step.injected)

    # --- subscriptions ----------------------------------------------------------------------

    def _held(self, step: Prefer | Use) -> Subscription | None:
        customer = self._pick(step.customer)
        books = self.memory.books[customer.customer_id] if customer else None
        held = list(books.subscriptions.values()) if books else []
        return held[-1 - step.subscription % len(held)] if held else None

    def _prefer(self, step: Prefer) -> str:
        held = self._held(step)
        if held is None:
            return "nothing held"
        account = self.memory.account(held.customer_id)
        change = Change(
            step.enabled,
            UNSET if step.quantity < 0 else step.quantity or None,
            (step.code,) if step.code else None,
        )
        today = utc_day(self.memory.now)
        changed = update(held, change, account, self.rules.partner, self.rules.catalog, today)
        if isinstance(changed, Refused):
            return f"{held.subscription_id} {_no(changed)}"
        self.memory.put(held.customer_id, changed)
        return held.subscription_id

    def _use(self, step: Use) -> str:
        held = self._held(step)
        if held is None:
            return "nothing held"
        used = min(step.quantity, held.current_quantity)
        self.memory.put(held.customer_id, replace(held, used_quantity=used))
        return f"{held.subscription_id} {used}"

    def _schedule(self, step: Schedule) -> str:
        customer = self._pick(step.customer)
        if customer is None:
            return "nobody"
        goods = GOODS[customer.segment]
        offer_id, currency = goods[step.good % len(goods)]
        branch = f"D{customer.customer_id}" if currency == "EUR" else ""
        made = schedule(
            Wanted(offer_id, step.quantity, currency, branch),
            self.memory.account(customer.customer_id),
            self.rules.partner,
            self.rules.catalog,
            self.memory.now,
            self.memory.subscription_id(),
        )
        if isinstance(made, Refused):
            return _no(made)
        self.memory.put(customer.customer_id, made)
        return made.subscription_id

    # --- settlement and time ----------------------------------------------------------------

    def _mode(self, step: Mode) -> str:
        self.memory.set_mode(step.name, timedelta(hours=step.delay_hours))
        return step.name

    def _settle(self, _: Settle) -> str:
        self.memory.settle()
        return "settled"

    def _wait(self, step: Wait) -> str:
        return self._until(self.memory.now + timedelta(seconds=step.seconds))

    def _meet(self, step: Meet) -> str:
        customer = self._pick(step.customer)
        if customer is None or customer.coterm_date is None:
            return "no anniversary"
        target = midnight(customer.coterm_date) + timedelta(seconds=step.offset)
        return self._until(max(target, self.memory.now))

    def _until(self, target: datetime) -> str:
        self.memory.advance(target)
        self.watcher.arrived()
        return f"{target:%Y-%m-%d %H:%M:%S}"


def _no(refused: Refused) -> str:
    return f"refused {refused.code} {', '.join(refused.details)}".rstrip()
