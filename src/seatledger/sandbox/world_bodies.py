"""What the calls on whole worlds accept (sandbox.md 2, 5.4). Absent and null change nothing."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct

from seatledger.contract.fields import Ignored
from seatledger.contract.walker import FieldFaults, decode, in_document_order
from seatledger.domain.outcome import Refused
from seatledger.engine import partners as partner_rules
from seatledger.sandbox.clock import moment_in_range
from seatledger.sandbox.control import Control, Refusal
from seatledger.sandbox.fixtures import FixtureName


class _Body(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The rules every body follows."""


class ClockStart(_Body, frozen=True, kw_only=True):
    """Where a world's clock, frozen, is to stand."""

    now: Annotated[str, Meta(min_length=1)]


class ContractIn(_Body, frozen=True, kw_only=True):
    """PATCH /sandbox/partner: what a partner file may say too, and judged by the same rules."""

    name: Ignored = None
    status: Ignored = None
    country: Ignored = None
    regions: Ignored = None
    currencies: Ignored = None
    market_segments: Ignored = None
    programs: Ignored = None
    global_sales_enabled: Ignored = None
    lga_enabled: Ignored = None
    flags: Ignored = None
    quirks: Ignored = None


class WorldIn(ContractIn, frozen=True, kw_only=True):
    """POST /sandbox/partners."""

    distributor_id: Ignored = None
    clock: ClockStart | None = None
    fixtures: tuple[FixtureName, ...] | None = None


class ResetIn(_Body, frozen=True, kw_only=True):
    """POST /sandbox/reset."""

    clock: ClockStart | None = None
    fixtures: tuple[FixtureName, ...] | None = None


class DataSetIn(_Body, frozen=True, kw_only=True):
    """PUT of a data set: the text of its CSV file."""

    text: Annotated[str, Meta(min_length=1)]


def read_contract(control: Control, shape: type[ContractIn]) -> tuple[Any, dict[str, Any]]:
    """A body with contract fields, and those of its fields that say something.

    Raises Refusal (1121, 1122, 1117) with everything that is wrong with it.
    """
    doc = {name: value for name, value in control.raw.items() if value is not None}
    body = decode(doc, shape)
    found = body if isinstance(body, FieldFaults) else FieldFaults()
    unknown = [*found.unexpected, *partner_rules.unknown_names(doc)]
    invalid = [*found.invalid, *partner_rules.contract_faults(doc)]
    refused = FieldFaults(
        in_document_order(unknown, doc), found.missing, [], in_document_order(invalid, doc)
    ).first()
    if refused is not None:
        raise Refusal(Refused(refused[0], tuple(refused[1])))
    return body, doc


def start_of(clock: ClockStart | None) -> datetime | None:
    """The instant a world is to begin at, None where none is given; Refusal (1117) beyond reach."""
    return None if clock is None else moment_in_range(clock.now, "clock.now")
