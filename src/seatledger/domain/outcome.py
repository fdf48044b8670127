"""How a rule says no."""

from collections.abc import Iterable

from msgspec import Struct


class Refused(Struct, frozen=True):
    """A refusal by the contract: a catalogued code with its details.

    `variant` picks among the forms of a code with several statuses or messages (`errors.csv`).
    """

    code: str
    details: tuple[str, ...] = ()
    variant: int | str | None = None


def on_lines(code: str, numbers: Iterable[int], reason: str | None = None) -> Refused:
    """A refusal naming lines by their extLineItemNumber (orders.md 2.1)."""
    return Refused(code, tuple(line_detail(number, reason) for number in numbers))


def line_detail(number: int, reason: str | None = None) -> str:
    """`Line Item: 4` or `Line Item: 4, Reason: WORD`, the form real clients parse."""
    return f"Line Item: {number}, Reason: {reason}" if reason else f"Line Item: {number}"
