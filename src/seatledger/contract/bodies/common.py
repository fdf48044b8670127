"""What the bodies of several resources share."""

from typing import Annotated

from msgspec import Meta, Struct

from seatledger.contract.fields import PRINTABLE

Code = Annotated[str, Meta(max_length=40, extra=PRINTABLE)]
CurrencyCode = Annotated[str, Meta(pattern=r"\A([A-Z]{3})?\Z")]


class Body(Struct, rename="camel", forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The rules every body follows."""
