"""What every bus does, in numbered cases. A backend's test subclasses `BusConformance`.

The subclass gives a fixture ``bus``: an empty, open bus that remembers at least the last 10 commits.
"""

from __future__ import annotations

import asyncio

import pytest
from tests.conformance.samples import commit

from fulltape.bus.base import Bus, Overflow, Subscription

POLICIES = list(Overflow)


async def publish(bus: Bus, *numbers: int) -> None:
    """Publish empty commits."""
    for number in numbers:
        await bus.publish(commit(number))


async def rest(subscription: Subscription) -> list[int]:
    """Return the numbers of everything that still comes until the subscription ends."""
    return [received.number async for received in subscription]


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(10):
        await asyncio.sleep(0)


class BusConformance:
    """Cases B-01 to B-14."""

    async def test_b01_commits_come_in_order_and_whole(self, bus: Bus) -> None:
        subscription = bus.subscribe(capacity=10, overflow=Overflow.BLOCK)
        sent = [commit(number) for number in range(1, 6)]
        for one in sent:
            await bus.publish(one)
        await bus.close()
        assert [received async for received in subscription] == sent
        assert subscription.dropped == 0

    async def test_b02_every_subscription_gets_every_commit(self, bus: Bus) -> None:
        subscriptions = [bus.subscribe(capacity=10, overflow=policy) for policy in POLICIES]
        await publish(bus, 1, 2, 3)
        await bus.close()
        assert [await rest(one) for one in subscriptions] == [[1, 2, 3]] * 3

    async def test_b03_a_subscription_begins_with_the_next_commit(self, bus: Bus) -> None:
        await publish(bus, 1, 2)
        subscription = bus.subscribe(capacity=10, overflow=Overflow.BLOCK)
        await publish(bus, 3)
        await bus.close()
        assert await rest(subscription) == [3]

    async def test_b04_block_makes_the_publisher_wait_and_loses_nothing(self, bus: Bus) -> None:
        subscription = bus.subscribe(capacity=2, overflow=Overflow.BLOCK)
        publisher = asyncio.create_task(publish(bus, 1, 2, 3, 4, 5))
        await settle()
        assert not publisher.done()
        received = [(await anext(aiter(subscription))).number for _ in range(5)]
        await publisher
        assert received == [1, 2, 3, 4, 5]
        assert subscription.dropped == 0

    async def test_b05_drop_oldest_counts_what_it_drops(self, bus: Bus) -> None:
        subscription = bus.subscribe(capacity=2, overflow=Overflow.DROP_OLDEST)
        await publish(bus, 1, 2, 3, 4, 5)
        await bus.close()
        assert await rest(subscription) == [4, 5]
        assert subscription.dropped == 3

    async def test_b06_close_ends_after_an_unbroken_run(self, bus: Bus) -> None:
        subscription = bus.subscribe(capacity=2, overflow=Overflow.CLOSE)
        await publish(bus, 1, 2, 3, 4)
        assert await rest(subscription) == [1, 2]
        assert subscription.dropped == 1

    async def test_b07_a_reader_that_waits_is_woken(self, bus: Bus) -> None:
        subscription = bus.subscribe(capacity=2, overflow=Overflow.CLOSE)
        reader = asyncio.create_task(rest(subscription))
        await settle()
        await publish(bus, 1)
        await settle()
        await publish(bus, 2)
        await bus.close()
        assert await reader == [1, 2]

    async def test_b08_a_slow_reader_holds_up_no_other(self, bus: Bus) -> None:
        slow = bus.subscribe(capacity=1, overflow=Overflow.BLOCK)
        quick = bus.subscribe(capacity=10, overflow=Overflow.DROP_OLDEST)
        publisher = asyncio.create_task(publish(bus, 1, 2))
        await settle()
        assert [(await anext(aiter(quick))).number for _ in range(2)] == [1, 2]
        assert not publisher.done()
        slow.close()
        await publisher

    async def test_b09_a_closed_subscription_gets_nothing_more(self, bus: Bus) -> None:
        subscription = bus.subscribe(capacity=1, overflow=Overflow.BLOCK)
        await publish(bus, 1)
        subscription.close()
        subscription.close()
        await publish(bus, 2, 3)
        assert await rest(subscription) == []

    async def test_b10_what_waits_is_read_after_the_bus_closed(self, bus: Bus) -> None:
        subscription = bus.subscribe(capacity=3, overflow=Overflow.DROP_OLDEST)
        await publish(bus, 1, 2)
        await bus.close()
        assert await rest(subscription) == [1, 2]
        assert await rest(bus.subscribe(capacity=1, overflow=Overflow.BLOCK)) == []

    async def test_b11_since_returns_what_came_after_a_number(self, bus: Bus) -> None:
        await publish(bus, *range(5, 10))
        for number in range(4, 12):
            found = bus.since(number)
            assert found is not None
            assert [one.number for one in found] == list(range(number + 1, 10))

    async def test_b12_since_knows_what_it_no_longer_has(self, bus: Bus) -> None:
        assert bus.since(0) is None
        await publish(bus, 5, 6)
        assert bus.since(3) is None

    async def test_b13_since_and_a_subscription_leave_no_hole(self, bus: Bus) -> None:
        await publish(bus, 1, 2, 3)
        subscription = bus.subscribe(capacity=10, overflow=Overflow.CLOSE)
        past = bus.since(1)
        await publish(bus, 4, 5)
        await bus.close()
        assert past is not None
        assert [one.number for one in past] + await rest(subscription) == [2, 3, 4, 5]

    @pytest.mark.parametrize("policy", POLICIES)
    async def test_b14_a_subscription_needs_room(self, bus: Bus, policy: Overflow) -> None:
        with pytest.raises(ValueError, match="at least one"):
            bus.subscribe(capacity=0, overflow=policy)
