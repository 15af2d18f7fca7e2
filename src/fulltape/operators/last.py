"""Last: the newest trade, quote and 24 h figures of each instrument, one row whenever they change."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec
import numpy as np

from fulltape.kernel import kernel
from fulltape.operators.base import Step
from fulltape.operators.newest import AHEAD_NS
from fulltape.records import COINS, LAST_VALUES, QUOTES, TICKERS, TRADES, AggressorSide, Array, Batch
from fulltape.records.columns import NULL_INT

_NAN: Final = float("nan")
_TRADE: Final = ("trade_id", "trade_id_high", "price", "size", "aggressor_side")
_NO_TRADE: Final = {"trade_id": 0, "trade_id_high": 0, "size": _NAN, "aggressor_side": int(AggressorSide.UNKNOWN)}
_QUOTE: Final = ("bid", "bid_size", "ask", "ask_size")
_DAY: Final = ("open_24h", "high_24h", "low_24h", "volume_24h")
_KINDS: Final = {"trade": _TRADE, "quote": _QUOTE, "day": _DAY}
_AHEAD: Final = "_ahead"
"""Ends the name of the place of records whose time is a mistake, beside that of the others."""


@kernel
def newest_rows(instrument: Array, time: Array, order: Array, best: Array) -> None:
    """Write into ``best[y]`` the position of instrument y's newest row by (time, order); it must hold -1."""
    for i in range(len(instrument)):
        j = best[instrument[i]]
        if j < 0 or time[i] > time[j] or (time[i] == time[j] and order[i] >= order[j]):
            best[instrument[i]] = i


class _Held(msgspec.Struct, array_like=True):
    """The newest record of a kind: by (time, order, rank); figures by their names."""

    time: int
    order: int
    rank: int
    ingest: int
    figures: dict[str, int | float]


class Last:
    """The current state of every instrument: newer event times win, whatever order they arrive in.

    Of two trades at one time the higher id wins, of two quotes the one received later. Should even that be equal, a
    trade or quote wins over a ticker, which only tells of it. A record whose time is a mistake
    (`fulltape.operators.newest`) is the last one only until a newer one that is none has been received.
    """

    name = "last"

    def __init__(self) -> None:
        self._held: dict[int, dict[str, _Held]] = {}
        self._changed: set[int] = set()
        self._unsaved: set[int] = set()

    def apply(self, step: Step) -> list[Batch]:
        """Take trades, quotes, tickers and coins, whose rate stands for a price; return what changed."""
        for code, row in _newest(step.batches.get(TRADES.name), "trade_id"):
            self._update(code, row, "trade", row["trade_id"])
        for code, row in _newest(step.batches.get(COINS.name), "ingest_time"):
            self._update(code, {**row, **_NO_TRADE, "price": row["rate"]}, "trade", row["ingest_time"])
        for code, row in _newest(step.batches.get(QUOTES.name), "ingest_time"):
            self._update(code, row, "quote", row["ingest_time"])
        tickers = step.batches.get(TICKERS.name)
        for code, row in _newest(tickers, "trade_id"):
            self._update(code, row, "trade", row["trade_id"], is_ticker=True)
        for code, row in _newest(tickers, "ingest_time"):
            self._update(code, row, "quote", row["ingest_time"], is_ticker=True)
            self._update(code, row, "day", row["ingest_time"], is_ticker=True)
        if not self._changed:
            return []
        codes = sorted(self._changed)
        self._changed.clear()
        return [self._batch(codes)]

    def snapshot(self) -> dict[int, bytes]:
        """Return what is held of each instrument that changed since the last call."""
        unsaved, self._unsaved = self._unsaved, set()
        return {code: msgspec.msgpack.encode(self._held[code]) for code in unsaved}

    def restore(self, states: Mapping[int, bytes]) -> None:
        """Take up where those states ended."""
        for code, data in states.items():
            try:
                self._held[code] = msgspec.msgpack.decode(data, type=dict[str, _Held])
            except msgspec.ValidationError:
                self._held[code] = _flat(msgspec.msgpack.decode(data, type=dict[str, int | float]))

    def forget(self, instruments: Iterable[int]) -> None:
        """Drop what is held of instruments."""
        for code in instruments:
            self._held.pop(code, None)
            self._unsaved.discard(code)

    def _update(self, code: int, row: Mapping[str, float], kind: str, order: float, *, is_ticker: bool = False) -> None:
        """Take a kind's figures of ``row`` unless the ones held are newer, or a ticker says nothing of them."""
        figures = {name: row[name] for name in _KINDS[kind]}
        new = _Held(int(row["event_time"]), int(order), 0 if is_ticker else 1, int(row["ingest_time"]), figures)
        places = self._held.setdefault(code, {})
        place = _place(kind, new)
        held = places.get(place)
        if held is not None and (new.time, new.order, new.rank) < (held.time, held.order, held.rank):
            return
        if is_ticker and all(map(math.isnan, figures.values())):
            return
        places[place] = new
        self._changed.add(code)
        self._unsaved.add(code)

    def _batch(self, codes: list[int]) -> Batch:
        rows = [_row(self._held[code]) for code in codes]
        names = [name for column in LAST_VALUES.columns for name in column.names if name != "instrument"]
        return LAST_VALUES.from_columns({"instrument": codes, **{name: [row[name] for row in rows] for name in names}})


def _place(kind: str, held: _Held) -> str:
    return kind + _AHEAD if held.time > held.ingest + AHEAD_NS else kind


def _row(places: Mapping[str, _Held]) -> dict[str, float]:
    """Return the row of an instrument: of each kind the newest record, one with a mistaken time if it came later."""
    row: dict[str, float] = dict.fromkeys(("price", "size", *_QUOTE, *_DAY), _NAN)
    row |= _NO_TRADE | {"size": _NAN, "trade_time": NULL_INT, "quote_time": NULL_INT}
    newest = (NULL_INT, NULL_INT)
    for kind in _KINDS:
        true, ahead = places.get(kind), places.get(kind + _AHEAD)
        shown = ahead if true is None or (ahead is not None and ahead.ingest > true.ingest) else true
        if shown is not None:
            row |= shown.figures | {f"{kind}_time": shown.time}
            newest = max(newest, (shown.time, shown.ingest))
    row["event_time"], row["ingest_time"] = newest
    return row


def _flat(values: Mapping[str, float]) -> dict[str, _Held]:
    """Return what the state of an older fulltape holds: it had no place for records with a mistaken time."""
    found: dict[str, _Held] = {}
    for kind, names in _KINDS.items():
        time, order, rank = (int(values[f"{kind}_{part}"]) for part in ("time", "order", "rank"))
        if time != NULL_INT:
            held = _Held(time, order, rank, int(values["ingest_time"]), {name: values[name] for name in names})
            found[_place(kind, held)] = held
    return found


def _newest(batch: Batch | None, order: str) -> list[tuple[int, dict[str, float]]]:
    """Return (instrument, row) of the newest row of each instrument in a batch, and of those with a mistaken time."""
    if batch is None or not len(batch):
        return []
    ahead = batch["event_time"] > batch["ingest_time"] + AHEAD_NS
    parts = [batch.take(~ahead), batch.take(ahead)] if ahead.any() else [batch]
    return [row for part in parts if len(part) for row in _newest_rows(part, order)]


def _newest_rows(batch: Batch, order: str) -> Iterator[tuple[int, dict[str, float]]]:
    instrument = batch["instrument"]
    best = np.full(int(instrument.max()) + 1, -1, np.int64)
    newest_rows(instrument, batch["event_time"], batch[order], best)
    rows = batch.take(best[best >= 0])
    lists = [column.tolist() for column in rows.columns.values()]
    figures = [dict(zip(rows.columns, row, strict=True)) for row in zip(*lists, strict=True)]
    return zip(rows["instrument"].tolist(), figures, strict=True)
