"""Last: the newest trade, quote and 24 h figures of each instrument, one row whenever they change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import numpy as np

from fulltape.kernel import kernel
from fulltape.operators.base import Step
from fulltape.records import COINS, LAST_VALUES, QUOTES, TICKERS, TRADES, AggressorSide, Array, Batch
from fulltape.records.columns import NULL_INT

_NAN: Final = float("nan")
_TRADE: Final = ("trade_id", "trade_id_high", "price", "size", "aggressor_side")
_NO_TRADE: Final = {"trade_id": 0, "trade_id_high": 0, "size": _NAN, "aggressor_side": int(AggressorSide.UNKNOWN)}
_QUOTE: Final = ("bid", "bid_size", "ask", "ask_size")
_DAY: Final = ("open_24h", "high_24h", "low_24h", "volume_24h")
_KINDS: Final = ("trade", "quote", "day")


@kernel
def newest_rows(instrument: Array, time: Array, order: Array, best: Array) -> None:
    """Write into ``best[y]`` the position of instrument y's newest row by (time, order); it must hold -1."""
    for i in range(len(instrument)):
        j = best[instrument[i]]
        if j < 0 or time[i] > time[j] or (time[i] == time[j] and order[i] >= order[j]):
            best[instrument[i]] = i


class Last:
    """The current state of every instrument: newer event times win, whatever order they arrive in.

    Of two trades at one time the higher id wins, of two quotes the one received later. Should even that be equal, a
    trade or quote wins over a ticker, which only tells of it.
    """

    name = "last"

    def __init__(self) -> None:
        self._values: dict[int, dict[str, int | float]] = {}
        self._changed: set[int] = set()
        self._unsaved: set[int] = set()

    def apply(self, step: Step) -> list[Batch]:
        """Take trades, quotes, tickers and coins, whose rate stands for a price; return what changed."""
        for code, row in _newest(step.batches.get(TRADES.name), "trade_id"):
            self._update(code, row, "trade", row["trade_id"], _TRADE)
        for code, row in _newest(step.batches.get(COINS.name), "ingest_time"):
            self._update(code, {**row, **_NO_TRADE, "price": row["rate"]}, "trade", row["ingest_time"], _TRADE)
        for code, row in _newest(step.batches.get(QUOTES.name), "ingest_time"):
            self._update(code, row, "quote", row["ingest_time"], _QUOTE)
        tickers = step.batches.get(TICKERS.name)
        for code, row in _newest(tickers, "trade_id"):
            self._update(code, row, "trade", row["trade_id"], _TRADE, is_ticker=True)
        for code, row in _newest(tickers, "ingest_time"):
            self._update(code, row, "quote", row["ingest_time"], _QUOTE, is_ticker=True)
            self._update(code, row, "day", row["ingest_time"], _DAY, is_ticker=True)
        if not self._changed:
            return []
        codes = sorted(self._changed)
        self._changed.clear()
        return [self._batch(codes)]

    def snapshot(self) -> dict[int, bytes]:
        """Return the values of each instrument that changed since the last call."""
        unsaved, self._unsaved = self._unsaved, set()
        return {code: msgspec.msgpack.encode(self._values[code]) for code in unsaved}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended."""
        for code, data in states.items():
            self._values[code] = msgspec.msgpack.decode(data, type=dict[str, int | float])

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the values of instruments."""
        for code in instruments:
            self._values.pop(code, None)
            self._unsaved.discard(code)

    def _update(
        self,
        code: int,
        row: Mapping[str, float],
        kind: str,
        order: float,
        names: tuple[str, ...],
        *,
        is_ticker: bool = False,
    ) -> None:
        """Take the named figures of ``row`` unless the ones held are newer, or a ticker says nothing of them."""
        values = self._values.setdefault(code, _empty())
        held = (f"{kind}_time", f"{kind}_order", f"{kind}_rank")
        newer = (row["event_time"], order, 0 if is_ticker else 1)
        if newer < tuple(values[name] for name in held):
            return
        if is_ticker and all(math.isnan(row[name]) for name in names):
            return
        values.update(zip(held, newer, strict=True))
        values.update({name: row[name] for name in names})
        times = (row["event_time"], row["ingest_time"])
        values["event_time"], values["ingest_time"] = max(times, (values["event_time"], values["ingest_time"]))
        self._changed.add(code)
        self._unsaved.add(code)

    def _batch(self, codes: list[int]) -> Batch:
        names = [name for column in LAST_VALUES.columns for name in column.names if name != "instrument"]
        values = {name: [self._values[code][name] for code in codes] for name in names}
        return LAST_VALUES.from_columns({"instrument": codes, **values})


def _empty() -> dict[str, int | float]:
    figures = dict.fromkeys(("price", "size", *_QUOTE, *_DAY), _NAN)
    times = dict.fromkeys((f"{kind}_{part}" for kind in _KINDS for part in ("time", "order", "rank")), NULL_INT)
    return {
        **figures,
        **times,
        "trade_id": 0,
        "trade_id_high": 0,
        "aggressor_side": int(AggressorSide.UNKNOWN),
        "event_time": NULL_INT,
        "ingest_time": NULL_INT,
    }


def _newest(batch: Batch | None, order: str) -> list[tuple[int, dict[str, float]]]:
    """Return (instrument, row) of the newest row of each instrument in a batch."""
    if batch is None or not len(batch):
        return []
    instrument = batch["instrument"]
    best = np.full(int(instrument.max()) + 1, -1, np.int64)
    newest_rows(instrument, batch["event_time"], batch[order], best)
    rows = batch.take(best[best >= 0])
    lists = [column.tolist() for column in rows.columns.values()]
    figures = [dict(zip(rows.columns, row, strict=True)) for row in zip(*lists, strict=True)]
    return list(zip(rows["instrument"].tolist(), figures, strict=True))
