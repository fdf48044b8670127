"""What may happen in a simulated world: steps, their random choice, and how they read.

A step names customers, orders and subscriptions by numbers that count modulo those there are, so
that every part of a list of steps is a list of steps again.
"""

from dataclasses import dataclass, replace
from random import Random

DAY = 86_400

# Offers at their first level, with their currency; EUR goes to a deployment in Germany.
GOODS: dict[str, tuple[tuple[str, str], ...]] = {
    "COM": (
        ("65304479CA01A12", "USD"),
        ("65304479CA01A12", "EUR"),
        ("11073058CA01A12", "USD"),
        ("65304600CA01A12", "USD"),
        ("69804578CA01A12", "USD"),
        ("80004567EA01A12", "USD"),
        ("30005893CA01A12", "USD"),  # an add-on
        ("65322435CAT1A12", "USD"),  # a consumable
        ("65322450CAT1A12", "USD"),  # once in a term, and not renewable
        ("65327733CA01A12", "USD"),  # credit packs with a term of their own
        ("65322447CA01A12", "USD"),  # sold until 2025-11-30, supported until 2026-05-31
        ("65322461CA01A12", "USD"),  # sold until 2025-12-31
    ),
    "EDU": (("30001760CB01A12", "USD"), ("30001772CB01A12", "USD")),
    "GOV": (("30001475CC01A12", "USD"),),
}
CODES = (
    "BLACK_FRIDAY_10_PERCENT_OFF", "BLACK_FRIDAY_20_DOLLAR_OFF", "INTRO-PHOTON", "NEW YEAR",
    "EASTER_26", "NEW3YC_FULL_TERM_18", "NON3YC_TERM_5", "H4SQ82RETAINVW6K3MPD7TZ1",
)  # fmt: skip
QUANTITIES = (1, 1, 2, 5, 9, 10, 25, 49, 50, 100, 1_000, 2_500)


@dataclass(frozen=True)
class Enter:
    """A customer is created; `extended` months make a first term longer than a year."""

    segment: str
    reseller: int
    extended: int = 0
    is_global: bool = False


@dataclass(frozen=True)
class Buy:
    """PREVIEW, then NEW of the offers it named; or NEW of the first level without a preview."""

    customer: int
    lines: tuple[tuple[int, int], ...]
    code: str = ""
    previews: bool = True
    injected: str = ""


@dataclass(frozen=True)
class GiveBack:
    """RETURN of the lines whose bit is set, all if none is; orders count from the newest."""

    customer: int
    order: int
    lines: int = 0
    injected: str = ""


@dataclass(frozen=True)
class RenewLate:
    """RENEWAL of expired subscriptions whose bit is set, with at most so many seats of each."""

    customer: int
    lines: int
    most: int
    injected: str = ""


@dataclass(frozen=True)
class Prefer:
    """PATCH of a subscription's renewal settings; `quantity` 0 is all seats, -1 not sent."""

    customer: int
    subscription: int
    enabled: bool
    quantity: int
    code: str = ""


@dataclass(frozen=True)
class Schedule:
    """POST of a subscription that starts with the next term."""

    customer: int
    good: int
    quantity: int


@dataclass(frozen=True)
class Use:
    """An operator notes how many seats of a subscription are in use, at most those it has."""

    customer: int
    subscription: int
    quantity: int


@dataclass(frozen=True)
class Commit:
    """A three-year commit, or with `again` a recommitment, is asked for."""

    customer: int
    licences: int
    consumables: int
    again: bool = False


@dataclass(frozen=True)
class Answer:
    """The customer accepts or declines what was asked for."""

    customer: int
    accepts: bool


@dataclass(frozen=True)
class Become:
    """An operator sets the status of the partner, a reseller or a customer."""

    who: str
    number: int
    status: str


@dataclass(frozen=True)
class Flags:
    """The partner's settings change."""

    relaxed: bool
    late_days: int
    blackout_hours: int


@dataclass(frozen=True)
class Mode:
    """Another settlement."""

    name: str
    delay_hours: int = 0


@dataclass(frozen=True)
class Settle:
    """Everything held settles."""


@dataclass(frozen=True)
class Wait:
    """The clock moves by seconds."""

    seconds: int


@dataclass(frozen=True)
class Meet:
    """The clock moves to so many seconds from the next anniversary of a customer."""

    customer: int
    offset: int


Step = (
    Enter | Buy | GiveBack | RenewLate | Prefer | Schedule | Use | Commit | Answer | Become
    | Flags | Mode | Settle | Wait | Meet
)  # fmt: skip


def opening(rng: Random) -> list[Step]:
    """The steps a world begins with."""
    return [_enter(rng) for _ in range(rng.choice((1, 2, 3)))]


def next_steps(rng: Random) -> list[Step]:
    """A random step, or now and then several that belong together."""
    chance = rng.random()
    if chance < 0.008:
        return _anniversary(rng)
    if chance < 0.02:
        return _committing(rng)
    if chance < 0.035:
        return _held(rng)
    kind = rng.choices(_KINDS, _WEIGHTS)[0]
    return [kind(rng)]


def _of(customer: int, steps: list[Step]) -> list[Step]:
    """The same steps, of one customer."""
    return [
        replace(one, customer=customer)
        if isinstance(one, Buy | GiveBack | RenewLate | Prefer | Schedule | Commit | Answer | Meet)
        else one
        for one in steps
    ]


def _committing(rng: Random) -> list[Step]:
    """A three-year commit from the request to the order that fills it."""
    licences = rng.choice((10, 20, 50))
    steps: list[Step] = [
        Commit(0, licences, rng.choice((0, 0, 1_000)), rng.random() < 0.3),
        _wait(rng),
        Answer(0, accepts=True),
        Buy(0, ((rng.randrange(6), licences),)),
    ]
    return _of(rng.randrange(3), steps)


def _held(rng: Random) -> list[Step]:
    """Several orders of a customer in flight at once, some giving back what was just bought."""
    kinds = (_buy, _give_back, _renew_late, _prefer)
    steps = [rng.choice(kinds)(rng) for _ in range(4)]
    again: list[Step] = [GiveBack(0, order, rng.choice((0, 1, 3))) for order in (0, 0, 1)]
    return _of(
        rng.randrange(3),
        [_buy(rng), Mode("manual"), *rng.choice((steps, again)), Settle(), Mode("immediate")],
    )


def _anniversary(rng: Random) -> list[Step]:
    """Settings and scheduled purchases shortly before an anniversary, renewals after it."""
    customer = rng.randrange(3)
    before = [rng.choice((_schedule, _prefer, _prefer, _buy))(rng) for _ in range(6)]
    after = [rng.choice((_renew_late, _renew_late, _give_back, _buy, _wait))(rng) for _ in range(4)]
    if rng.random() < 0.5:
        after = [Mode("manual"), *after, Settle(), Mode("immediate")]
    steps: list[Step] = [
        Meet(customer, -rng.randint(3, 30) * DAY),
        *before,
        Meet(customer, rng.choice((-1, 0, 1, DAY, 20 * DAY))),
        *after,
    ]
    return _of(customer, steps)


def _enter(rng: Random) -> Step:
    segment = rng.choices(("COM", "EDU", "GOV"), (8, 1, 1))[0]
    extended = rng.randint(13, 30) if rng.random() < 0.15 else 0
    is_global = segment == "COM" and rng.random() < 0.5
    return Enter(segment, rng.randrange(2), extended, is_global)


def _failure(rng: Random, status: str = "1004") -> str:
    return status if rng.random() < 0.04 else ""


def _buy(rng: Random) -> Step:
    lines = tuple(
        (rng.randrange(rng.choice((3, 12))), rng.choice(QUANTITIES))
        for _ in range(rng.choice((1, 1, 2, 3)))
    )
    code = rng.choice(CODES) if rng.random() < 0.15 else ""
    return Buy(rng.randrange(3), lines, code, rng.random() < 0.7, _failure(rng))


def _give_back(rng: Random) -> Step:
    lines = rng.choice((0, 0, 1, 2, 3))
    return GiveBack(rng.randrange(3), rng.choice((0, 0, 1, 2)), lines, _failure(rng))


def _renew_late(rng: Random) -> Step:
    most = rng.choice((1, 5, 10_000, 10_000))
    return RenewLate(rng.randrange(3), rng.randrange(8), most, _failure(rng))


def _prefer(rng: Random) -> Step:
    quantity = rng.choice((-1, -1, 0, 1, 5, 10, 50, 120))
    code = rng.choice(CODES) if rng.random() < 0.15 else ""
    return Prefer(rng.randrange(3), rng.randrange(6), rng.random() < 0.6, quantity, code)


def _schedule(rng: Random) -> Step:
    return Schedule(rng.randrange(3), rng.randrange(12), rng.choice((1, 5, 10, 60)))


def _use(rng: Random) -> Step:
    return Use(rng.randrange(3), rng.randrange(6), rng.choice(QUANTITIES))


def _commit(rng: Random) -> Step:
    licences = rng.choice((10, 10, 20, 50, 100))
    consumables = rng.choice((0, 0, 0, 1_000))
    return Commit(rng.randrange(3), licences, consumables, rng.random() < 0.4)


def _answer(rng: Random) -> Step:
    return Answer(rng.randrange(3), rng.random() < 0.85)


def _become(rng: Random) -> Step:
    """Mostly back to active, so that a world does not stand still."""
    who = rng.choices(("partner", "reseller", "customer"), (1, 2, 3))[0]
    status = "1000" if rng.random() < 0.75 else "1004"
    return Become(who, rng.randrange(3), status)


def _flags(rng: Random) -> Step:
    return Flags(rng.random() < 0.2, rng.choice((30, 30, 14)), rng.choice((0, 0, 24)))


def _mode(rng: Random) -> Step:
    name = rng.choices(("immediate", "manual", "delay"), (4, 1, 2))[0]
    return Mode(name, rng.choice((1, 24, 72)) if name == "delay" else 0)


def _settle(_: Random) -> Step:
    return Settle()


def _wait(rng: Random) -> Step:
    longest = rng.choice((3_600, DAY, 3 * DAY, 8 * DAY, 40 * DAY))
    return Wait(rng.randint(0, longest))


def _meet(rng: Random) -> Step:
    days = rng.choice((-31, -30, -10, -3, -1, 0, 0, 1, 14, 30, 31))
    return Meet(rng.randrange(3), days * DAY + rng.choice((-1, 0, 0, 1, 28_800)))


_CHOICES = (
    (_buy, 24), (_give_back, 10), (_renew_late, 6), (_prefer, 14), (_schedule, 5), (_use, 3),
    (_commit, 5), (_answer, 8), (_become, 4), (_mode, 4), (_settle, 5), (_wait, 18), (_meet, 2),
    (_enter, 0.2), (_flags, 0.5),
)  # fmt: skip
_KINDS = [kind for kind, _ in _CHOICES]
_WEIGHTS = [weight for _, weight in _CHOICES]
