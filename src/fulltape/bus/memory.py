"""The bus inside one process.

It belongs to one event loop: every call is made on the loop's thread, and a `since` followed by a `subscribe` without
an await between them misses nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from fulltape.bus.base import Overflow
from fulltape.records import Commit


class MemorySubscription:
    """Commits for one reader. One task iterates it.

    A subscription that overflowed under `Overflow.CLOSE` ends after the commits that were waiting, which follow each
    other without a hole, and its ``dropped`` is 1: that is how its reader is told.
    """

    def __init__(self, capacity: int, overflow: Overflow, on_close: Callable[[MemorySubscription], None]) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._overflow = overflow
        self._on_close = on_close
        self._waiting: deque[Commit] = deque()
        self._is_closed = False
        self._changed = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[Commit]:
        """Iterate until the subscription or the bus is closed."""
        return self

    async def __anext__(self) -> Commit:
        """Return the next commit."""
        while not self._waiting:
            if self._is_closed:
                raise StopAsyncIteration
            await self._change()
        commit = self._waiting.popleft()
        self._changed.set()
        return commit

    def close(self) -> None:
        """Stop receiving; what is waiting is let go."""
        self._waiting.clear()
        self.finish()

    def finish(self) -> None:
        """End after what is waiting has been read."""
        self._is_closed = True
        self._changed.set()
        self._on_close(self)

    def offer(self, commit: Commit) -> bool:
        """Take a commit if the policy allows that now; False means that the publisher must wait."""
        if len(self._waiting) >= self._capacity and not self._is_closed:
            if self._overflow is Overflow.BLOCK:
                return False
            self.dropped += 1
            if self._overflow is Overflow.DROP_OLDEST:
                self._waiting.popleft()
            else:
                self.finish()
        if not self._is_closed:
            self._waiting.append(commit)
            self._changed.set()
        return True

    async def put(self, commit: Commit) -> None:
        """Take a commit as soon as the policy allows."""
        while not self.offer(commit):
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()


class MemoryBus:
    """Publishes commits inside one process and remembers the newest ones.

    It keeps at most ``keep_commits`` commits and, the newest one aside, ``keep_records`` records.
    """

    def __init__(self, *, keep_commits: int = 1_000, keep_records: int = 200_000) -> None:
        self._keep_commits = keep_commits
        self._keep_records = keep_records
        self._recent: deque[Commit] = deque()
        self._records = 0
        self._subscriptions: set[MemorySubscription] = set()
        self._is_closed = False

    async def publish(self, commit: Commit) -> None:
        """Hand a commit to every subscription; waits only for those that block.

        One publisher at a time. Raises ValueError if the number does not follow the last one's.
        """
        if self._recent and commit.number != self._recent[-1].number + 1:
            raise ValueError(f"commit {commit.number} was published after commit {self._recent[-1].number}")
        self._remember(commit)
        blocked = [subscription for subscription in tuple(self._subscriptions) if not subscription.offer(commit)]
        for subscription in blocked:
            await subscription.put(commit)

    def subscribe(self, *, capacity: int, overflow: Overflow) -> MemorySubscription:
        """Receive every commit published from now on; ``capacity`` is in commits, at least 1."""
        if capacity < 1:
            raise ValueError(f"a subscription needs room for at least one commit, not {capacity}")
        subscription = MemorySubscription(capacity, overflow, self._subscriptions.discard)
        if self._is_closed:
            subscription.finish()
        else:
            self._subscriptions.add(subscription)
        return subscription

    def since(self, number: int) -> list[Commit] | None:
        """Return the commits after ``number``, or None if not all of them are in memory."""
        if not self._recent or number < self._recent[0].number - 1:
            return None
        return [commit for commit in self._recent if commit.number > number]

    async def close(self) -> None:
        """End every subscription after what is waiting has been read."""
        self._is_closed = True
        for subscription in tuple(self._subscriptions):
            subscription.finish()

    def _remember(self, commit: Commit) -> None:
        self._recent.append(commit)
        self._records += _records(commit)
        while len(self._recent) > 1 and (len(self._recent) > self._keep_commits or self._records > self._keep_records):
            self._records -= _records(self._recent.popleft())


def _records(commit: Commit) -> int:
    return sum(len(batch) for batch in commit.batches.values())
