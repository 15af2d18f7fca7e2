"""How a feed stands: its light on the dashboard, and what of it is stale."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fulltape.clock import SECOND_NS, Clock
from fulltape.records.status import FeedState, FeedStatus
from fulltape.venues.base import Subscription, VenueSpec

_log = logging.getLogger(__name__)
_LEVELS: Final = {
    FeedState.CONNECTING: logging.INFO,
    FeedState.LIVE: logging.INFO,
    FeedState.STALE: logging.WARNING,
    FeedState.DOWN: logging.WARNING,
    FeedState.REFUSED: logging.ERROR,
}


@dataclass(slots=True)
class Traffic:
    """What came over all connections of a feed. ``last_ingest`` is the time of the newest message (ns)."""

    frames: int = 0
    bytes: int = 0
    last_ingest: int | None = None


class Standing:
    """The state of one feed, with why and since when (ns); every change of state is logged."""

    def __init__(self, name: str, url: str, spec: VenueSpec, clock: Clock) -> None:
        self.state = FeedState.CONNECTING
        self.detail = "not started"
        self.simulated = False
        self.reconnects = 0
        self.traffic = Traffic()
        self._name = name
        self._url = url
        self._spec = spec
        self._clock = clock
        self._since = clock.now_ns()
        self._seen: dict[str, int] = {}

    def enter(self, state: FeedState, detail: str) -> None:
        """Stand so from now on."""
        if state is not self.state:
            self._since = self._clock.now_ns()
            _log.log(_LEVELS[state], "%s: %s %s", self._name, state, detail)
        self.state, self.detail = state, detail

    def seen(self, ingest_times: Mapping[str, int]) -> None:
        """Note when the newest record of each venue symbol came (ns)."""
        self._seen.update(ingest_times)

    def status(
        self, subscription: Subscription, id_of: Callable[[str], str], credits_left: int | None = None
    ) -> FeedStatus:
        """Return how the feed of a subscription stands now."""
        now_ns, last = self._clock.now_ns(), self.traffic.last_ingest
        stale = [symbol for symbol in subscription.symbols if self._is_stale(symbol, now_ns)]
        return FeedStatus(
            name=self._name,
            venue=self._spec.name,
            url=self._url,
            state=self.state,
            detail=self.detail,
            simulated=self.simulated,
            since=self._since,
            frames=self.traffic.frames,
            bytes=self.traffic.bytes,
            reconnects=self.reconnects,
            last_frame_age_s=None if last is None else (now_ns - last) / SECOND_NS,
            channels=tuple(subscription.channels),
            instruments=tuple(map(id_of, subscription.symbols)),
            stale_instruments=tuple(map(id_of, stale)),
            credits_left=credits_left,
        )

    def _is_stale(self, symbol: str, now_ns: int) -> bool:
        if self.state is not FeedState.LIVE:
            return False
        last = max(self._seen.get(symbol, 0), self._since)
        return now_ns - last >= self._spec.stale_s * SECOND_NS
