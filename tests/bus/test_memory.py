"""The bus inside one process."""

from __future__ import annotations

import pytest
from tests.conformance.bus import BusConformance, publish
from tests.conformance.samples import commit, trade

from fulltape.bus.memory import MemoryBus


@pytest.fixture
def bus() -> MemoryBus:
    """Return an empty bus."""
    return MemoryBus(keep_commits=10)


class TestMemoryBus(BusConformance):
    """Every case of the bus suite."""


async def test_it_remembers_so_many_commits() -> None:
    bus = MemoryBus(keep_commits=2)
    await publish(bus, 1, 2, 3)
    assert bus.since(0) is None
    assert [one.number for one in bus.since(1) or []] == [2, 3]


async def test_it_remembers_so_many_records_but_always_the_newest_commit() -> None:
    bus = MemoryBus(keep_records=3)
    await bus.publish(commit(1, trade(1), trade(2)))
    await bus.publish(commit(2, trade(3)))
    assert [one.number for one in bus.since(0) or []] == [1, 2]
    await bus.publish(commit(3, *[trade(i) for i in range(9)]))
    assert bus.since(1) is None
    assert [one.number for one in bus.since(2) or []] == [3]


async def test_numbers_must_follow_each_other(bus: MemoryBus) -> None:
    await publish(bus, 4)
    for number in (3, 4, 6):
        with pytest.raises(ValueError, match=f"commit {number} was published after commit 4"):
            await publish(bus, number)
