"""Kill after kill under load; after each, everything acknowledged is counted again from outside."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import httpx

from tests.crash.recount import prove
from tests.crash.stage import VICTIMS, Stage, new_worlds, open_clients
from tests.crash.traffic import Traffic

CLIENTS = 6
_MODES = ("auto", "immediate")  # settled by the workers, or by the calls themselves
_MOST_BEFORE = 40  # answers before a kill
_AFTER = 12  # answers after it
_MOST_LATER_SECONDS = 0.05  # so that kills do not only follow answers


@dataclass
class Tally:
    """What was killed, acknowledged and repeated so far."""

    killed: Counter[str] = field(default_factory=Counter)
    acknowledged: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    def __str__(self) -> str:
        """In one line."""
        kills = ", ".join(f"{victim} {self.killed[victim]}" for victim in self.killed)
        done = self.acknowledged
        return (
            f"{self.killed.total()} kills ({kills}); acknowledged {done['NEW']} orders, "
            f"{done['RETURN']} returns, {done['PATCH']} settings; {self.lost} answers lost and "
            "repeated; 0 lost, 0 doubled, invariants clean"
        )


async def kill_and_recount(
    stage: Stage, kills: int, random: Random, told: Callable[[int, str], None]
) -> Tally:
    """Kill every victim in turn at random moments and prove after each that nothing was lost.

    `told` hears of each kill, before it happens, its number and its victim. Raises AssertionError
    for anything lost, doubled or half done.
    """
    tally = Tally()
    async with open_clients(stage.addresses) as clients:
        for number in range(kills):
            victim = VICTIMS[number % len(VICTIMS)]
            told(number + 1, victim)
            worlds = await new_worlds(clients)
            mode = _MODES[number // len(VICTIMS) % len(_MODES)]
            traffic = await Traffic.prepare(worlds, mode, random)
            try:
                await _work_and_kill(stage, traffic, victim, random)
                await prove(traffic, stage.database_url)
            except* httpx.TransportError as gone:
                raise AssertionError(f"a server is gone\n{stage.last_words()}") from gone
            tally.killed[victim] += 1
            tally.acknowledged.update(one.kind for one in traffic.intents)
            tally.lost += traffic.lost
    stage.check()
    assert tally.lost, "they were killed in the middle of work"
    return tally


async def _work_and_kill(stage: Stage, traffic: Traffic, victim: str, random: Random) -> None:
    async with traffic.running(CLIENTS):
        await traffic.has_answered(random.randint(1, _MOST_BEFORE))
        await asyncio.sleep(random.uniform(0, _MOST_LATER_SECONDS))
        await stage.kill(victim, random)
        await traffic.has_answered(_AFTER)
