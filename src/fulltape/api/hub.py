"""The hub: reads the bus once for all stream clients."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np

from fulltape.api.answers import Answers
from fulltape.api.backend import Backend
from fulltape.api.catalogue import Catalogue
from fulltape.api.client import Client
from fulltape.api.config import ApiConfig
from fulltape.api.live_indicators import LiveIndicators
from fulltape.api.messages import CommitMessage, Text, status_text
from fulltape.api.wire import encode_status
from fulltape.bus.base import Overflow, Subscription
from fulltape.records.status import Wait

_CAPACITY = 1_024
"""Commits that may wait for the hub itself; it never waits for a client, so only a stalled event loop fills it."""

_WAITS = 4_096
"""Of how many messages to clients it is known how long they took."""

_log = logging.getLogger(__name__)


class Hub:
    """Hands commits and, once a second, the status to every client. Used on the event loop only."""

    def __init__(
        self,
        backend: Backend,
        catalogue: Catalogue,
        config: ApiConfig,
        answers: Answers,
        indicators: LiveIndicators,
    ) -> None:
        self._backend = backend
        self.indicators = indicators
        self._answers = answers
        self._catalogue = catalogue
        self._config = config
        self.clients: set[Client] = set()
        self.error = ""
        """Why the stream has stopped, or empty."""
        self.dropped = 0
        """Clients closed because they read too slowly."""
        self.refused = 0
        """Clients turned away because there were too many."""
        self.messages = 0
        """Messages sent."""
        self.bytes = 0
        """Characters sent, which are bytes as long as venues name instruments in ASCII."""
        self._waits: deque[float] = deque(maxlen=_WAITS)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the bus while the block runs."""
        tasks = [asyncio.create_task(self._follow(self._subscribe())), asyncio.create_task(self._tick())]
        for task in tasks:
            task.add_done_callback(self._report)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def turns_away(self, who: str) -> bool:
        """Return whether there is no room for another client, of anybody or of one who has many; count it if so."""
        is_full = len(self.clients) >= self._config.max_clients
        has_many = who != "" and sum(one.who == who for one in self.clients) >= self._config.max_clients_each
        self.refused += is_full or has_many
        return is_full or has_many

    def note_sent(self, text: str) -> None:
        """Count a message that a socket has taken, and how long its commit waited for that."""
        self.messages += 1
        self.bytes += len(text)
        if isinstance(text, Text) and text.commit_at is not None:
            self._waits.append(asyncio.get_running_loop().time() - text.commit_at)

    def client_wait(self) -> Wait | None:
        """Return how long the last commits took from their publication to a client's socket."""
        if not self._waits:
            return None
        return Wait(*np.percentile(self._waits, (50.0, 99.0)).tolist())

    def status_text(self) -> str:
        """Return the status message of this moment."""
        return status_text(encode_status(self._backend.status()))

    def _subscribe(self) -> Subscription:
        return self._backend.bus.subscribe(capacity=_CAPACITY, overflow=Overflow.CLOSE)

    async def _follow(self, subscription: Subscription) -> None:
        try:
            while True:
                async for commit in subscription:
                    self._answers.note(commit)
                    message = CommitMessage(commit, self._catalogue.table(), asyncio.get_running_loop().time())
                    self.indicators.take(message)
                    for client in self.clients:
                        client.offer(message)
                if not subscription.dropped:
                    return
                # Commits were lost on the way to the hub: every client has a hole and must resume.
                subscription = self._subscribe()
                self._answers.clear()
                self.indicators.keep_only(())
                for client in tuple(self.clients):
                    client.fall_behind()
        finally:
            subscription.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._config.status_every_s)
            self.indicators.keep_only(key for client in self.clients for key in client.indicators)
            for client in tuple(self.clients):
                client.check()
            if self.clients:
                text = self.status_text()
                for client in self.clients:
                    client.offer_status(text)

    def _report(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.error = repr(error)
            self._answers.stop()
            _log.critical("the stream has stopped", exc_info=error)
