"""Last: the newest trade, quote and 24 h figures of each instrument, one row whenever they change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import numpy as np

from fulltape.kernel import kernel
from fulltape.operators.base import Step
from fulltape.records import LAST_VALUES, QUOTES, TICKERS, TRADES, AggressorSide, Array, Batch
from fulltape.records.columns import NULL_INT

_NAN: Final = float("nan")
_TRADE: Final = ("trade_id", "trade_id_high", "price", "size", "aggressor_side")
_QUOTE: Final = ("bid", "bid_size", "ask", "ask_size")
_DAY: Final = ("open_24h", "high_24h", "low_24h", "volume_24h")


@kernel
def newest_rows(instrument: Array, time: Array, order: Array, best: Array) -> None:
    """Write into ``best[y]`` the position of instrument y's newest row by (time, order); it must hold -1."""
    for i in range(len(instrument)):
        j = best[instrument[i]]
        if j < 0 or time[i] > time[j] or (time[i] == time[j] and order[i] >= order[j]):
            best[instrument[i]] = i


class Last:
    """The current state of every instrument: newer event times win, whatever order they arrive in."""

    name = "last"

    def __init__(self) -> None:
        self._values: dict[int, dict[str, float]] = {}
        self._changed: set[int] = set()
        self._unsaved: set[int] = set()

    def apply(self, step: Step) -> list[Batch]:
        """Take trades, quotes and tickers; return the instruments that changed."""
        for code, row in _newest(step.batches.get(TRADES.name), "trade_id"):
            self._update(code, row, "trade_time", _TRADE)
        for code, row in _newest(step.batches.get(QUOTES.name), "ingest_time"):
            self._update(code, row, "quote_time", _QUOTE)
        for code, row in _newest(step.batches.get(TICKERS.name), "trade_id"):
            self._update(code, row, "trade_time", _TRADE)
            self._update(code, row, "quote_time", _QUOTE)
            self._update(code, row, "day_time", _DAY)
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
            self._values[code] = msgspec.msgpack.decode(data, type=dict[str, float])

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop the values of instruments."""
        for code in instruments:
            self._values.pop(code, None)

    def _update(self, code: int, row: Mapping[str, float], time: str, names: tuple[str, ...]) -> None:
        """Take the named figures of ``row`` unless the ones held are newer."""
        values = self._values.setdefault(code, _empty())
        if row["event_time"] < values[time]:
            return
        if all(row[name] != row[name] for name in names):
            return
        values.update({name: row[name] for name in names})
        values[time] = row["event_time"]
        values["event_time"] = max(values["event_time"], row["event_time"])
        values["ingest_time"] = max(values["ingest_time"], row["ingest_time"])
        self._changed.add(code)
        self._unsaved.add(code)

    def _batch(self, codes: list[int]) -> Batch:
        names = [name for column in LAST_VALUES.columns for name in column.names if name != "instrument"]
        values = {name: [self._values[code][name] for code in codes] for name in names}
        return LAST_VALUES.from_columns({"instrument": codes, **values})


def _empty() -> dict[str, float]:
    figures = dict.fromkeys(("price", "size", *_QUOTE, *_DAY), _NAN)
    times = dict.fromkeys(("trade_time", "quote_time", "day_time"), NULL_INT)
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
    names = tuple(rows.columns)
    lists = [rows[name].tolist() for name in names]
    return [(row[0], dict(zip(names, row, strict=True))) for row in zip(*lists, strict=True)]
