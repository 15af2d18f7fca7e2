"""How trades are distributed, against what pandas and plain counting say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fulltape.clock import SECOND_NS
from fulltape.operators.distribution import distribution
from fulltape.records import TRADES, Array, Batch

MINUTE = 60 * SECOND_NS


def trades(size: Array, price: Array | float = 10.0, step_ns: int = 1_000_000, times: Array | None = None) -> Batch:
    columns = {name: np.zeros(len(size), np.int64) for column in TRADES.columns for name in column.names}
    times = np.arange(len(size)) * step_ns if times is None else times
    return Batch(TRADES, {**columns, "size": size, "price": np.full(len(size), price), "event_time": times})


def walk(count: int, span_ns: int) -> Batch:
    """Return trades of heavy-tailed sizes at wandering prices and random times."""
    random = np.random.default_rng(5)
    size = random.lognormal(0.0, 3.0, count)
    price = 61_000.0 * np.exp(np.cumsum(random.normal(0.0, 1e-4, count)))
    return trades(size, price, times=np.sort(random.integers(0, span_ns, count)) + 1_763_640_000 * SECOND_NS)


def test_shares_and_histograms_add_up() -> None:
    size = np.random.default_rng(3).lognormal(0.0, 2.0, 10_000)
    found = distribution(trades(size), 40)
    assert found.sizes.counts.sum() == found.trades == 10_000
    assert (found.sizes.edges[0], found.sizes.edges[-1]) == (size.min(), size.max())
    top = np.sort(size)[-2_000:].sum() / size.sum()
    assert found.pareto_share == pytest.approx(top, rel=1e-9)
    ordered = np.sort(size)
    gini = 2 * (np.arange(1, 10_001) @ ordered) / (10_000 * size.sum()) - 10_001 / 10_000
    assert found.gini == pytest.approx(gini, rel=1e-9)
    assert (found.lorenz[0], found.lorenz[100], len(found.lorenz)) == (0.0, 1.0, 101)
    assert found.largest.tolist() == np.argsort(-size)[:10].tolist()
    assert found.quartiles[2] == np.median(size)


def test_equal_trades_are_one_bin_and_equality() -> None:
    found = distribution(trades(np.full(5, 2.0)), 10)
    assert (found.sizes.counts.tolist(), found.pauses.counts.tolist()) == ([5], [4])
    assert found.pareto_share == pytest.approx(0.2)
    assert found.gini == pytest.approx(0.0)
    assert found.pauses.edges[0] == 0.001


def test_trades_at_one_moment_are_no_pause() -> None:
    found = distribution(trades(np.array([1.0, 2.0]), step_ns=0), 10)
    assert (found.pauses.zeros, found.pauses.counts.tolist()) == (1, [])


def test_trades_without_a_size_have_no_part() -> None:
    assert distribution(trades(np.array([0.0, 1.0])), 3).trades == 1
    with pytest.raises(ValueError, match="no trades"):
        distribution(trades(np.zeros(2)), 3)


def test_the_box_is_the_one_that_pandas_draws() -> None:
    size = np.random.default_rng(7).lognormal(0.0, 1.0, 999)
    found = distribution(trades(size), 10)
    box = pd.Series(size)
    low, high = box.quantile(0.25), box.quantile(0.75)
    inside = box[(box >= low - 1.5 * (high - low)) & (box <= high + 1.5 * (high - low))]
    assert found.whiskers.tolist() == [inside.min(), inside.max()]
    assert found.outliers == 999 - len(inside) > 0
    assert found.quartiles.tolist() == pytest.approx(box.quantile([0, 0.25, 0.5, 0.75, 1]).tolist(), rel=1e-12)


@pytest.mark.parametrize("sizes", [[3.0], [1.0, 100.0], [2.0, 2.0, 2.0, 9.0]])
def test_a_box_of_few_trades_has_whiskers(sizes: list[float]) -> None:
    found = distribution(trades(np.array(sizes)), 10)
    assert found.whiskers.tolist() == [min(sizes), 2.0 if len(sizes) == 4 else max(sizes)]
    assert found.outliers == (len(sizes) == 4)


def test_volumes_of_minutes_are_those_of_pandas() -> None:
    batch = walk(4_000, 90 * MINUTE)
    found = distribution(batch, 10).volumes
    sizes = pd.Series(batch["size"], pd.to_datetime(batch["event_time"]))
    expected = sizes.resample("1min").sum()
    assert found.interval_s == 60
    assert found.starts.tolist() == expected.index.as_unit("ns").astype("int64").tolist()
    assert found.volumes == pytest.approx(expected.to_numpy(), rel=1e-9)


@pytest.mark.parametrize(("days", "interval_s"), [(1, 60), (2, 300), (30, 3_600), (3_000, 604_800), (20_000, 604_800)])
def test_longer_ranges_have_longer_windows(days: int, interval_s: int) -> None:
    """Of a day there are exactly 1,440 minutes; windows of a week begin on Monday."""
    batch = trades(np.array([1.0, 2.0, 4.0]), times=np.array([0, days - 1, days]) * 24 * 60 * MINUTE + [0, 0, -1])
    found = distribution(batch, 10).volumes
    assert (found.interval_s, found.volumes.sum()) == (interval_s, 7.0)
    assert set(np.diff(found.starts)) == {interval_s * SECOND_NS}
    assert found.starts[0] <= 0 < found.starts[1]
    assert found.starts[-1] < days * 24 * 60 * MINUTE <= found.starts[-1] + interval_s * SECOND_NS
    assert len(found.starts) <= 1_440 or interval_s == 604_800


@pytest.mark.parametrize("count", [50, 51, 1_049, 1_050, 20_000])
def test_rolling_means_are_those_of_pandas(count: int) -> None:
    batch = walk(count, 90 * MINUTE)
    found = distribution(batch, 10).rolling
    expected = pd.DataFrame({name: batch[name] for name in ("price", "size")}).rolling(50).mean()[49:]
    assert len(found.times) == min(count - 49, 1_000)
    at = np.linspace(0, count - 50, len(found.times)).round().astype(int)
    assert len(set(at)) == len(at)
    assert found.times.tolist() == batch["event_time"][49:][at].tolist()
    assert found.times[-1] == batch["event_time"][-1]
    assert found.prices == pytest.approx(expected["price"].to_numpy()[at], rel=1e-9)
    plain = [batch["size"][n : n + 50].sum() / 50 for n in at]
    assert found.sizes == pytest.approx(plain, rel=1e-12)


def test_fewer_than_fifty_trades_have_no_rolling_mean() -> None:
    found = distribution(trades(np.ones(49)), 10).rolling
    assert [len(part) for part in (found.times, found.prices, found.sizes)] == [0, 0, 0]
