"""Reads of the store for the stream: where things stand, and what a client has missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fulltape.api.catalogue import Catalogue
from fulltape.api.config import ApiConfig
from fulltape.api.indicator_key import IndicatorKey
from fulltape.api.live_indicators import encoded
from fulltape.api.messages import commit_text, snapshot_text
from fulltape.api.paging import MAX_LIMIT, PageQuery
from fulltape.api.subscription import INDICATORS, Wants
from fulltape.api.warm import read_indicator
from fulltape.clock import SECOND_NS
from fulltape.records import (
    ACTIVITY_BARS,
    ALERTS,
    CANDLES,
    COVERAGE,
    DEPTHS,
    QUOTE_STATS,
    TRADES,
    WINDOWS,
    Batch,
    CoverageState,
    InstrumentTable,
    Schema,
)
from fulltape.records.codec import encode
from fulltape.records.columns import NULL_INT
from fulltape.stores.base import Reader, Selection

_DAY_NS = 86_400 * SECOND_NS
_NEWEST = (TRADES, WINDOWS, ACTIVITY_BARS, QUOTE_STATS, DEPTHS)
"""Kinds of which a snapshot holds the newest rows of each instrument."""


@dataclass(frozen=True, slots=True)
class Caught:
    """What brings a client up to ``commit``: messages to send before any later commit."""

    commit: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StreamReader:
    """Reads on behalf of stream clients, in a worker thread."""

    reader: Reader
    catalogue: Catalogue
    config: ApiConfig

    def snapshot(self, wants: Wants, simulated: bool) -> Caught:
        """Return the snapshot message and the commit that it shows, all read from one state of the store."""
        with self.reader.pinned():
            number, clock = self.reader.last_commit()
            table = self.catalogue.table()
            codes = range(len(table)) if wants.codes is None else sorted(wants.codes)
            batches = [
                (schema, batch)
                for schema in wants.schemas
                for batch in [self._standing(schema, wants, tuple(codes), clock)]
                if batch is not None
            ]
            followed = self._indicators({key: None for key in wants.indicators})
        parts = [(schema.name, _rows([batch], table)) for schema, batch in batches]
        if wants.indicators:
            parts.append((INDICATORS, followed))
        instruments = [table[code] for code in codes]
        return Caught(number, (snapshot_text(number, clock, simulated, instruments, parts),))

    def missed(self, wants: Wants, since: int) -> Caught | None:
        """Return what was committed after ``since``, or None if that is too much or the store never had ``since``."""
        room = self.config.resume_records
        with self.reader.pinned():
            number, clock = self.reader.last_commit()
            if since > number:
                return None
            batches: list[tuple[Schema, list[Batch]]] = []
            for schema in wants.schemas:
                batches.append((schema, self._after(schema, wants, since, room + 1)))
                room -= sum(map(len, batches[-1][1]))
                if room < 0:
                    return None
            changed = self._changed(wants, since)
            if changed is None:
                return None
            followed = self._indicators(changed)
        table = self.catalogue.table()
        parts = [(schema.name, _rows(group, table)) for schema, group in batches if any(map(len, group))]
        if followed:
            parts.append((INDICATORS, followed))
        return Caught(number, (commit_text(number, clock, parts),) if parts else ())

    def _standing(self, schema: Schema, wants: Wants, codes: tuple[int, ...], clock: int) -> Batch | None:
        if schema is CANDLES:
            keys = [(code, interval) for code in codes for interval in sorted(wants.intervals)]
            newest = [self._newest(CANDLES, code, self.config.snapshot_candles, interval) for code, interval in keys]
            return Batch.concat(newest or [schema.empty()])
        if schema in _NEWEST:
            newest = [self._newest(schema, code, self.config.snapshot_trades) for code in codes]
            return Batch.concat(newest or [schema.empty()])
        if schema is ALERTS:
            newest_first = Selection(ALERTS, _filter(wants), newest_first=True, limit=self.config.snapshot_alerts)
            return self.reader.read(newest_first).take(slice(None, None, -1))
        if schema is COVERAGE:
            return _unsettled(self.reader.read(Selection(COVERAGE, _filter(wants))), clock)
        if schema.latest:
            return self.reader.read(Selection(schema, _filter(wants)))
        return None

    def _indicators(self, since: Mapping[IndicatorKey, int | None]) -> bytes:
        """Return the values of indicators at final candles from a start on, or the newest, as JSON joined by commas."""
        table, rows = self.catalogue.table(), list[bytes]()
        for key, start in since.items():
            limit = self.config.snapshot_candles if start is None else MAX_LIMIT
            page = PageQuery(start, None, limit, None, newest_first=start is None)
            of = key.of
            candles, columns, _ = read_indicator(self.reader, key.code, of.interval_s, page, of.indicator, of.values)
            told = np.flatnonzero(candles["is_final"])
            told = told[np.argsort(candles["start"][told])]
            values = {name: array[told] for name, array in columns.items()}
            rows += encoded(key, candles["start"][told], values, table).values()
        return b",".join(rows)

    def _changed(self, wants: Wants, since: int) -> dict[IndicatorKey, int] | None:
        """Return from which start on indicators have changed after a commit; None if that is too far back."""
        found: dict[IndicatorKey, int] = {}
        for key in wants.indicators:
            selection = Selection(CANDLES, (key.code,), interval_s=key.of.interval_s)
            changed = self.reader.read(replace(selection, after_commit=since, limit=1))
            if len(changed):
                found[key] = start = int(changed["start"][0])
                if len(self.reader.read(replace(selection, start=start, limit=MAX_LIMIT + 1))) > MAX_LIMIT:
                    return None
        return found

    def _newest(self, schema: Schema, code: int, limit: int, interval_s: int | None = None) -> Batch:
        selection = Selection(schema, (code,), interval_s=interval_s, newest_first=True, limit=limit)
        return self.reader.read(selection).take(slice(None, None, -1))

    def _after(self, schema: Schema, wants: Wants, since: int, limit: int) -> list[Batch]:
        intervals = sorted(wants.intervals) if schema is CANDLES else [None]
        return [
            self.reader.read(Selection(schema, _filter(wants), interval_s=interval, after_commit=since, limit=limit))
            for interval in intervals
        ]


def _filter(wants: Wants) -> tuple[int, ...]:
    return () if wants.codes is None else tuple(sorted(wants.codes))


def _unsettled(coverage: Batch, clock: int) -> Batch:
    """Keep the stretches that have not ended and the gaps of the last 24 h."""
    is_open = coverage["end"] == NULL_INT
    is_recent_gap = (coverage["state"] == CoverageState.GAP) & (coverage["end"] > clock - _DAY_NS)
    return coverage.take(is_open | is_recent_gap)


def _rows(batches: Iterable[Batch], table: InstrumentTable) -> bytes:
    """Return the rows of all batches as JSON joined by commas."""
    return b",".join(encode(batch, table)[1:-1] for batch in batches if len(batch))
