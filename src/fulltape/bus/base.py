"""The contract of a bus: what is committed goes out to whoever listens, in order.

Every subscription is bounded and says what happens when its reader is too slow.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from typing import Protocol

from fulltape.records import Commit


class Overflow(enum.Enum):
    """What a full subscription does with the next commit."""

    BLOCK = "block"  # the publisher waits: nothing is lost
    DROP_OLDEST = "drop_oldest"  # the oldest waiting commit goes, and is counted
    CLOSE = "close"  # the subscription ends and its reader is told: it resumes by commit number


class Subscription(Protocol):
    """Commits for one reader, in order of their numbers."""

    dropped: int
    """How many commits this reader did not get."""

    def __aiter__(self) -> AsyncIterator[Commit]:
        """Iterate until the subscription or the bus is closed."""
        ...

    def close(self) -> None:
        """Stop receiving."""
        ...


class Bus(Protocol):
    """Publishes commits to subscriptions."""

    async def publish(self, commit: Commit) -> None:
        """Hand a commit to every subscription; waits only for those that block."""
        ...

    def subscribe(self, *, capacity: int, overflow: Overflow) -> Subscription:
        """Receive every commit published from now on."""
        ...

    def since(self, number: int) -> list[Commit] | None:
        """Return the commits after ``number`` that are still in memory, or None if some are gone."""
        ...

    async def close(self) -> None:
        """End every subscription after what is waiting has been read."""
        ...
