"""Windows of trades by time: hopping mean, volatility and order flow of 60 s, one every 30 s.

Of the prices p and sizes s of the trades in [start, start + 60 s):

* ``mean_60s_30s``: mean of p; a window begins every 30 s;

and of the windows that begin at a full minute, which do not overlap:

* ``volatility_1m``: sample standard deviation of p (ddof 1);
* ``realised_volatility``: sqrt(sum r^2) of the log returns r between the last prices of the seconds that have trades,
  annualised by sqrt(365 x 24 x 60). Seconds without trades have no return of their own; the returns' sum is the same;
* ``delta``: taker buy volume less taker sell volume; ``taker_buy_ratio``: taker buy volume / (both volumes);
  ``trade_imbalance``: (taker buys - taker sells) / (both numbers of trades). Trades of unknown side are in none;
* ``vwap``, ``vwap_std``: sum(p s) / sum(s), and the square root of sum(s (p - vwap)^2) / sum(s).

A window is a function of its trades alone. It is final by the rules of candles; trades that come later make it
*stale*, and the engine has it derived again from the stored trades.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.operators import cascade, panes
from fulltape.operators.base import Step
from fulltape.operators.state import KernelState
from fulltape.records import TRADES, WINDOWS, Array, Batch, Origin
from fulltape.records.columns import NULL_INT

_FIGURES: Final = (
    "mean_60s_30s", "volatility_1m", "realised_volatility", "volume", "taker_buy_volume", "taker_sell_volume",
    "delta", "taker_buy_ratio", "trade_imbalance", "vwap", "vwap_std",
)  # fmt: skip


class _Saved(msgspec.Struct, array_like=True):
    """One instrument's state on disk."""

    rows: bytes
    stale: list[int]


class Windows:
    """Hopping windows of every instrument, from trades in order of arrival."""

    name = "windows"

    def __init__(self, lateness_s: int = 2, quiet_s: int = 5) -> None:
        self._plan = np.zeros((1, cascade.PLAN), np.int64)
        self._plan[0, cascade.LATENESS] = lateness_s * SECOND_NS
        self._plan[0, cascade.QUIET] = quiet_s * SECOND_NS
        seconds = 1 << lateness_s.bit_length()
        # The pane before the oldest that is open, the open ones, and the one of the newest trade: a power of two.
        held = 1 << (3 + lateness_s * SECOND_NS // panes.HOP_NS).bit_length()
        lasts = np.zeros((seconds, 2), np.int64)
        lasts[:, panes.TIME] = panes.NO_TIME
        self._state = KernelState(
            (lateness_s, quiet_s),
            np.zeros((held, panes.FLOATS)),
            np.zeros((held, panes.INTS), np.int64),
            np.zeros(seconds),
            lasts,
            np.zeros(panes.OWN_MARKS, np.int64),
        )
        self._stale: dict[int, set[int]] = {}

    def apply(self, step: Step) -> list[Batch]:
        """Take trades and the clock; return the windows that became final."""
        trades = step.batches.get(TRADES.name) or TRADES.empty()
        if len(trades):
            self._state.reserve(int(trades["instrument"].max()) + 1)
        # Every pane with trades ends two windows at most.
        room = 2 * (len(trades) + len(self._state) * self._state.arrays[0].shape[1])
        o, i = np.empty((room, panes.OUT_FLOATS)), np.empty((room, panes.OUT_INTS), np.int64)
        late = np.empty(len(trades), np.int64)
        count, lates = panes.run(
            self._plan, self._state.arrays, self._state.changed, _columns(trades), step.clock, o, i, late
        )
        self._note_late(trades.take(late[:lates]))
        return [_batch(o[:count], i[:count])] if count else []

    def take_stale(self) -> dict[int, list[int]]:
        """Return, by instrument, the starts of final windows that trades were too late for since the last call."""
        closed = self._state.arrays[-1][:, panes.CLOSED] * panes.HOP_NS
        taken: dict[int, list[int]] = {}
        for code, starts in list(self._stale.items()):
            final = {start for start in starts if start + panes.LENGTH_NS <= closed[code]}
            if final:
                taken[code] = sorted(final)
                self._state.changed[code] = True
                if not (rest := starts - final):
                    del self._stale[code]
                else:
                    self._stale[code] = rest
        return taken

    def derive(self, instrument: int, starts: Sequence[int], trades: Batch) -> Batch:
        """Make windows of one instrument again from all their trades, given in any order and with others."""
        order = np.where(trades["trade_id_high"] == 0, trades["trade_id"], trades["ingest_time"])
        trades = trades.take(np.lexsort((order, trades["event_time"])))
        alone = Windows(0, 0)
        codes = np.zeros(len(trades), np.int32)
        past = np.full(len(trades), Origin.SNAPSHOT, np.uint8)
        made = alone.apply(
            Step({TRADES.name: Batch(TRADES, {**trades.columns, "instrument": codes, "origin": past})}, 0)
        )
        rows = Batch.concat([WINDOWS.empty(), *made, *alone._close()])
        rows = rows.take(np.isin(rows["start"], starts))
        return Batch(WINDOWS, {**rows.columns, "instrument": np.full(len(rows), instrument, np.int32)})

    def snapshot(self) -> dict[int, bytes]:
        """Return the state of each instrument that changed since the last call."""
        return {
            code: msgspec.msgpack.encode(_Saved(rows, sorted(self._stale.get(code, ()))))
            for code, rows in self._state.save().items()
        }

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended. Raises ConfigError for states of another lateness or quiet."""
        saved = {code: msgspec.msgpack.decode(data, type=_Saved) for code, data in states.items()}
        self._state.restore({code: state.rows for code, state in saved.items()})
        self._stale.update({code: set(state.stale) for code, state in saved.items() if state.stale})

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the state of instruments."""
        codes = list(instruments)
        self._state.forget(codes)
        for code in codes:
            self._stale.pop(code, None)

    def _note_late(self, late: Batch) -> None:
        touched = np.stack([late["instrument"], late["event_time"] // panes.HOP_NS * panes.HOP_NS])
        for code, start in np.unique(touched, axis=1).T.tolist():
            self._stale.setdefault(code, set()).update((start - panes.HOP_NS, start))

    def _close(self) -> list[Batch]:
        """Make everything of the first instrument final, as a clock far ahead would."""
        o, i = np.empty((8, panes.OUT_FLOATS)), np.empty((8, panes.OUT_INTS), np.int64)
        until = int(self._state.arrays[-1][0, cascade.HEAD]) + 2 * panes.LENGTH_NS
        count = panes.advance(self._plan, self._state.arrays, 0, until, o, i, 0)
        return [_batch(o[:count], i[:count])] if count else []


def _columns(trades: Batch) -> tuple[Array, ...]:
    names = (
        "instrument", "event_time", "trade_id", "trade_id_high", "price", "size", "aggressor_side", "ingest_time",
        "origin",
    )  # fmt: skip
    return tuple(trades[name] for name in names)


def _batch(figures: Array, ints: Array) -> Batch:
    start, trades, buys, sells = ints[:, 1:].T.copy()
    half = start % panes.LENGTH_NS != 0
    return Batch(
        WINDOWS,
        {
            "instrument": ints[:, 0].astype(np.int32),
            "start": start,
            "end": start + panes.LENGTH_NS,
            "trades": trades,
            **dict(zip(_FIGURES, figures.T.copy(), strict=True)),
            "taker_buys": np.where(half, NULL_INT, buys),
            "taker_sells": np.where(half, NULL_INT, sells),
        },
    )
