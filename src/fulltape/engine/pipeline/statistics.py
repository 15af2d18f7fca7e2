"""Statistics as the pipeline runs them: which operators, in which order, and windows made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
import numpy as np

from fulltape.clock import SECOND_NS
from fulltape.engine.pipeline.counters import Counters
from fulltape.engine.pipeline.derivation import History
from fulltape.operators.activity_bars import ActivityBarConfig, ActivityBars
from fulltape.operators.base import Operator
from fulltape.operators.changes import Changes
from fulltape.operators.depths import DepthConfig
from fulltape.operators.panes import LENGTH_NS
from fulltape.operators.quote_stats import QuoteStatConfig, QuoteStats
from fulltape.operators.ticks import Ticks
from fulltape.operators.windows import Windows
from fulltape.records import TRADES, WINDOWS, Array, Batch

_APART_NS: Final = 3_600 * SECOND_NS


class StatisticConfig(msgspec.Struct, frozen=True):
    """Which activity bars to make, and when windows are final: as candles, after ``lateness_s`` and ``quiet_s``.

    ``quotes`` says which quotes are compared, ``depth`` what is told of books.
    """

    bars: ActivityBarConfig = ActivityBarConfig()
    lateness_s: int = 2
    quiet_s: int = 5
    quotes: QuoteStatConfig = QuoteStatConfig()
    depth: DepthConfig = DepthConfig()


class Statistics:
    """The operators beside the candles. ``product_of`` tells which instruments are one product at many venues."""

    def __init__(self, config: StatisticConfig, counters: Counters, product_of: Callable[[int], str]) -> None:
        self._counters = counters
        self._windows = Windows(config.lateness_s, config.quiet_s)
        # Order matters: changes complete the rows of ticks.
        of_trades = (Ticks(), Changes(), self._windows, ActivityBars(config.bars))
        self.operators: tuple[Operator, ...] = (*of_trades, QuoteStats(product_of, config.quotes))

    def revise(self, batches: dict[str, Batch], history: History) -> None:
        """Add to ``batches`` the windows that this step's trades came too late for, made of all their trades."""
        rows = [batches.get(WINDOWS.name, WINDOWS.empty())]
        for code, stale in self._windows.take_stale().items():
            fresh = batches.get(TRADES.name, TRADES.empty())
            fresh = fresh.take(fresh["instrument"] == code)
            rows += [self._derive(code, starts, fresh, history) for starts in _runs(stale)]
        batches[WINDOWS.name] = Batch.concat(rows)

    def _derive(self, code: int, starts: Sequence[int], fresh: Batch, history: History) -> Batch:
        start, end = starts[0], starts[-1] + LENGTH_NS
        derived = self._windows.derive(code, starts, Batch.concat([history.trades(code, start, end), fresh]))
        # As with candles: a window whose trades are no longer stored stays as it was.
        whole = derived["trades"] >= _committed(derived["start"], history.windows(code, start, end))
        self._counters.stale_candles += int((~whole).sum())
        return derived.take(whole)


def _runs(starts: Sequence[int]) -> list[list[int]]:
    """Split ascending starts where they leave out an hour: what lies between need not be read."""
    cuts = np.flatnonzero(np.diff(starts) > _APART_NS) + 1
    return [run.tolist() for run in np.split(np.array(starts, np.int64), cuts)]


def _committed(starts: Array, windows: Batch) -> Array:
    """Return how many trades the committed windows with these starts have, 0 where there is none."""
    known = dict(zip(windows["start"].tolist(), windows["trades"].tolist(), strict=True))
    return np.array([known.get(start, 0) for start in starts.tolist()], np.int64)
