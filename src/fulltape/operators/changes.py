"""Changes over time: percent against the price at or before (now - period), by a small memory of prices.

The memory of a period holds the last tick of each sixtieth of it: of each second for `change_1m`, of each minute for
`change_1h`, of every 12 hours for `change_30d`. The reference is the newest of them at or before (now - period); there
is no change where that one is older than twice the period. So the reference is at most a sixtieth of the period older
than the last price back then, unless nobody traded, and the memories of all periods take 8 KB an instrument.

"Now" is the event time of the tick that a row tells of. Ticks come at most about once a second from
`fulltape.operators.ticks`, in order of time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.kernel import kernel
from fulltape.operators.base import Step
from fulltape.operators.state import KernelState
from fulltape.records import STATS, TICK_STATS, Array, Batch

PERIODS_S: Final = {
    "change_1m": 60,
    "change_5m": 300,
    "change_15m": 900,
    "change_1h": 3_600,
    "change_4h": 4 * 3_600,
    "change_1d": 86_400,
    "change_7d": 7 * 86_400,
    "change_30d": 30 * 86_400,
}
PARTS: Final = 60
"""Into how many parts a period is divided; each leaves its last price."""

_ROOM: Final = 64
"""The reference, the ticks of a period behind it (PARTS + 1 of them at most), and one to come."""
_HEAD: Final = 0  # where the oldest price is: the reference, once it is old enough
_COUNT: Final = 1


@kernel
def _remember(
    periods: Array, memory: Any, changed: Array, instrument: Array, time: Array, price: Array, out: Array
) -> None:
    """Write each tick's changes into ``out`` (periods, ticks), and take its price into the memory."""
    times, prices, marks = memory
    for t in range(len(time)):
        y, now = instrument[t], time[t]
        changed[y] = True
        for p in range(len(periods)):
            period, part = periods[p], periods[p] // PARTS
            head, count = marks[y, p, _HEAD], marks[y, p, _COUNT]
            while count > 0 and times[y, p, (head + count - 1) % _ROOM] > now:
                count -= 1  # its time was a mistake: fulltape.operators.newest
            last = (head + count - 1) % _ROOM
            if count == 0 or times[y, p, last] // part != now // part:
                last = (head + count) % _ROOM
                count += 1
            times[y, p, last], prices[y, p, last] = now, price[t]
            while count > 1 and times[y, p, (head + 1) % _ROOM] <= now - period:
                head = (head + 1) % _ROOM
                count -= 1
            marks[y, p, _HEAD], marks[y, p, _COUNT] = head, count
            if now - 2 * period <= times[y, p, head] <= now - period:
                out[p, t] = 100.0 * (price[t] / prices[y, p, head] - 1.0)
            else:
                out[p, t] = math.nan


class Changes:
    """Completes `TICK_STATS` rows with changes over time to `STATS` rows."""

    name = "changes"

    def __init__(self) -> None:
        self._periods = np.array(list(PERIODS_S.values()), np.int64) * SECOND_NS
        shape = (len(self._periods), _ROOM)
        marks = np.zeros((len(self._periods), 2), np.int64)
        self._state = KernelState(tuple(PERIODS_S.values()), np.zeros(shape, np.int64), np.zeros(shape), marks)

    def apply(self, step: Step) -> list[Batch]:
        """Take rows of ticks and return them completed."""
        ticks = step.batches.get(TICK_STATS.name)
        if ticks is None:
            return []
        instrument, time, price = ticks["instrument"], ticks["event_time"], ticks["price"]
        self._state.reserve(int(instrument.max()) + 1)
        out = np.empty((len(self._periods), len(ticks)))
        _remember(self._periods, self._state.arrays, self._state.changed, instrument, time, price, out)
        return [Batch(STATS, {**ticks.columns, **dict(zip(PERIODS_S, out, strict=True))})]

    def snapshot(self) -> dict[int, bytes]:
        """Return the memory of each instrument that changed since the last call."""
        return self._state.save()

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those memories ended. Raises ConfigError for memories of other periods."""
        self._state.restore(states)

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the memory of instruments."""
        self._state.forget(instruments)
