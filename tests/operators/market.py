"""Random trades for property tests, and candles made from them in the plainest way there is."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from fractions import Fraction

from hypothesis import strategies as st
from tests.operators.tape import NOON, SECOND, T
from tests.operators.tape import trades as batch_of

from fulltape.operators.base import Step
from fulltape.records import AggressorSide, Origin
from fulltape.records.interval import window_start

INTERVALS = ("1s", "7s", "10s", "90s", "1m", "5m", "4h", "1w", "2w")
_HALF = SECOND // 2


@st.composite
def tapes(draw: st.DrawFn, *, most: int = 40) -> list[T]:
    """Trades of three instruments in order of arrival: ties, jumps over quiet hours, out of order by up to an hour.

    The venue's clock may be wrong, by as much all the time. Sizes span twelve orders of magnitude.
    """
    arrival = NOON + draw(st.integers(0, 14 * 86_400)) * SECOND
    offset = draw(st.sampled_from([0, 1_270_000_000, -60 * SECOND]))
    steps = draw(st.lists(_steps(), min_size=1, max_size=most))
    ids = draw(st.permutations(range(1, len(steps) + 1)))
    rows = []
    for trade_id, (gap, delay, code, price, size, side, origin) in zip(ids, steps, strict=True):
        arrival += gap
        time = (arrival - delay) // _HALF * _HALF
        rows.append(T(time, trade_id, price, size, code, side, arrival - offset, origin))
    return rows


def _steps() -> st.SearchStrategy[tuple[int, int, int, float, float, int, int]]:
    return st.tuples(
        st.sampled_from([0, 0, 1, _HALF, SECOND, 7 * SECOND, 61 * SECOND, 90 * 60 * SECOND]),
        st.sampled_from([0, 0, 0, SECOND, 2 * SECOND, 10 * SECOND, 100 * SECOND, 3_600 * SECOND]),
        st.integers(0, 2),
        st.integers(1, 10**7).map(lambda ticks: ticks / 100),
        st.one_of(st.integers(1, 10**4), st.integers(10**9, 10**12)).map(lambda steps: steps / 10**8),
        st.sampled_from(AggressorSide),
        st.sampled_from([Origin.LIVE, Origin.LIVE, Origin.LIVE, Origin.SNAPSHOT, Origin.REFILL]),
    )


def split(rows: Sequence[T], places: Iterable[int], end: int) -> list[Step]:
    """Return the trades as steps cut at ``places``; a step's clock is its last trade's, the last one's is ``end``."""
    bounds = sorted({0, len(rows), *places})
    parts = [rows[a:b] for a, b in itertools.pairwise(bounds)]
    clocks = [part[-1].ingest or 0 for part in parts[:-1]] + [end]
    return [Step({"trades": batch_of(part)}, clock) for part, clock in zip(parts, clocks, strict=True)]


def exact_candles(rows: Sequence[T], intervals_s: Iterable[int]) -> dict[tuple[int, int, int], tuple[float, ...]]:
    """Return (open, high, low, close, volume, quote volume, vwap, trades, bought) of every window with trades.

    Sums are rationals, rounded once at the end.
    """
    windows: dict[tuple[int, int, int], list[T]] = {}
    for row in rows:
        for interval_s in intervals_s:
            windows.setdefault((row.code, interval_s, window_start(row.time, interval_s)), []).append(row)
    return {key: _exact(sorted(found, key=lambda t: (t.time, t.trade_id))) for key, found in windows.items()}


def _exact(rows: Sequence[T]) -> tuple[float, ...]:
    prices = [t.price for t in rows]
    volume = float(sum(Fraction(t.size) for t in rows))
    quote = float(sum(Fraction(t.price * t.size) for t in rows))
    bought = float(sum(Fraction(t.size) for t in rows if t.side == AggressorSide.BUY))
    return (prices[0], max(prices), min(prices), prices[-1], volume, quote, quote / volume, len(rows), bought)
