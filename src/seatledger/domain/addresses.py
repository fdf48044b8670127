"""What is wrong with an address, and its stored form (accounts.md 4.1, 4.2, 4.4)."""

import re
from collections.abc import Collection, Mapping

from seatledger.contract.countries import postal_pattern, regions_of

_REGION = re.compile(r"[A-Z0-9]{1,4}")


def free_text(limit: int) -> re.Pattern[str]:
    """A text field without a pattern of its own: up to `limit` characters, no markup.

    U+0000 and lone surrogates are refused as well (platform.md 7). Use with `fullmatch`.
    """
    return re.compile(rf'[^<>"\x00\ud800-\udfff]{{0,{limit}}}')


_POSTAL_TEXT = free_text(40)
_TEXTS = {
    "city": free_text(40),
    "addressLine1": free_text(60),
    "addressLine2": free_text(60),
    "phoneNumber": free_text(40),
}


def address_faults(
    address: Mapping[str, object],
    *,
    prefix: str = "companyProfile.address",
    countries: Collection[str],
) -> list[str]:
    """Paths of the invalid fields of an address as sent, in document order.

    `countries` are those the partner sells in. Values that are not strings and unknown names are
    passed over; absent fields and an empty postal code are no fault here (`missing_postal_code`).
    Region and postal code are judged only under a valid country.
    """
    sent = address.get("country")
    country = sent if isinstance(sent, str) and sent in countries else None
    return [
        f"{prefix}.{name}"
        for name, value in address.items()
        if isinstance(value, str) and not _is_valid(name, value, country)
    ]


def missing_postal_code(address: Mapping[str, object]) -> bool:
    """Whether an address as sent lacks the postal code its country asks for.

    The caller names `postalCode` among the missing fields (1122). Absent, null and empty are
    missing; a value of another type is not.
    """
    country = address.get("country")
    return (
        address.get("postalCode") in (None, "")
        and isinstance(country, str)
        and postal_pattern(country) is not None
    )


def normalized_address(address: Mapping[str, object]) -> dict[str, str]:
    """A valid address as it is stored and answered: every key, "" where unset."""
    return {
        "country": text_of(address, "country"),
        "region": text_of(address, "region"),
        "city": text_of(address, "city"),
        "addressLine1": text_of(address, "addressLine1"),
        "addressLine2": text_of(address, "addressLine2"),
        "postalCode": text_of(address, "postalCode"),
        "phoneNumber": text_of(address, "phoneNumber"),
    }


def text_of(fields: Mapping[str, object], name: str) -> str:
    """The string under `name`, byte for byte; "" when absent or null."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _is_valid(name: str, value: str, country: str | None) -> bool:
    """Whether one field holds; `country` is None when the address names no valid one."""
    match name:
        case "country":
            return country is not None
        case "region":
            return country is None or _is_region(country, value)
        case "postalCode":
            return country is None or _is_postal_code(country, value)
        case _:
            rule = _TEXTS.get(name)
            return rule is None or rule.fullmatch(value) is not None


def _is_region(country: str, value: str) -> bool:
    closed = regions_of(country)
    if closed is not None:
        return value in closed
    return _REGION.fullmatch(value) is not None


def _is_postal_code(country: str, value: str) -> bool:
    rule = postal_pattern(country) or _POSTAL_TEXT
    return not value or rule.fullmatch(value) is not None
