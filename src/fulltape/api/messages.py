"""Stream messages: each commit is encoded once for all clients.

A commit's rows are encoded when the first client wants them, one chunk of JSON per (kind, instrument, interval).
A message joins the chunks of what a client wants, and clients that want the same get the same text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from websockets.frames import Frame, Opcode

from fulltape.api.indicator_key import IndicatorKey
from fulltape.api.subscription import CONFLATED, INDICATORS, Wants
from fulltape.api.wire import encode
from fulltape.clock import format_rfc3339
from fulltape.records import Batch, Commit, Instrument
from fulltape.records.batch import InstrumentCodes
from fulltape.records.codec import encode_rows

Chunks = Mapping[tuple[int, int], Sequence[bytes]]
"""JSON rows by (instrument code, interval in seconds or 0)."""


class Text(str):
    """A message, and the WebSocket frame that carries it: frames of a server have no mask, so all clients get the same.

    Framing a message anew for each of a thousand clients costs more than sending it. ``commit_at`` is when the oldest
    commit in it was published, by the event loop's clock.
    """

    commit_at: float | None = None

    @cached_property
    def frame(self) -> bytes:
        """The one text frame that holds the message."""
        return Frame(Opcode.TEXT, self.encode()).serialize(mask=False)


class CommitMessage:
    """One commit as messages to clients. Used on the event loop only."""

    __slots__ = ("_at", "_chunks", "_codes", "_commit", "_indicators", "_texts")

    def __init__(self, commit: Commit, codes: InstrumentCodes, at: float | None = None) -> None:
        self._commit = commit
        self._at = at
        self._codes = codes
        self._chunks: dict[str, Chunks] = {}
        self._indicators: dict[IndicatorKey, Mapping[int, bytes]] = {}
        self._texts: dict[Wants, Text | None] = {}

    @property
    def number(self) -> int:
        """The commit's number."""
        return self._commit.number

    def batch(self, kind: str) -> Batch | None:
        """Return the commit's rows of a kind."""
        return self._commit.batches.get(kind)

    def add_indicator(self, key: IndicatorKey, rows: Mapping[int, bytes]) -> None:
        """Add the rows of an indicator by their start, in order of time."""
        self._indicators[key] = rows
        self._texts.clear()

    def text(self, wants: Wants) -> Text | None:
        """Return the message for a client, or None if the commit holds nothing that it wants."""
        if wants not in self._texts:
            self._texts[wants] = self._join(wants)
        return self._texts[wants]

    def _join(self, wants: Wants) -> Text | None:
        found = ((schema.name, self._rows(schema.name, wants)) for schema in wants.schemas)
        parts = [(name, b",".join(row for group in groups.values() for row in group)) for name, groups in found]
        followed = [row for key in wants.indicators for row in self._indicators.get(key, {}).values()]
        parts = [(name, rows) for name, rows in (*parts, (INDICATORS, b",".join(followed))) if rows]
        new = self._new(wants)
        if not parts and not new:
            return None
        return self._at_it(commit_text(self._commit.number, self._commit.clock, parts, new))

    def _at_it(self, text: Text) -> Text:
        text.commit_at = self._at
        return text

    def _new(self, wants: Wants) -> list[Instrument]:
        return [i for code, i in self._commit.instruments.items() if wants.codes is None or code in wants.codes]

    def _rows(self, kind: str, wants: Wants) -> Chunks:
        """Return the rows of a kind that a client wants."""
        batch = self._commit.batches.get(kind)
        if batch is None or not len(batch):
            return {}
        if kind not in self._chunks:
            self._chunks[kind] = split_rows(batch, self._codes)
        return {
            (code, interval): rows
            for (code, interval), rows in self._chunks[kind].items()
            if (wants.codes is None or code in wants.codes) and (not interval or interval in wants.intervals)
        }

    @classmethod
    def joined(cls, messages: Sequence[CommitMessage], wants: Wants) -> Text | None:
        """Return one message for commits that follow each other, for a client that reads slowly.

        It holds every row, but of kinds that are conflated the newest of each instrument, and of indicators the newest
        of each candle; ``merged`` counts the rows of each kind that these stand for.
        """
        parts: list[tuple[str, bytes]] = []
        merged: Counter[str] = Counter()
        for schema in wants.schemas:
            groups: dict[tuple[int, int], list[bytes]] = {}
            for message in messages:
                for key, rows in message._rows(schema.name, wants).items():
                    groups.setdefault(key, []).extend(rows)
            if schema.name in CONFLATED and groups:
                merged[schema.name] = sum(len(rows) - 1 for rows in groups.values())
                groups = {key: rows[-1:] for key, rows in groups.items()}
            if groups:
                parts.append((schema.name, b",".join(row for rows in groups.values() for row in rows)))
        followed: list[bytes] = []
        for indicator in wants.indicators:
            told = [message._indicators.get(indicator, {}) for message in messages]
            kept = {start: row for rows in told for start, row in rows.items()}
            merged[INDICATORS] += sum(map(len, told)) - len(kept)
            followed += kept.values()
        if followed:
            parts.append((INDICATORS, b",".join(followed)))
        new = [instrument for message in messages for instrument in message._new(wants)]
        if not parts and not new:
            return None
        newest = messages[-1]._commit
        return messages[0]._at_it(commit_text(newest.number, newest.clock, parts, new, +merged))


def split_rows(batch: Batch, codes: InstrumentCodes) -> Chunks:
    """Encode a batch and group its rows by instrument and interval, their order kept."""
    instruments = batch["instrument"].tolist()
    intervals = batch["interval"].tolist() if "interval" in batch.columns else [0] * len(batch)
    groups: dict[tuple[int, int], list[bytes]] = {}
    for code, interval, row in zip(instruments, intervals, encode_rows(batch, codes), strict=True):
        groups.setdefault((code, interval), []).append(row)
    return groups


def commit_text(
    number: int,
    clock: int,
    parts: Iterable[tuple[str, bytes]],
    instruments: Iterable[Instrument] = (),
    merged: Mapping[str, int] | None = None,
) -> Text:
    """Return a commit message from its kinds' joined rows, and the instruments it adds or changes.

    ``merged`` says how many rows of a kind those that are sent stand for.
    """
    head = b'{"type":"commit","commit":%d,"clock":"%b"' % (number, format_rfc3339(clock).encode())
    new = list(instruments)
    if new:
        head += b',"instruments":%b' % encode(new)
    if merged:
        head += b',"merged":%b' % encode(merged)
    return Text((head + _fields(parts) + b"}").decode())


def snapshot_text(
    number: int, clock: int, simulated: bool, instruments: Iterable[Instrument], parts: Iterable[tuple[str, bytes]]
) -> Text:
    """Return a snapshot message from its kinds' joined rows."""
    head = b'{"type":"snapshot","commit":%d,"clock":"%b","simulated":%b,"instruments":%b' % (
        number,
        format_rfc3339(clock).encode(),
        encode(simulated),
        encode(list(instruments)),
    )
    return Text((head + _fields(parts) + b"}").decode())


def status_text(status: bytes) -> Text:
    """Return a status message from an encoded status."""
    return Text((b'{"type":"status","status":%b}' % status).decode())


def notice_text(kind: str, detail: str) -> Text:
    """Return an ``error`` or ``reset`` message."""
    return Text(encode({"type": kind, "detail": detail}).decode())


def _fields(parts: Iterable[tuple[str, bytes]]) -> bytes:
    return b"".join(b',"%b":[%b]' % (name.encode(), rows) for name, rows in parts)
