"""Two hundred random worlds, most of them two years long, with every invariant looked at always."""

import pytest

from tests.simulation.histories import days_of, failure, life, relive, shortest

SEEDS = 200
CHUNK = 10


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_seed_breaks_anything(first: int) -> None:
    found = [told for seed in range(first, first + CHUNK) if (told := failure(seed))]
    assert not found, "\n\n".join(found)


def test_a_seed_makes_one_history_and_its_steps_make_it_again() -> None:
    lived = life(7, days_of(7))
    assert len(lived.steps) > 20
    assert life(7, days_of(7)) == lived
    assert relive(lived.start, lived.steps) == lived


def test_a_history_that_breaks_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a rule spoilt: returns that take nothing away."""
    monkeypatch.setattr("seatledger.domain.fulfilment._shrunk", lambda seats, _: seats)
    lived = life(0, days_of(0))
    assert "Broken" in lived.broken
    found = shortest(lived)
    assert "Broken" in found.broken
    assert [type(one).__name__ for one in found.steps] == ["Enter", "Buy", "GiveBack"]
