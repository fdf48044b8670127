"""Numeric limits of the contract, each with its rule."""

from typing import Final

MAX_LINES: Final = 499  # orders.md 2.2 #8, S-178
MAX_EXT_LINE_ITEM_NUMBER: Final = 999_999  # orders.md 2.2 #9, S-180
MAX_REFERENCE_CHARACTERS: Final = 35  # orders.md 2.2 #6, S-179
LONG_RETURN_REFERENCE_CHARACTERS: Final = 64  # quirk long_return_references
MAX_QUANTITY: Final = {"TEAM": 10_000, "ENTERPRISE": 200_000}  # catalog.md 2.1, S-176, S-177
REPLAY_SECONDS: Final = 864_000  # platform.md 5.2: ten days from completion, business clock
MAX_BODY_BYTES: Final = 2 * 1024 * 1024  # platform.md 3 step 1
MAX_TARGET_BYTES: Final = 8 * 1024
MAX_HEADER_BYTES: Final = 32 * 1024
MAX_MESSAGE_BYTES: Final = 4 * MAX_BODY_BYTES  # platform.md 13: on the wire, framing included
MAX_CONNECTIONS: Final = 10_000  # platform.md 13, per process
NEXT_TERM_OPENS_DAYS: Final = 30  # subscriptions.md 8: before the anniversary, for POST and opt-in
NEXT_TERM_CLOSES_DAYS: Final = 3
MAX_ATTEMPTS: Final = 5  # platform.md 5.4: rounds a lost race may take
MAX_WAIT_SECONDS: Final = 5  # platform.md 5.4: for a customer's turn to come
REQUEST_SECONDS: Final = 60  # platform.md 13: for a request's head, and for one nobody waits for
CALL_SECONDS: Final = 60  # platform.md 13: for a body to arrive, and for the work on it
