"""Reads of the store for the stream: where things stand, and what a client has missed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fulltape.api.catalogue import Catalogue
from fulltape.api.config import ApiConfig
from fulltape.api.messages import commit_text, snapshot_text
from fulltape.api.subscription import Wants
from fulltape.clock import SECOND_NS
from fulltape.records import CANDLES, COVERAGE, TRADES, Batch, CoverageState, InstrumentTable, Schema
from fulltape.records.codec import encode
from fulltape.records.columns import NULL_INT
from fulltape.stores.base import Reader, Selection

_DAY_NS = 86_400 * SECOND_NS


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
        parts = [(schema.name, _rows([batch], table)) for schema, batch in batches]
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
        table = self.catalogue.table()
        parts = [(schema.name, _rows(group, table)) for schema, group in batches if any(map(len, group))]
        return Caught(number, (commit_text(number, clock, parts),) if parts else ())

    def _standing(self, schema: Schema, wants: Wants, codes: tuple[int, ...], clock: int) -> Batch | None:
        if schema is CANDLES:
            keys = [(code, interval) for code in codes for interval in sorted(wants.intervals)]
            newest = [self._newest(CANDLES, code, self.config.snapshot_candles, interval) for code, interval in keys]
            return Batch.concat(newest or [schema.empty()])
        if schema is TRADES:
            newest = [self._newest(TRADES, code, self.config.snapshot_trades) for code in codes]
            return Batch.concat(newest or [schema.empty()])
        if schema is COVERAGE:
            return _unsettled(self.reader.read(Selection(COVERAGE, _filter(wants))), clock)
        if schema.latest:
            return self.reader.read(Selection(schema, _filter(wants)))
        return None

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
