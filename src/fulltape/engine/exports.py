"""Candles as CSV files that are kept up to date: ``data/5_min_crypto_data.csv`` and its like.

Each file is made anew from the stored candles of a minute and takes the old one's place whole, so that nobody ever
reads half of it, a late trade is in it with the next minute, and a file of 5 minutes never disagrees with that of one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from fulltape.clock import SECOND_NS, Clock
from fulltape.engine.config import ExportsConfig
from fulltape.errors import FulltapeError
from fulltape.operators.rollup import roll_up
from fulltape.records import CANDLES, Array, Batch, Instrument
from fulltape.records.columns import NULL_INT
from fulltape.stores.base import Reader, Selection
from fulltape.stores.export import write_whole

_log = logging.getLogger(__name__)
_MINUTE_S: Final = 60
_MINUTE_NS: Final = _MINUTE_S * SECOND_NS
_DAY_NS: Final = 86_400 * SECOND_NS
_SETTLED_NS: Final = 10 * SECOND_NS  # until then a minute may wait for late trades


class CsvFiles:
    """Writes ``N_min_crypto_data.csv`` for each N of the configuration."""

    def __init__(
        self,
        config: ExportsConfig,
        reader: Callable[[], Reader],
        instruments: Callable[[], tuple[Instrument, ...]],
        clock: Clock,
    ) -> None:
        self._config = config
        self._directory = Path(config.csv_dir)
        self._reader = reader
        self._instruments = instruments
        self._clock = clock

    async def keep(self) -> None:
        """Write the files shortly after each full minute, for ever; what cannot be written is logged and tried anew."""
        while True:
            try:
                await asyncio.to_thread(self.write)
            except (FulltapeError, OSError) as error:
                _log.warning("CSV files: %s", error)
            await asyncio.sleep(self.wait_ns() / SECOND_NS)

    def write(self) -> None:
        """Write every file. Raises ConfigError or OSError if that cannot be done."""
        self._directory.mkdir(parents=True, exist_ok=True)
        now = self._clock.now_ns()
        reader = self._reader()
        try:
            minutes = reader.read(
                Selection(CANDLES, interval_s=_MINUTE_S, start=now - int(self._config.csv_days * _DAY_NS), end=now)
            )
        finally:
            reader.close()
        names = _names(self._instruments())
        for length in self._config.csv_minutes:
            table = csv_table(roll_up(minutes, length * _MINUTE_S), names, now)
            write_whole(table.to_reader(), self._directory / f"{length}_min_crypto_data.csv")

    def wait_ns(self) -> int:
        """Return how long it is until the next minute has passed and settled."""
        return _MINUTE_NS - (self._clock.now_ns() - _SETTLED_NS) % _MINUTE_NS


def csv_table(candles: Batch, names: Array, now: int) -> pa.Table:
    """Return the final candles with prices whose windows ended by ``now`` (ns), by time and symbol; times are UTC."""
    length = candles["interval"].astype(np.int64) * SECOND_NS
    ends = candles["start"] + length
    kept = np.flatnonzero(candles["is_final"] & ~np.isnan(candles["open"]) & (ends <= now))
    symbols = names[candles["instrument"][kept]]
    order = np.lexsort((symbols, candles["start"][kept]))
    rows, symbols = candles.take(kept[order]), symbols[order]
    trades = rows["trades"]
    return pa.table(
        {
            "start_time": _texts(rows["start"]),
            "end_time": _texts(ends[kept[order]]),
            "symbol": pa.array(symbols.tolist(), pa.string()),
            **{name: rows[name] for name in ("open", "high", "low", "close", "volume")},
            "trade_count": pa.array(trades, pa.int64(), mask=trades == NULL_INT),
        }
    )


def _names(instruments: Iterable[Instrument]) -> Array:
    """Return what each instrument is called, by code: the venue's symbol, or its id if several venues use that."""
    rows = tuple(instruments)
    uses = Counter(row.venue_symbol for row in rows)
    return np.array([row.venue_symbol if uses[row.venue_symbol] == 1 else row.id for row in rows], object)


def _texts(times: Array) -> pa.Array:
    """Return ``2026-11-20 12:00:00`` of times in ns."""
    texts = np.datetime_as_string(times.view("M8[ns]"), unit="s")
    return pa.array([text.replace("T", " ") for text in texts.tolist()], pa.string())
