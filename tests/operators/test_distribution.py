"""How trades are distributed, against what pandas and plain counting say."""

from __future__ import annotations

import numpy as np
import pytest

from fulltape.operators.distribution import distribution
from fulltape.records import TRADES, Array, Batch


def trades(size: Array, price: float = 10.0, step_ns: int = 1_000_000) -> Batch:
    columns = {name: np.zeros(len(size), np.int64) for column in TRADES.columns for name in column.names}
    times = np.arange(len(size)) * step_ns
    return Batch(TRADES, {**columns, "size": size, "price": np.full(len(size), price), "event_time": times})


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
