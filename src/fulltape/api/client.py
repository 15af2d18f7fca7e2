"""One stream client: what it wants, and what waits to be sent to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from fulltape.api.access import ANYBODY, Grant
from fulltape.api.indicator_key import IndicatorKey
from fulltape.api.messages import CommitMessage
from fulltape.api.subscription import Wants

JOIN_FROM: Final = 8
"""When so many commits wait they go as one message, in which newer rows stand for older ones."""


class Client:
    """A bounded outbox between the hub and one socket. Used on the event loop only.

    `begin` starts to keep commits while what came before them is read; `go_on` puts that in front, and drops
    the commits that it already holds. Hence neither a hole nor a double. Status messages do not queue: the newest
    replaces one not yet sent.
    """

    def __init__(self, capacity: int, on_slow: Callable[[], None], grant: Grant = ANYBODY) -> None:
        self._capacity = capacity
        self._on_slow = on_slow
        self._holds = grant.holds
        self._outbox: deque[str | CommitMessage] = deque()
        self._status: str | None = None
        self._wants: Wants | None = None
        self._handled = 0
        self._is_held = False
        self._woken = asyncio.Event()
        self.who = grant.who
        self.is_slow = False
        self.is_revoked = False

    @property
    def indicators(self) -> tuple[IndicatorKey, ...]:
        """Which indicators it follows."""
        return self._wants.indicators if self._wants is not None else ()

    def begin(self, wants: Wants) -> None:
        """Forget the subscription before, and keep commits for this one without sending them yet."""
        self._wants = wants
        self._is_held = True
        self._outbox = deque(item for item in self._outbox if isinstance(item, str))

    def go_on(self, handled: int, texts: Iterable[str], status: str) -> None:
        """Send ``texts``, which hold everything up to commit ``handled``, the status, then the commits kept."""
        self._handled = handled
        self._is_held = False
        self._outbox.extendleft(reversed([*texts, status]))
        self._woken.set()

    def stop(self) -> None:
        """End the subscription; the client may ask again."""
        self._wants = None
        self._is_held = False
        self._outbox = deque(item for item in self._outbox if isinstance(item, str))
        self._woken.set()

    def offer(self, item: str | CommitMessage) -> None:
        """Queue a commit, or a message; a client without room is marked as slow and gets no more."""
        if self.is_slow or (self._wants is None and not isinstance(item, str)):
            return
        if len(self._outbox) >= self._capacity:
            self.fall_behind()
            return
        self._outbox.append(item)
        self._woken.set()

    def offer_status(self, text: str) -> None:
        """Send this status next unless a newer one comes first."""
        if self._wants is not None:
            self._status = text
            self._woken.set()

    def fall_behind(self) -> None:
        """Give up on a client that cannot get every commit; its sender closes the connection."""
        if not self.is_slow:
            self.is_slow = True
            self._outbox.clear()
            self._woken.set()
            self._on_slow()

    def check(self) -> None:
        """Give up on a client whose token has been revoked since it came."""
        if not self.is_slow and not self._holds():
            self.is_revoked = True
            self.fall_behind()

    async def next_text(self) -> str | None:
        """Wait for the next message to send; None when the client has become too slow, or may hear no more."""
        while not self.is_slow:
            text = self._take()
            if text is not None:
                return text
            self._woken.clear()
            await self._woken.wait()
        return None

    def _take(self) -> str | None:
        if self._is_held:
            return None
        while self._outbox:
            item = self._outbox.popleft()
            text = item if isinstance(item, str) else self._text([item, *self._behind()])
            if text is not None:
                return text
        text, self._status = self._status, None
        return text

    def _behind(self) -> list[CommitMessage]:
        """Take the commits that wait behind the one that was taken, if they are many."""
        behind: list[CommitMessage] = []
        if len(self._outbox) >= JOIN_FROM:
            while self._outbox and not isinstance(item := self._outbox[0], str):
                behind.append(item)
                self._outbox.popleft()
        return behind

    def _text(self, messages: list[CommitMessage]) -> str | None:
        messages = [message for message in messages if message.number > self._handled]
        if self._wants is None or not messages:
            return None
        self._handled = messages[-1].number
        if len(messages) == 1:
            return messages[0].text(self._wants)
        return CommitMessage.joined(messages, self._wants)
