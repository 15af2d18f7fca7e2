"""The statistics of trades once more, by pandas and NumPy over whole columns: what the operators must equal."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from tests.operators.tape import MINUTE, SECOND

from fulltape.operators.changes import PARTS, PERIODS_S
from fulltape.records import AggressorSide, Array, Batch

DAY = 86_400 * SECOND
HALF = MINUTE // 2


def tick_figures(rows: pd.DataFrame) -> Mapping[str, Array]:
    """Return the figures after each tick of one instrument; rows in order of time, none late."""
    price = rows["price"]
    ewm = price.ewm(span=10, adjust=False)
    five = np.lib.stride_tricks.sliding_window_view(price.to_numpy(), 5)
    first = [price[: i + 1] for i in range(4)]
    std = np.r_[[part.std() for part in first], five.std(axis=1, ddof=1)]
    side = rows["aggressor_side"]
    signed = rows["size"] * ((side == AggressorSide.BUY).astype(float) - (side == AggressorSide.SELL))
    high = price.cummax()
    vwap, vwap_std = _sessions(rows)
    return {
        "ewma_10t": ewm.mean(),
        "ewma_10t_std": ewm.std(),
        "ewma_10t_variance": ewm.var(),
        "rolling_mean_5t": np.r_[[part.mean() for part in first], five.mean(axis=1)],
        "rolling_std_5t": std,
        "rolling_variance_5t": std**2,
        "change_1t": price.pct_change() * 100,
        "all_time_high": high,
        "all_time_high_distance": (price / high - 1) * 100,
        "cvd": signed.astype(np.longdouble).cumsum().astype(float),
        "vwap_session": vwap,
        "vwap_session_std": vwap_std,
    }


def _sessions(rows: pd.DataFrame) -> tuple[Array, Array]:
    """Return VWAP and its deviation since midnight: in long doubles, less the first price, so that nothing cancels."""
    off = (rows["price"] - rows["price"].iloc[0]).to_numpy(np.longdouble)
    size = rows["size"].to_numpy(np.longdouble)
    vwap, std = np.empty(len(rows)), np.empty(len(rows))
    for day in np.unique(rows["event_time"] // DAY):
        mine = (rows["event_time"] // DAY == day).to_numpy()
        weight = size[mine].cumsum()
        mean = (size[mine] * off[mine]).cumsum() / weight
        square = (size[mine] * off[mine] ** 2).cumsum() / weight - mean**2
        vwap[mine] = mean + rows["price"].iloc[0]
        std[mine] = np.sqrt(np.maximum(square, 0))
    return vwap, std


def changes(rows: pd.DataFrame, ticks: Batch) -> Mapping[str, Array]:
    """Return the changes over time of rows of ticks, looked up in the trades: the last one of each part of a period."""
    time, found = ticks["event_time"], {}
    for name, seconds in PERIODS_S.items():
        period = seconds * SECOND
        parts = rows["event_time"] // (period // PARTS)
        memory = rows.groupby(parts)[["event_time", "price"]].last().reset_index(drop=True)
        asked = pd.DataFrame({"event_time": time - period, "now": ticks["price"]})
        back = pd.merge_asof(asked, memory, on="event_time", tolerance=period)
        found[name] = np.asarray(100.0 * (back["now"] / back["price"] - 1.0))
    return found


def windows(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the windows of one instrument by their start; what is of the minute is NaN where they begin at :30."""
    halves = [_by_window(rows, 0), _by_window(rows, HALF)[["trades", "mean_60s_30s"]]]
    return pd.concat(halves).sort_index()


def _by_window(rows: pd.DataFrame, offset: int) -> pd.DataFrame:
    start = (rows["event_time"] - offset) // MINUTE * MINUTE + offset
    buy, sell = (rows["aggressor_side"] == side for side in (AggressorSide.BUY, AggressorSide.SELL))
    rows = rows.assign(
        bought=rows["size"].where(buy, 0.0), sold=rows["size"].where(sell, 0.0), buy=buy, sell=sell,
        value=rows["price"] * rows["size"],
    )  # fmt: skip
    by = rows.groupby(start)
    out = pd.DataFrame({"trades": by.size(), "mean_60s_30s": by["price"].mean(), "volatility_1m": by["price"].std()})
    out["volume"], out["taker_buy_volume"], out["taker_sell_volume"] = (
        by["size"].sum(),
        by["bought"].sum(),
        by["sold"].sum(),
    )
    out["taker_buys"], out["taker_sells"] = by["buy"].sum(), by["sell"].sum()
    out["delta"] = out["taker_buy_volume"] - out["taker_sell_volume"]
    out["taker_buy_ratio"] = out["taker_buy_volume"] / (out["taker_buy_volume"] + out["taker_sell_volume"])
    out["trade_imbalance"] = (out["taker_buys"] - out["taker_sells"]) / (out["taker_buys"] + out["taker_sells"])
    out["vwap"] = by["value"].sum() / out["volume"]
    squares = rows["size"] * (rows["price"] - start.map(out["vwap"])) ** 2
    out["vwap_std"] = np.sqrt(squares.groupby(start).sum() / out["volume"])
    closes = rows.groupby([start.rename("start"), rows["event_time"] // SECOND])["price"].last()
    returns = np.log(closes).groupby("start").diff()
    count = closes.groupby("start").size()
    out["realised_volatility"] = np.sqrt((returns**2).groupby("start").sum() * 365 * 24 * 60).where(count > 1)
    return out
