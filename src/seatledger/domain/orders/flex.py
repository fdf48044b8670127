"""Check 41: flexible discounts on lines (orders.md 2.4, catalog.md 7.4)."""

from collections import Counter
from collections.abc import Callable, Iterable

from seatledger.domain.benefits import ACCEPTED
from seatledger.domain.catalog import Product
from seatledger.domain.discounts import FlexDiscount
from seatledger.domain.levels import CONSUMABLES, LICENSE
from seatledger.domain.model import FlexResult, Subscription
from seatledger.domain.orders.case import LineCase, OrderCase
from seatledger.domain.outcome import Refused, line_detail, on_lines

SUCCESS = "SUCCESS"
FAILURE = "FAILURE"
INVALID = "Invalid Flexible Discount"
_COMMITMENT_STATUS = "INELIGIBLE_COMMITMENT_STATUS"
_QUIRK = "preview_reports_failed_codes"


def check_flexible_discounts(case: OrderCase) -> Refused | None:
    """a-d run over all lines one after the other; e-g judge each line in one step."""
    lines = [line for line in case.lines if line.request.flex_codes]
    if not lines:
        return None
    steps: tuple[tuple[str, str | None, Callable[[LineCase], bool]], ...] = (
        ("2147", None, lambda line: len(line.request.flex_codes) > 1),
        ("2146", "NOT_FOUND", lambda line: _discount(case, line) is None),
        ("2145", None, lambda line: _is_not_base(case, line)),
        ("2144", None, lambda line: bool(line.discount_code)),
    )
    for code, reason, fails in steps:
        numbers = [line.number for line in lines if fails(line)]
        if numbers:
            return on_lines(code, numbers, reason)
    return _qualify(case, lines)


def _discount(case: OrderCase, line: LineCase) -> FlexDiscount | None:
    return case.discounts.find(line.request.flex_codes[0], case.customer.segment, case.now)


def _is_not_base(case: OrderCase, line: LineCase) -> bool:
    product = line.known_product
    if product.add_on_for:
        return True
    found = _discount(case, line)
    return (
        product.offer_type == CONSUMABLES
        and found is not None
        and not found.names_product(product.key)
    )


def _qualify(case: OrderCase, lines: Iterable[LineCase]) -> Refused | None:
    failures: list[tuple[str, int, str | None]] = []
    uses: Counter[tuple[str, str]] = Counter()
    for line in lines:
        found = _discount(case, line)
        assert found is not None
        refusal = _disqualification(case, line, found, uses)
        if refusal is None:
            uses[_single_use(line, found)] += 1
            line.flex = (FlexResult(found.id, found.code, SUCCESS),)
        elif refusal[0] == "2141" and case.is_preview and _QUIRK in case.partner.quirks:
            line.flex = (FlexResult(found.id, found.code, FAILURE),)
        else:
            failures.append((refusal[0], line.number, refusal[1]))
    if not failures:
        return None
    code = failures[0][0]
    return Refused(
        code,
        tuple(line_detail(number, reason) for one, number, reason in failures if one == code),
    )


def _disqualification(
    case: OrderCase, line: LineCase, found: FlexDiscount, uses: Counter[tuple[str, str]]
) -> tuple[str, str | None] | None:
    """(code, reason) that keeps a line from a discount, None if it qualifies (e-g).

    `uses` are those that earlier lines of this order make of it.
    """
    if case.customer.segment not in found.segments:
        return "2141", "MARKET_SEGMENT_MISMATCH"
    if found.always_fails or not (
        _is_in_time(case, found)
        and _covers(line, found)
        and _is_available(case, found)
        and _intro_is_new(case, line.known_product, found)
        and not uses[_single_use(line, found)]
    ):
        return "2141", INVALID
    return _commitment_refusal(case, found) if found.three_year_commit else None


def _single_use(line: LineCase, found: FlexDiscount) -> tuple[str, str]:
    """What one order may name once: a one-time code, an introductory price of a product.

    Other uses are told apart by their line, so that they never meet.
    """
    if found.one_time_closed:
        return found.id, ""
    if found.category == "INTRO":
        return found.id, line.known_product.key
    return found.id, str(line.number)


def _commitment_refusal(case: OrderCase, found: FlexDiscount) -> tuple[str, str | None] | None:
    """Why a commitment, or the lack of one, keeps a customer from a discount (catalog.md 7.3)."""
    commit = case.customer.three_year_commit
    running = commit.running if commit is not None else None
    if found.three_year_commit == "NON_3YC":
        is_bound = running is not None or (
            commit is not None and commit.request is not None and commit.request.status == ACCEPTED
        )
        return ("2141", f"{_COMMITMENT_STATUS}_OR_NOT_ELIGIBLE") if is_bound else None
    if commit is None:
        return "2166", None
    if running is None:
        return "2141", _COMMITMENT_STATUS
    if running.minimum(LICENSE) < (found.min_commit_quantity or 0):
        return "2141", f"{_COMMITMENT_STATUS}_OR_COMMIT_QUANTITY"
    return None


def _is_in_time(case: OrderCase, found: FlexDiscount) -> bool:
    """Begun and not ended, or still reusable for a customer who used it in time."""
    if found.code_expiry is not None and case.now > found.code_expiry:
        return False
    if found.start <= case.now <= found.end:
        return True
    if found.lock_end is None or not found.end < case.now <= found.lock_end:
        return False
    return any(
        one.discount_id == found.id and not one.returned and one.redeemed_at <= found.end
        for one in case.account.redemptions
    )


def _covers(line: LineCase, found: FlexDiscount) -> bool:
    return (
        found.covers_product(line.known_product.key)
        and ("*" in found.countries or line.country in found.countries)
        and found.value_for(line.country, line.currency) is not None
        and "NEW" in found.order_types
    )


def _is_available(case: OrderCase, found: FlexDiscount) -> bool:
    """A closed code is for its customer, and a one-time one for one use."""
    if found.visibility != "CLOSED":
        return True
    if found.customer_id and found.customer_id != case.customer.customer_id:
        return False
    return not (found.one_time_closed and found.id in case.account.closed_codes_taken)


def _intro_is_new(case: OrderCase, product: Product, found: FlexDiscount) -> bool:
    """An introductory price needs a product never owned; full returns do not count."""
    if found.category != "INTRO":
        return True
    owned = any(
        one.product_key == product.key and not _was_given_back(one)
        for one in case.account.subscriptions
    )
    used = any(
        one.discount_id == found.id and one.product_key == product.key and not one.returned
        for one in case.account.redemptions
    )
    return not owned and not used


def _was_given_back(subscription: Subscription) -> bool:
    return not subscription.is_open and subscription.current_quantity == 0
