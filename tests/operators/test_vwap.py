"""VWAP anchored and rolling: what the trades themselves give, though only minutes are read."""

from __future__ import annotations

import numpy as np
import pytest
from tests.operators.tape import MINUTE, NOON, SECOND
from tests.operators.tick_tapes import simulated_trades

from fulltape.operators.base import Step
from fulltape.operators.ticks import Ticks
from fulltape.operators.vwap import anchored_vwap, rolling_vwap
from fulltape.operators.windows import Windows
from fulltape.records import TRADES, Batch


@pytest.fixture(scope="module")
def trades() -> Batch:
    batch = simulated_trades(30_000)
    return batch.take(batch["instrument"] == 0)


@pytest.fixture(scope="module")
def windows(trades: Batch) -> Batch:
    return Windows().derive(0, list(range(NOON, int(trades["event_time"][-1]), MINUTE // 2)), trades)


def plain(trades: Batch, start: int, end: int) -> tuple[float, float]:
    inside = trades.take((trades["event_time"] >= start) & (trades["event_time"] < end))
    price, size = inside["price"], inside["size"]
    vwap = float((price * size).sum() / size.sum())
    return vwap, float(np.sqrt((size * (price - vwap) ** 2).sum() / size.sum()))


def test_anchored_at_a_moment(trades: Batch, windows: Batch) -> None:
    anchor = NOON + 3 * MINUTE
    found = anchored_vwap(windows, anchor + 20 * SECOND)
    assert found.start[0] == anchor
    for i in (0, 1, len(found.start) - 1):
        expected = plain(trades, anchor, int(found.start[i]) + MINUTE)
        assert (found.vwap[i], found.std[i]) == (
            pytest.approx(expected[0], rel=1e-9),
            pytest.approx(expected[1], rel=1e-9),
        )


@pytest.mark.parametrize("minutes", [1, 4])
def test_rolling(trades: Batch, windows: Batch, minutes: int) -> None:
    found = rolling_vwap(windows, minutes)
    for i in (0, 2, 7, len(found.start) - 1):
        start, end = int(found.start[i]) - (minutes - 1) * MINUTE, int(found.start[i]) + MINUTE
        expected = plain(trades, start, end)
        assert (found.vwap[i], found.std[i]) == (
            pytest.approx(expected[0], rel=1e-9),
            pytest.approx(expected[1], rel=1e-9),
        )


def test_bands_lie_around_it(windows: Batch) -> None:
    found = rolling_vwap(windows, 5)
    np.testing.assert_allclose(found.band(2.0) - found.band(-2.0), 4 * found.std)


def test_the_session_is_the_same_trade_by_trade(trades: Batch, windows: Batch) -> None:
    (rows,) = Ticks().apply(Step({TRADES.name: trades}, int(trades["ingest_time"][-1]) + 2 * SECOND))
    found = anchored_vwap(windows, NOON)
    assert rows["vwap_session"][-1] == pytest.approx(found.vwap[-1], rel=1e-9)
    assert rows["vwap_session_std"][-1] == pytest.approx(found.std[-1], rel=1e-9)


def test_a_window_of_no_minutes_is_refused(windows: Batch) -> None:
    with pytest.raises(ValueError, match="must be 1 or more"):
        rolling_vwap(windows, 0)


def test_no_windows_no_series(windows: Batch) -> None:
    assert len(anchored_vwap(windows, NOON + 10**15).start) == 0
