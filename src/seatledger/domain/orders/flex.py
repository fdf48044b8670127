"""Check 41: flexible discounts on lines (orders.md 2.4, catalog.md 7.4)."""

from collections.abc import Callable, Iterable, Mapping

from seatledger.contract.statuses import RENEWAL_ORDER_TYPES
from seatledger.domain.discounts import FlexDiscount
from seatledger.domain.flex_rules import (
    Asking,
    Refusal,
    Uses,
    discount_meant,
    disqualification,
    is_not_base,
)
from seatledger.domain.model import FlexResult
from seatledger.domain.orders.case import LineCase, OrderCase
from seatledger.domain.outcome import Refused, line_detail, on_lines

SUCCESS = "SUCCESS"
FAILURE = "FAILURE"
_QUIRK = "preview_reports_failed_codes"


def check_flexible_discounts(case: OrderCase) -> Refused | None:
    """a-d run over all lines one after the other; e-g judge each line in one step."""
    lines = [line for line in case.lines if line.request.flex_codes]
    if not lines:
        return None
    steps: tuple[tuple[str, str | None, Callable[[LineCase], bool]], ...] = (
        ("2147", None, lambda line: len(line.request.flex_codes) > 1),
        ("2146", "NOT_FOUND", lambda line: _discount(case, line) is None),
        ("2145", None, lambda line: is_not_base(line.known_product, _discount(case, line))),
        ("2144", None, lambda line: bool(line.discount_code)),
    )
    for code, reason, fails in steps:
        numbers = [line.number for line in lines if fails(line)]
        if numbers:
            return on_lines(code, numbers, reason)
    return _qualify(case, lines)


def _discount(case: OrderCase, line: LineCase) -> FlexDiscount | None:
    code, segment = line.request.flex_codes[0], case.customer.segment
    redemptions = case.account.redemptions
    return discount_meant(case.discounts, code, segment, redemptions, case.effective_at(line))


def _qualify(case: OrderCase, lines: Iterable[LineCase]) -> Refused | None:
    failures: list[tuple[str, int, str | None]] = []
    uses = Uses()
    reports_failures = case.request.order_type == "PREVIEW" and _QUIRK in case.partner.quirks
    for line in lines:
        found = _discount(case, line)
        assert found is not None
        refusal = _refusal(case, line, found, uses)
        if refusal is None:
            uses.add(found, line.known_product.key)
            line.flex = (FlexResult(found.id, found.code, SUCCESS),)
        elif refusal[0] == "2141" and reports_failures:
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


def _refusal(case: OrderCase, line: LineCase, found: FlexDiscount, uses: Uses) -> Refusal | None:
    reached: Mapping[str, int] = case.reached(line) if found.three_year_commit else {}
    asking = Asking(
        account=case.account,
        customer=case.customer,
        product=line.known_product,
        country=line.country,
        currency=line.currency,
        order_type="RENEWAL" if case.request.order_type in RENEWAL_ORDER_TYPES else "NEW",
        at=case.effective_at(line),
        reached=reached,
    )
    return disqualification(asking, found, uses)
