"""Customers that exist for previews alone (accounts.md 5.7)."""

from collections.abc import Mapping
from typing import Final

SEGMENT_OF_PLACEHOLDER: Final[Mapping[str, str]] = {
    "1234567890": "COM",
    "1234567890COM": "COM",
    "1234567890GOV": "GOV",
    "1234567890EDU": "EDU",
}
"""Market segment by customer id; no real customer is ever given one of these ids."""
