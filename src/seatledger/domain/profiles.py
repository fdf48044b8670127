"""What is wrong with a companyProfile, and its stored form (accounts.md 4.1, 5.2-5.4)."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Literal

from email_validator import EmailSyntaxError, validate_email

from seatledger.contract.countries import LOCALES
from seatledger.domain.addresses import address_faults, free_text, normalized_address, text_of

ProfileKind = Literal["reseller", "customer"]

MARKET_SEGMENTS = frozenset({"COM", "EDU", "GOV"})
_DEFAULT_SEGMENT = "COM"
_MAX_EMAIL = 240

# \w is letters, numbers and "_": exactly the contract's [\p{L}\p{N}_].
_COMPANY_NAME = re.compile(r"[\w \u3000,.＆&・'()（）\"/-]{4,80}")
_PERSON_NAME = re.compile(r"[\w \u3000,.＆&'\"-]{1,35}")
_PHONE_NUMBER = free_text(40)


def profile_faults(
    profile: Mapping[str, object],
    *,
    prefix: str = "companyProfile",
    countries: Collection[str],
    kind: ProfileKind,
) -> list[str]:
    """The path of every invalid field of a profile as sent, in document order (accounts.md 4.1).

    `countries` are those the partner sells in. Values of a wrong JSON type, unknown names and
    absent fields are passed over: the walker over the wire types reports them. An empty
    `contacts` is no fault, as PATCH gives it a meaning (accounts.md 5.6).
    """
    paths: list[str] = []
    for name, value in profile.items():
        path = f"{prefix}.{name}"
        if name == "address" and isinstance(value, Mapping):
            paths += address_faults(value, prefix=path, countries=countries)
        elif name == "contacts" and isinstance(value, list):
            paths += _contact_faults(value, path)
        elif name == "marketSegments" and isinstance(value, list) and kind == "reseller":
            if not _are_segments(value):
                paths.append(path)
        elif isinstance(value, str) and not _is_valid(name, value, kind):
            paths.append(path)
    return paths


def normalized_profile(raw: Mapping[str, object], kind: ProfileKind) -> dict[str, object]:
    """A valid profile as it is stored and answered, keys in the order of the samples.

    Text stays byte for byte; what was not given gets its default (accounts.md 4.1). For a PATCH
    the caller puts what stays (segment, sub-segments, contacts) into `raw` first.
    """
    address, contacts = raw.get("address"), raw.get("contacts")
    profile: dict[str, object] = {
        "companyName": text_of(raw, "companyName"),
        "preferredLanguage": text_of(raw, "preferredLanguage"),
    }
    if kind == "reseller":
        profile["marketSegments"] = _strings(raw, "marketSegments") or [_DEFAULT_SEGMENT]
    else:
        profile["marketSegment"] = text_of(raw, "marketSegment") or _DEFAULT_SEGMENT
        profile["marketSubSegments"] = _strings(raw, "marketSubSegments")
    profile["address"] = normalized_address(address if isinstance(address, Mapping) else {})
    profile["contacts"] = [
        _normalized_contact(one)
        for one in (contacts if isinstance(contacts, list) else [])
        if isinstance(one, Mapping)
    ]
    return profile


def identity_of_contact(email: str) -> str:
    """What tells a partner's contacts apart: the lower-cased email (accounts.md 4.1)."""
    return email.lower()


def duplicate_key(company_name: str, first_contact_email: str) -> tuple[str, str]:
    """Two customers with an equal key are duplicates (accounts.md 5.4: 1127 or status 1014)."""
    return company_name.casefold(), identity_of_contact(first_contact_email)


def _is_valid(name: str, value: str, kind: ProfileKind) -> bool:
    match name:
        case "companyName":
            return _COMPANY_NAME.fullmatch(value) is not None
        case "preferredLanguage":
            return value in LOCALES
        case "marketSegment":
            return kind == "reseller" or value in MARKET_SEGMENTS
        case _:
            return True


def _are_segments(values: list[object]) -> bool:
    """Whether market segments are a non-empty set of known ones; other types are not judged."""
    known = [one for one in values if isinstance(one, str)]
    return bool(values) and len(set(known)) == len(known) and MARKET_SEGMENTS.issuperset(known)


def _contact_faults(contacts: list[object], path: str) -> Iterator[str]:
    for index, contact in enumerate(contacts):
        if isinstance(contact, Mapping):
            for name, value in contact.items():
                rule = _CONTACT_RULES.get(name)
                if rule is not None and isinstance(value, str) and not rule(value):
                    yield f"{path}[{index}].{name}"


def _is_email(value: str) -> bool:
    """Whether a text is an address of RFC 5322: ASCII, dot-atom or quoted, domain or IP."""
    if len(value) > _MAX_EMAIL or not value.isascii():
        return False
    domain = value.rpartition("@")[2]
    if not domain.startswith("["):
        if "." not in domain:
            return False
        # Only the form counts, but the library also refuses reserved names such as .test, which
        # test data lives under: behind a neutral top-level domain they are judged by form.
        value = f"{value}.com"
    try:
        validate_email(
            value,
            allow_smtputf8=False,
            allow_quoted_local=True,
            allow_domain_literal=True,
            check_deliverability=False,
        )
    except EmailSyntaxError:
        return False
    return True


_CONTACT_RULES: Mapping[str, Callable[[str], object]] = {
    "firstName": _PERSON_NAME.fullmatch,
    "lastName": _PERSON_NAME.fullmatch,
    "email": _is_email,
    "phoneNumber": _PHONE_NUMBER.fullmatch,
}


def _normalized_contact(contact: Mapping[str, object]) -> dict[str, str]:
    return {
        "firstName": text_of(contact, "firstName"),
        "lastName": text_of(contact, "lastName"),
        "email": text_of(contact, "email"),
        "phoneNumber": text_of(contact, "phoneNumber"),
    }


def _strings(raw: Mapping[str, object], name: str) -> list[str]:
    values = raw.get(name)
    return [one for one in values if isinstance(one, str)] if isinstance(values, list) else []
