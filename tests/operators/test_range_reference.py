"""What is worked out of a range, and indicators, from trades on: against pandas, NumPy and TA-Lib.

Simulated trades, a million of them in the slow part, and recorded ones go through the operators; what those made goes
through the functions of a range. The reference sees nothing but the trades.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib.abstract
from tests.operators.market import split
from tests.operators.tape import MINUTE, SECOND
from tests.operators.test_recordings import Phemex
from tests.operators.tick_tapes import frame, simulated_trades

from fulltape.operators.activity_bars import ActivityBarConfig, ActivityBars
from fulltape.operators.base import Operator, Step
from fulltape.operators.candle_plan import CandleConfig
from fulltape.operators.candles import Candles
from fulltape.operators.correlation import correlate, log_returns
from fulltape.operators.distribution import distribution
from fulltape.operators.flow import order_flow
from fulltape.operators.indicators.reference import REFERENCE
from fulltape.operators.indicators.registry import INDICATORS
from fulltape.operators.returns import drawdown, rolling_together, sharpe, sortino
from fulltape.operators.sentiment import HISTORY, sentiment
from fulltape.operators.volume import relative_volume, step_for, volume_profile, volume_z
from fulltape.operators.vwap import anchored_vwap, rolling_vwap
from fulltape.operators.windows import Windows
from fulltape.records import ACTIVITY_BARS, CANDLES, WINDOWS, AggressorSide, Batch

BAR_TICKS = 500


def close(found: Any, expected: Any, scale: float = 0.0, what: str = "") -> None:
    """Compare at 1e-9 relative; what is near 0 because it cancels, at 1e-9 of what it is the difference of."""
    arrays = [np.asarray(values, float) for values in (found, expected)]
    np.testing.assert_allclose(arrays[0], arrays[1], rtol=1e-9, atol=1e-9 * scale, err_msg=what)


class Market:
    """Trades, what the operators make of them, and the same trades as frames of pandas."""

    def __init__(self, trades: Batch, interval: str, step: int) -> None:
        self.interval = interval
        operators: tuple[Operator, ...] = (
            Candles(CandleConfig((interval,))), Windows(), ActivityBars(ActivityBarConfig(BAR_TICKS))
        )  # fmt: skip
        made: dict[str, list[Batch]] = {}
        ends = [*range(step, len(trades), step), len(trades)]
        for first, last in zip([0, *ends[:-1]], ends, strict=True):
            part = trades.take(slice(first, last))
            self._run(operators, Step({"trades": part}, int(part["ingest_time"][-1])), made)
        self._run(operators, Step({}, int(trades["ingest_time"][-1]) + 7_200 * SECOND), made)
        self.rows = {kind: Batch.concat(batches) for kind, batches in made.items()}
        self.trades = trades
        self.codes: list[int] = np.unique(trades["instrument"]).tolist()
        self.frames = {code: frame(trades, code) for code in self.codes}

    def _run(self, operators: tuple[Operator, ...], step: Step, made: dict[str, list[Batch]]) -> None:
        for operator in operators:
            for batch in operator.apply(step):
                made.setdefault(batch.schema.name, []).append(batch)

    def of(self, kind: str, code: int) -> Batch:
        """Return what was made of one instrument, in order of time, without windows that nobody traded in."""
        rows = self.rows[kind]
        rows = rows.take(rows["instrument"] == code)
        if kind == CANDLES.name:
            rows = rows.take(rows["is_final"] & (rows["trades"] > 0))
        return rows.take(np.argsort(rows["start"], kind="stable"))

    def candles(self, code: int) -> pd.DataFrame:
        """Return the same candles made by pandas."""
        trades, length = self.frames[code], {"10s": 10, "1m": 60}[self.interval] * SECOND
        by = self.with_sides(trades).groupby(trades["event_time"] // length * length)
        return by.agg(
            open=("price", "first"), high=("price", "max"), low=("price", "min"), close=("price", "last"),
            volume=("size", "sum"), quote_volume=("value", "sum"), taker_buy_volume=("bought", "sum"),
        )  # fmt: skip

    @staticmethod
    def with_sides(trades: pd.DataFrame) -> pd.DataFrame:
        """Return trades with their value and with the size by side."""
        buy, sell = (trades["aggressor_side"] == side for side in (AggressorSide.BUY, AggressorSide.SELL))
        sides = {"bought": trades["size"].where(buy, 0.0), "sold": trades["size"].where(sell, 0.0)}
        return trades.assign(value=trades["price"] * trades["size"], buy=buy, sell=sell, **sides)


def check_candles_and_indicators(market: Market) -> None:
    for code in market.codes:
        found, wanted = market.of(CANDLES.name, code), market.candles(code)
        assert found["start"].tolist() == wanted.index.tolist()
        for name in wanted:
            close(found[name], wanted[name], what=name)
        inputs = {name: wanted[name].to_numpy() for name in wanted}
        for indicator in REFERENCE:
            if indicator.name == "BBANDS":  # TA-Lib loses half of its digits: tests/operators/indicators
                continue
            expected = talib.abstract.Function(indicator.name)(inputs)
            arrays = expected if isinstance(expected, list) else [expected]
            columns = indicator.over(found, indicator.values({}))
            scale = float(wanted["high"].max()) if indicator.name == "MACD" else 100.0
            for name, array in zip(indicator.outputs, arrays, strict=True):
                close(columns[name], array, scale, f"{indicator.name} {name}")
        for name, plain in OWN.items():
            columns = INDICATORS[name].over(found, INDICATORS[name].values({}))
            for output, series in plain(wanted).items():
                close(columns[output], series, what=f"{name} {output}")


def bands(c: pd.DataFrame) -> dict[str, pd.Series]:
    windows = np.lib.stride_tricks.sliding_window_view(c["close"].to_numpy(), 20)
    mean, std = (np.r_[np.full(19, np.nan), values] for values in (windows.mean(axis=1), windows.std(axis=1)))
    return {"upperband": mean + 2 * std, "middleband": mean, "lowerband": mean - 2 * std}


def donchian(c: pd.DataFrame) -> dict[str, pd.Series]:
    high, low = c["high"].rolling(20).max(), c["low"].rolling(20).min()
    return {"upper": high, "middle": (high + low) / 2, "lower": low}


def ichimoku(c: pd.DataFrame) -> dict[str, pd.Series]:
    middle = {n: (c["high"].rolling(n).max() + c["low"].rolling(n).min()) / 2 for n in (9, 26, 52)}
    leading = ((middle[9] + middle[26]) / 2).shift(26)
    return {"conversion": middle[9], "base": middle[26], "leading_a": leading, "leading_b": middle[52].shift(26)}


def session_vwap(c: pd.DataFrame) -> dict[str, pd.Series]:
    sums = c[["quote_volume", "volume"]].groupby(c.index // (1_440 * MINUTE)).cumsum()
    return {"vwap": sums["quote_volume"] / sums["volume"]}


def keltner(c: pd.DataFrame) -> dict[str, Any]:
    high, low, close_ = (c[name].to_numpy() for name in ("high", "low", "close"))
    mean, reach = talib.EMA(close_, timeperiod=20), 2 * talib.ATR(high, low, close_, timeperiod=10)
    return {"upper": mean + reach, "middle": mean, "lower": mean - reach}


OWN: dict[str, Callable[[pd.DataFrame], dict[str, Any]]] = {
    "BBANDS": bands, "DONCHIAN": donchian, "ICHIMOKU": ichimoku, "KELTNER": keltner, "VWAP": session_vwap,
}  # fmt: skip


def check_activity_bars(market: Market) -> None:
    for code in market.codes:
        trades = market.with_sides(market.frames[code])
        by = trades.groupby(np.arange(len(trades)) // BAR_TICKS)
        wanted = by.agg(
            start=("event_time", "first"), end=("event_time", "last"), open=("price", "first"), high=("price", "max"),
            low=("price", "min"), close=("price", "last"), volume=("size", "sum"), quote_volume=("value", "sum"),
            taker_buy_volume=("bought", "sum"),
        )[: len(trades) // BAR_TICKS]  # fmt: skip
        found = market.of(ACTIVITY_BARS.name, code)
        found = found.take(np.argsort(found["number"]))
        assert len(found) == len(wanted)
        for name in wanted:
            close(found[name], wanted[name], what=name)


def check_flow_and_vwap(market: Market) -> None:
    for code in market.codes:
        windows, trades = market.of(WINDOWS.name, code), market.with_sides(market.frames[code])
        found = order_flow(windows, 300)
        by = trades.groupby(trades["event_time"] // (5 * MINUTE) * 5 * MINUTE)
        sums = by[["bought", "sold", "buy", "sell"]].sum()
        delta, total = sums["bought"] - sums["sold"], float(trades["size"].sum())
        assert found.start.tolist() == sums.index.tolist()
        close(found.delta, delta, total, "delta")
        close(found.cumulative_delta, delta.cumsum(), total, "cumulative_delta")
        close(found.taker_buy_ratio, sums["bought"] / (sums["bought"] + sums["sold"]), what="taker_buy_ratio")
        close(found.trade_imbalance, (sums["buy"] - sums["sell"]) / (sums["buy"] + sums["sell"]), 1.0, "imbalance")
        price, size, time = (trades[name].to_numpy() for name in ("price", "size", "event_time"))
        anchor = int(windows["start"][len(windows) // 3])
        for series, since in ((anchored_vwap(windows, anchor), None), (rolling_vwap(windows, 30), 29 * MINUTE)):
            for i in (0, 1, 7, len(series.start) // 2, len(series.start) - 1):
                start = anchor // MINUTE * MINUTE if since is None else int(series.start[i]) - since
                inside = (time >= start) & (time < int(series.start[i]) + MINUTE)
                vwap = np.average(price[inside], weights=size[inside])
                close(series.vwap[i], vwap, what="vwap")
                std = math.sqrt(np.average((price[inside] - vwap) ** 2, weights=size[inside]))
                close(series.std[i], std, 1e-6 * vwap, "vwap_std")


def check_profile_and_distribution(market: Market) -> None:
    for code in market.codes:
        trades = market.frames[code]
        price, size = trades["price"].to_numpy(), trades["size"].to_numpy()
        step = step_for(price)
        found = volume_profile(price, size, step)
        by_step = trades["size"].groupby(np.floor(price / step + 1e-9).astype(int)).sum()
        held = found.volumes > 0
        close(found.volumes[held], by_step, what="profile")
        assert found.point_of_control == pytest.approx(by_step.idxmax() * step, rel=1e-9)
        inside = (found.prices >= found.value_area_low - step / 2) & (found.prices < found.value_area_high - step / 2)
        assert found.volumes[inside].sum() >= 0.7 * size.sum() * (1 - 1e-9)
        told = distribution(market.trades.take(market.trades["instrument"] == code), 30)
        ordered = np.sort(size)
        count = len(ordered)
        gini = 2 * (np.arange(1, count + 1) @ ordered) / (count * ordered.sum()) - (count + 1) / count
        close(told.gini, gini, what="gini")
        close(told.quartiles, np.percentile(size, [0, 25, 50, 75, 100]), what="quartiles")
        share = np.interp(0.8 * count, np.arange(count + 1), np.r_[0.0, np.cumsum(ordered)]) / ordered.sum()
        close(told.pareto_share, 1 - share, what="pareto_share")
        assert told.sizes.counts.sum() == count
        assert told.largest.tolist() == np.argsort(-(price * size), kind="stable")[:10].tolist()


def check_returns(market: Market) -> None:
    closes = pd.DataFrame({code: market.candles(code)["close"] for code in market.codes})
    returns = log_returns(closes.to_numpy())
    plain = np.log(closes).diff().iloc[1:]
    close(returns, plain, 1e-6, "returns")
    table = correlate(returns)
    close(table.correlation, plain.corr(), 1.0, "correlation")
    first, other = plain.iloc[:, 0], plain.iloc[:, -1]
    rolling = rolling_together(returns[:, 0], returns[:, -1], 60)
    if not closes.isna().any(axis=None):
        close(rolling.correlation, first.rolling(60).corr(other), 100.0, "rolling correlation")
        close(rolling.beta, first.rolling(60).cov(other) / other.rolling(60).var(), 100.0, "rolling beta")
    one, column = closes.iloc[:, 0], closes.iloc[:, 0].to_numpy()
    close(drawdown(column), 100 * (one / one.cummax() - 1), 100.0, "drawdown")
    year = math.sqrt(365 * 1_440)
    known = first.dropna()
    assert sharpe(returns[:, 0], 60) == pytest.approx(known.mean() / known.std() * year, rel=1e-9)
    below = math.sqrt((known.clip(upper=0) ** 2).mean())
    assert sortino(returns[:, 0], 60) == pytest.approx(known.mean() / below * year, rel=1e-9)
    volume = pd.DataFrame({code: market.candles(code)["volume"] for code in market.codes}).fillna(0.0).iloc[:, 0]
    past = volume.shift().rolling(24)
    windows = np.lib.stride_tricks.sliding_window_view(volume.to_numpy(), 24)[:-1]
    mean, std = (np.r_[np.full(24, np.nan), values] for values in (windows.mean(axis=1), windows.std(axis=1, ddof=1)))
    close(mean, past.mean(), float(volume.max()))
    close(relative_volume(volume.to_numpy(), 24), volume / mean, what="relative_volume")
    close(volume_z(volume.to_numpy(), 24), (volume - mean) / std, 1.0, "volume_z")


def check_sentiment(market: Market) -> None:
    """Windows of any length stand for hours: only their number counts."""
    made = {code: market.candles(code) for code in market.codes}
    closes = pd.DataFrame({code: candles["close"] for code, candles in made.items()}).ffill().bfill()
    one = made[market.codes[0]].reindex(closes.index).fillna(0.0)
    columns = [closes.iloc[:, 0], one["volume"], one["taker_buy_volume"], closes]
    found = sentiment(*(column.to_numpy()[-HISTORY:] for column in columns))
    price, change = closes.iloc[:, 0], closes.pct_change(24)
    std = np.lib.stride_tricks.sliding_window_view(np.log(price).diff().to_numpy(), 24).std(axis=1, ddof=1)
    series = {
        "momentum": price.pct_change(24),
        "calm": pd.Series(np.r_[np.full(23, np.nan), -std]),
        "relative_volume": one["volume"] / one["volume"].shift().rolling(24).mean(),
        "taker_buy_ratio": one["taker_buy_volume"].rolling(24).sum() / one["volume"].rolling(24).sum(),
        "breadth": (change > 0).sum(axis=1) / closes.shape[1],
    }
    for name, values in series.items():
        month = values.tail(720)
        assert getattr(found, name) == pytest.approx(100 * (month.rank().iloc[-1] - 0.5) / 720, rel=1e-9), name
    assert found.sentiment == pytest.approx(np.mean([getattr(found, name) for name in series]), rel=1e-9)


CHECKS = (
    check_candles_and_indicators,
    check_activity_bars,
    check_flow_and_vwap,
    check_profile_and_distribution,
    check_returns,
    check_sentiment,
)
NAMES = [check.__name__.removeprefix("check_") for check in CHECKS]


@pytest.fixture(scope="module")
def small() -> Market:
    return Market(simulated_trades(40_000, seed=3), "1m", 997)


@pytest.fixture(scope="module")
def million() -> Market:
    return Market(simulated_trades(1_000_000, seed=3), "1m", 5_000)


@pytest.fixture(scope="module")
def recorded(recordings: Path) -> Market:
    tape = Phemex(recordings).tape()
    (step,) = split(tape, [], tape[-1].time)
    return Market(step.batches["trades"], "10s", 97)


@pytest.mark.parametrize("check", CHECKS[:4], ids=NAMES[:4])
def test_simulated_trades(check: Callable[[Market], None], small: Market) -> None:
    check(small)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=NAMES)
def test_a_million_simulated_trades(check: Callable[[Market], None], million: Market) -> None:
    check(million)


@pytest.mark.golden
@pytest.mark.parametrize("check", CHECKS[:4], ids=NAMES[:4])
def test_recorded_trades(check: Callable[[Market], None], recorded: Market) -> None:
    check(recorded)


def test_the_indicators_are_all_compared() -> None:
    compared = {indicator.name for indicator in REFERENCE} | set(OWN)
    assert set(INDICATORS) - compared == {"SUPERTREND"}  # by its rules, of TA-Lib's ATR: indicators/test_own.py
