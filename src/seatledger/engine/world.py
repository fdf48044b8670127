"""A partner's world as calls see it: contract, business clock, catalogue, settlement."""

from datetime import UTC, datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from seatledger.clock import RealClock
from seatledger.domain.calendar import LATEST
from seatledger.domain.catalog import Catalog
from seatledger.domain.catalog_file import read_catalog
from seatledger.domain.closed_codes import in_world
from seatledger.domain.discount_file import read_discounts
from seatledger.domain.discounts import FlexDiscounts
from seatledger.domain.effects import Rules
from seatledger.domain.model import Partner
from seatledger.store import discounts, partners
from seatledger.store.partners import WorldRow
from seatledger.store.rows import AnyConnection, AnyPool

KEPT_SECONDS = 5.0  # how long a production process may act on a contract changed elsewhere
MOST_WORLDS = 10_000  # kept by a process; those read longest ago make room


class World(Struct, frozen=True):
    """One version of a partner's world."""

    row: WorldRow
    catalog: Catalog
    discounts: FlexDiscounts

    @property
    def partner(self) -> Partner:
        """Contract fields, settings and quirks."""
        return self.row.doc

    @property
    def partner_id(self) -> str:
        """The tenant."""
        return self.row.partner_id

    @property
    def rules(self) -> Rules:
        """What its orders are carried out by."""
        return Rules(self.row.doc, self.catalog, self.discounts)

    def now(self, real: datetime) -> datetime:
        """The business instant at a real one, in whole seconds (platform.md 10)."""
        return business_now(self.row, real)

    def with_settlement(self, mode: str, delay_seconds: int) -> "World":
        """The world where accepted work settles in this mode."""
        row = replace(self.row, settlement_mode=mode, settlement_delay=delay_seconds)
        return replace(self, row=row)

    def settles_at(self, now: datetime) -> datetime | None:
        """When work accepted at `now` may settle; None while settlement is manual."""
        if self.row.settlement_mode == "manual":
            return None
        if self.row.settlement_mode == "delay":
            return now + timedelta(seconds=self.row.settlement_delay)
        return now

    @property
    def settles_at_once(self) -> bool:
        """Whether accepted work is settled before the answer goes out (sandbox.md 5.2)."""
        return self.row.settlement_mode == "immediate"

    @property
    def is_settled_by_callers(self) -> bool:
        """Whether a call that makes work due, by accepting it or by moving a clock that stands,
        settles it as well."""
        stands_still = self.row.settlement_mode == "delay" and self.row.clock_mode == "frozen"
        return self.settles_at_once or stands_still


def business_now(row: WorldRow, real: datetime) -> datetime:
    """What the partner's clock shows at a real instant, in whole seconds."""
    return exact_now(row, real).replace(microsecond=0)


def exact_now(row: WorldRow, real: datetime) -> datetime:
    """The partner's clock: real time, a frozen instant, or one running from an instant.

    One that runs stands still where dates end, and never shows less than what it was set to.
    """
    if row.clock_mode == "system":
        instant = real
    elif row.clock_mode == "frozen":
        instant = row.clock_at
    else:
        elapsed = (real - row.clock_real).total_seconds() * row.clock_rate
        left = (LATEST - row.clock_at).total_seconds()
        instant = row.clock_at + timedelta(seconds=min(max(0.0, elapsed), left))
    return instant.astimezone(UTC)


class Worlds:
    """The worlds this process knows. A row's version tells whether what is kept still holds."""

    def __init__(self, pool: AnyPool, clock: RealClock, *, always_current: bool) -> None:
        self._pool = pool
        self._clock = clock
        self._always_current = always_current
        self._worlds: dict[str, World] = {}
        self._seen: dict[str, float] = {}
        self._catalogs: dict[int, Catalog] = {}
        self._discounts: dict[int, FlexDiscounts] = {}

    async def get(self, partner_id: str) -> World | None:
        """The world as this process knows it; None if unknown.

        In a sandbox that is the world as it is now, because its caller may just have changed it
        through another process. In production what is kept may be a few seconds old: contracts
        change rarely, and every write looks at the version itself.
        """
        kept = self._worlds.get(partner_id)
        if kept is not None and not self._always_current and self._is_fresh(partner_id):
            return kept
        async with self._pool.acquire() as connection:
            return await self.current(partner_id, connection)

    def _is_fresh(self, partner_id: str) -> bool:
        return self._clock.monotonic() - self._seen[partner_id] < KEPT_SECONDS

    def kept(self, partner_id: str) -> World | None:
        """The world as this process last saw it, for a path that checks the version itself."""
        return self._worlds.get(partner_id)

    async def current(self, partner_id: str, connection: AnyConnection) -> World | None:
        """The world as the database has it now."""
        kept = self._worlds.get(partner_id)
        version = await partners.version_of(connection, partner_id)
        if kept is not None and kept.row.version == version:
            self._seen[partner_id] = self._clock.monotonic()
            return kept
        return await self.refresh(partner_id, connection)

    async def refresh(
        self, partner_id: str, connection: AnyConnection | None = None
    ) -> World | None:
        """Read the world anew."""
        if connection is None:
            async with self._pool.acquire() as own:
                return await self.refresh(partner_id, own)
        row = await partners.load(connection, partner_id)
        if row is None:
            self._drop(partner_id)
            return None
        world = World(
            row,
            await self._catalog(connection, row.catalog_version),
            await self._own_discounts(connection, row),
        )
        self._drop(partner_id)  # so that the order of the worlds is that of their reading
        if len(self._worlds) >= MOST_WORLDS:
            self._drop(next(iter(self._worlds)))
        self._worlds[partner_id] = world
        self._seen[partner_id] = self._clock.monotonic()
        return world

    def _drop(self, partner_id: str) -> None:
        self._worlds.pop(partner_id, None)
        self._seen.pop(partner_id, None)

    def now(self, world: World) -> datetime:
        """The business instant of a world."""
        return world.now(self._clock.now())

    async def _catalog(self, connection: AnyConnection, version: int) -> Catalog:
        if version not in self._catalogs:
            text = await partners.data_set(connection, version)
            used = {one.row.catalog_version for one in self._worlds.values()}
            self._catalogs = {one: self._catalogs[one] for one in used & self._catalogs.keys()}
            self._catalogs[version] = read_catalog(text).catalog
        return self._catalogs[version]

    async def _own_discounts(self, connection: AnyConnection, row: WorldRow) -> FlexDiscounts:
        """The loaded discounts as the partner has them, with those it made itself."""
        loaded = await self._flex_discounts(connection, row.discounts_version)
        own: frozenset[str] = frozenset()
        if loaded.bound_customers:
            own = await discounts.own_customers(connection, row.partner_id, loaded.bound_customers)
        return in_world(loaded, row.discount_ends, row.closed_codes, own)

    async def _flex_discounts(self, connection: AnyConnection, version: int) -> FlexDiscounts:
        if version not in self._discounts:
            text = await partners.data_set(connection, version)
            used = {one.row.discounts_version for one in self._worlds.values()}
            self._discounts = {one: self._discounts[one] for one in used & self._discounts.keys()}
            self._discounts[version] = read_discounts(text)
        return self._discounts[version]
