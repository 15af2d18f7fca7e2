"""How long trades take to us and frames wait for their commit, and how far the venue's clock is from ours.

Only the difference of two clocks can be observed: ingest time less event time. What all trades share of it is called
clock skew, what they have beyond that, delay. So a venue whose clock is minutes off brings no late trade.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.records import Array, Batch, Origin
from fulltape.records.frames import Chunk, Connection, Item
from fulltape.records.status import Delay, Wait

WINDOW_NS: Final = 60 * SECOND_NS
"""Trades that came within so long count."""
FLOOR_PERCENT: Final = 1.0
"""The percentile that is taken for what all trades share: the smallest value, but for a few that are odd."""

_SAMPLES: Final = 64  # of one batch or chunk


class Delays:
    """Keeps what was observed of each connection. One thread notes, any may ask."""

    def __init__(self) -> None:
        self._noted: dict[str, tuple[str, deque[tuple[int, Array]]]] = {}

    def note(self, connection: Connection, trades: Batch) -> None:
        """Observe trades; those that the venue sent as a snapshot are older than their way to us."""
        sample = trades.take(slice(None, None, len(trades) // _SAMPLES + 1))
        sample = sample.take(sample["origin"] != Origin.SNAPSHOT)
        if not len(sample):
            return
        _, window = self._noted.setdefault(connection.name, (connection.venue, deque()))
        newest = int(sample["ingest_time"].max())
        window.append((newest, sample["ingest_time"] - sample["event_time"]))
        while window[0][0] < newest - WINDOW_NS:
            window.popleft()

    def told(self) -> tuple[Delay, ...]:
        """Return what the last minute of each connection's trades tells, by connection."""
        return tuple(
            _delay(name, venue, np.concatenate([delays for _, delays in list(window)]) / SECOND_NS)
            for name, (venue, window) in sorted(list(self._noted.items()))
        )


class CommitWaits:
    """Keeps how long frames waited for their commit. One thread notes, any may ask."""

    def __init__(self) -> None:
        self._window: deque[tuple[int, Array]] = deque()

    def note(self, committed: int, ingest_times: Sequence[int]) -> None:
        """Observe a commit that was stored at ``committed`` (ns), with some of the times at which its frames came."""
        if len(ingest_times):
            self._window.append((committed, committed - np.asarray(ingest_times)))
        while self._window and self._window[0][0] < committed - WINDOW_NS:
            self._window.popleft()

    def told(self) -> Wait | None:
        """Return what the last minute tells, None if it had no frame."""
        waits = [waits for _, waits in list(self._window)]
        if not waits:
            return None
        p50, p99 = (np.percentile(np.concatenate(waits), (50.0, 99.0)) / SECOND_NS).tolist()
        return Wait(p50, p99)


def sampled(items: Iterable[Item]) -> list[int]:
    """Return when frames came, some of each chunk."""
    chunks = (item.ingest_times for item in items if isinstance(item, Chunk))
    return [time for times in chunks for time in times[:: len(times) // _SAMPLES + 1]]


def _delay(connection: str, venue: str, seconds: Array) -> Delay:
    floor, p50, p99 = np.percentile(seconds, (FLOOR_PERCENT, 50.0, 99.0)).tolist()
    return Delay(connection=connection, venue=venue, clock_skew_s=floor, p50_s=p50 - floor, p99_s=p99 - floor)
