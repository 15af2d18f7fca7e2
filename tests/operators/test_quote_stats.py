"""Statistics of quotes: one venue's own, and those of one product at many."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conformance.operators import Item, OperatorConformance, Tape
from tests.conformance.samples import NOON

from fulltape.clock import SECOND_NS
from fulltape.operators.across import across
from fulltape.operators.base import Operator, Step
from fulltape.operators.quote_stats import QuoteStatConfig, QuoteStats
from fulltape.operators.spread import microprice, mid, spread_bp
from fulltape.records import QUOTES, Batch, QuoteSource

NAN = float("nan")
PRODUCTS = ["ETH-USD", "BTC-USD", "BTC-USD", "BTC-USD", "BTC-USD"]
PRICE = st.floats(1e-6, 1e9)
SIZE = st.floats(1e-9, 1e9)


class Q(NamedTuple):
    """A quote, ``at`` so many seconds after noon; the venue's clock is ``lag`` seconds behind."""

    at: float
    code: int
    bid: float = 99.0
    ask: float = 101.0
    bid_size: float = 1.0
    ask_size: float = 1.0
    lag: float = 0.0


def quotes(*rows: Q) -> Batch:
    received = [NOON + round(row.at * SECOND_NS) for row in rows]
    return QUOTES.from_columns(
        {
            "instrument": [row.code for row in rows],
            **{name: [getattr(row, name) for row in rows] for name in ("bid", "bid_size", "ask", "ask_size")},
            "event_time": [time - round(row.lag * SECOND_NS) for time, row in zip(received, rows, strict=True)],
            "ingest_time": received,
            "source": [QuoteSource.BOOK] * len(rows),
        }
    )


def operator(**config: float) -> QuoteStats:
    return QuoteStats(PRODUCTS.__getitem__, QuoteStatConfig(**config))


def told(stats: QuoteStats, *rows: Q, clock_s: float = 3_600) -> pd.DataFrame:
    step = Step({"quotes": quotes(*rows)} if rows else {}, NOON + round(clock_s * SECOND_NS))
    found = stats.apply(step)
    return pd.DataFrame(found[0].columns if found else {})


class TestConformance(OperatorConformance):
    def operator(self) -> Operator:
        return operator(age_s=3.0)

    def tape(self, random: Random) -> Tape:
        rows, at = [], 0.0
        for _ in range(200):
            at += random.choice([0.0, 0.01, 0.3, 0.9, 4.0])
            bid = NAN if random.random() < 0.1 else 100.0 + random.random()
            lag = random.choice([0.0, 0.0, 0.0, 0.0, 1.5, 1.5, -90.0])
            rows.append(Q(at, random.randint(0, 4), bid, 101.0 + random.random(), random.randint(0, 3), 1.0, lag))
        return [Item(int(batch["ingest_time"][0]), batch) for batch in map(quotes, rows)]


def test_a_time_far_ahead_holds_no_quote_back() -> None:
    """A quote that claimed to be of the next hour was compared for that hour, and those after it were not."""
    stats = operator()
    first = told(stats, Q(0, 1), Q(0, 2, bid=98.0, ask=103.0), clock_s=1)
    assert first["best_ask"].tolist() == [101.0, 101.0]
    second = told(stats, Q(1, 1, bid=49.0, ask=51.0, lag=-3_600), Q(1.2, 2, bid=98.0, ask=102.0), clock_s=2)
    assert (second["instrument"].tolist(), second["best_ask"].tolist()) == ([2], [101.0])
    third = told(stats, Q(2, 1, bid=98.0, ask=100.0), clock_s=3)
    assert (third["best_ask"].tolist(), third["mid"].tolist()) == ([100.0], [99.0])


def test_a_venue_whose_clock_is_ahead_has_quotes_as_any_other() -> None:
    stats = operator()
    told(stats, Q(0, 1), clock_s=1)  # its clock was right before
    rows = told(stats, *(Q(60.0 + at, 1, bid=90.0 + at, lag=-120) for at in range(1, 4)), clock_s=70)
    assert rows["bid"].tolist() == [91.0, 92.0, 93.0]


@given(PRICE, SIZE, PRICE, SIZE)
def test_what_one_quote_says(bid: float, bid_size: float, ask: float, ask_size: float) -> None:
    b, bs, a, az = (np.array([value]) for value in (bid, bid_size, ask, ask_size))
    assert mid(b, a)[0] == pytest.approx((bid + ask) / 2, rel=1e-12)
    assert spread_bp(b, a)[0] == pytest.approx((ask - bid) / ((bid + ask) / 2) * 10_000, rel=1e-9, abs=1e-9)
    found, tiny = float(microprice(b, bs, a, az)[0]), 1e-12 * max(bid, ask)
    assert found == pytest.approx((ask * bid_size + bid * ask_size) / (bid_size + ask_size), rel=1e-9)
    assert min(bid, ask) - tiny <= found <= max(bid, ask) + tiny


def test_a_quote_without_sizes_has_no_microprice() -> None:
    nothing = np.zeros(1)
    assert np.isnan(microprice(np.ones(1), nothing, np.ones(1), nothing)).all()


@given(st.lists(st.tuples(PRICE, PRICE), min_size=2, max_size=9), st.floats(0.5, 10))
def test_venues_together_are_as_pandas_says(prices: list[tuple[float, float]], k: float) -> None:
    sides = [(min(pair), max(pair)) for pair in prices]
    frame = pd.DataFrame(sides, columns=["bid", "ask"])
    mids = (frame["bid"] + frame["ask"]) / 2
    found = across(sides)
    assert (found.venues, found.best_bid, found.best_ask) == (len(sides), frame["bid"].max(), frame["ask"].min())
    assert found.median_price == pytest.approx(mids.median(), rel=1e-9)
    off = (mids - found.median_price).abs()
    assert found.mad == pytest.approx(off.median(), rel=1e-9)
    outliers = [found.is_outlier(price, k) for price in mids]
    assert outliers == (list(off > k * found.mad) if len(sides) > 2 else [False] * 2)
    assert found.premium_bp(mids[0]) == pytest.approx((mids[0] / mids.median() - 1) * 1e4, rel=1e-9, abs=1e-9)


def test_a_second_makes_one_row_of_its_newest_quote() -> None:
    stats = operator()
    assert told(stats, Q(0.1, 0), Q(0.6, 0, 98.0, 102.0, 3.0, 1.0), clock_s=0.9).empty
    (row,) = told(stats, clock_s=1.0).to_dict("records")
    assert (row["bid"], row["ask"], row["spread"], row["mid"], row["microprice"]) == (98.0, 102.0, 4.0, 100.0, 101.0)
    assert row["spread_bp"] == pytest.approx(400.0)
    assert told(stats).empty


def test_an_older_quote_that_comes_later_changes_nothing() -> None:
    rows = told(operator(), Q(0.1, 0), Q(0.9, 0, 50.0, 51.0, lag=5.0), Q(3.0, 0, 60.0, 61.0, lag=9.0))
    assert rows["bid"].tolist() == [99.0]


def test_one_venue_is_compared_with_nobody() -> None:
    rows = told(operator(), Q(0.1, 1, NAN, 6.0), Q(0.2, 2, 5.0, 6.0))
    assert rows["venues"].tolist() == [1, 1]
    assert rows[["best_bid", "best_ask", "median_price", "premium_bp"]].isna().all(axis=None)
    assert rows["spread"].isna().tolist() == [True, False]


def test_the_best_of_all_venues_a_premium_and_an_outlier() -> None:
    rows = told(
        operator(outlier_mads=3.0),
        Q(0.1, 1, 99.0, 101.0), Q(0.2, 2, 99.5, 101.5), Q(0.3, 3, 98.0, 100.5), Q(0.4, 4, 110.0, 112.0),
    )  # fmt: skip
    assert set(rows["best_bid"]) == {110.0}
    assert set(rows["best_ask"]) == {100.5}
    assert set(rows["median_price"]) == {100.25}
    np.testing.assert_allclose(rows["premium_bp"], (np.array([100, 100.5, 99.25, 111]) / 100.25 - 1) * 1e4, rtol=1e-9)
    assert rows["is_outlier"].tolist() == [False, False, False, True]


def test_quotes_that_are_too_old_by_either_clock_are_not_compared() -> None:
    stats = operator(age_s=10.0)
    assert told(stats, Q(0.5, 1), Q(0.5, 2), Q(0.6, 3, lag=30.0))["venues"].tolist() == [2, 2, 2]
    assert told(stats, Q(9.5, 2))["venues"].tolist() == [2]
    assert told(stats, Q(20.0, 1))["venues"].tolist() == [1]


def test_a_forgotten_instrument_is_compared_no_more() -> None:
    stats = operator()
    told(stats, Q(0.1, 1), Q(0.2, 2))
    stats.forget([1, 1])
    assert told(stats, Q(5.0, 2))["venues"].tolist() == [1]


def test_quotes_and_comparisons_go_on_after_a_restart() -> None:
    before, after = operator(), operator()
    told(before, Q(0.1, 1), clock_s=0.5)
    after.restore(before.snapshot())
    rows = told(after, Q(0.7, 2, 100.0, 102.0), clock_s=1.0)
    assert rows["instrument"].tolist() == [1, 2]
    assert rows["venues"].tolist() == [2, 2]


def test_seconds_of_many_venues_are_as_pandas_says() -> None:
    random, count = np.random.default_rng(11), 4_000
    at, code = np.sort(random.uniform(0, 600, count)), random.integers(1, 5, count)
    bid = 100.0 + random.normal(0, 0.05, count).cumsum()
    ask, sizes = bid + random.uniform(0.01, 0.5, count), random.lognormal(0, 1, (2, count))
    columns = (at.tolist(), code.tolist(), bid.tolist(), ask.tolist(), *sizes.tolist())
    rows = told(operator(), *(Q(*row) for row in zip(*columns, strict=True)))
    frame = pd.DataFrame({"second": at.astype(int), "code": code, "bid": bid, "ask": ask, "bid_size": sizes[0]})
    newest = frame.assign(ask_size=sizes[1]).groupby(["second", "code"]).last()
    keys = list(zip(rows["ingest_time"] // SECOND_NS - NOON // SECOND_NS, rows["instrument"], strict=True))
    assert keys == list(newest.index)
    held = newest[["bid", "ask"]].unstack().ffill()
    mids = ((held["bid"] + held["ask"]) / 2).stack().rename("mid")
    median = mids.groupby("second").median().rename("median_price")
    found = newest.join(mids).join(median)
    mad = (mids - median).abs().groupby("second").median()
    expected = {
        "spread_bp": (found["ask"] - found["bid"]) / found["mid"] * 1e4,
        "microprice": (found["ask"] * found["bid_size"] + found["bid"] * found["ask_size"])
        / (found["bid_size"] + found["ask_size"]),
        "best_bid": held["bid"].max(axis=1).reindex(found.index, level="second"),
        "best_ask": held["ask"].min(axis=1).reindex(found.index, level="second"),
        "median_price": found["median_price"],
        "premium_bp": (found["mid"] / found["median_price"] - 1) * 1e4,
    }
    for name, series in expected.items():
        several = rows["venues"].to_numpy() > 1 if name in rows.columns[8:] else slice(None)
        np.testing.assert_allclose(rows[name][several], series.to_numpy()[several], rtol=1e-9, atol=1e-9, err_msg=name)
    off = (found["mid"] - found["median_price"]).abs()
    far = (off > 5 * mad.reindex(found.index, level="second")).to_numpy() & (rows["venues"] > 2).to_numpy()
    assert rows["is_outlier"].tolist() == far.tolist()
