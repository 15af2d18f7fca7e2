"""Stream messages: each commit is encoded once for all clients.

A commit's rows are encoded when the first client wants them, one chunk of JSON per (kind, instrument, interval).
A message joins the chunks of what a client wants, and clients that want the same get the same text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fulltape.api.subscription import Wants
from fulltape.api.wire import encode
from fulltape.clock import format_rfc3339
from fulltape.records import Batch, Commit, Instrument
from fulltape.records.batch import InstrumentCodes
from fulltape.records.codec import encode_rows

Chunks = Mapping[tuple[int, int], bytes]
"""JSON rows joined by commas, by (instrument code, interval in seconds or 0)."""


class CommitMessage:
    """One commit as messages to clients. Used on the event loop only."""

    __slots__ = ("_chunks", "_codes", "_commit", "_texts")

    def __init__(self, commit: Commit, codes: InstrumentCodes) -> None:
        self._commit = commit
        self._codes = codes
        self._chunks: dict[str, Chunks] = {}
        self._texts: dict[Wants, str | None] = {}

    @property
    def number(self) -> int:
        """The commit's number."""
        return self._commit.number

    def text(self, wants: Wants) -> str | None:
        """Return the message for a client, or None if the commit holds nothing that it wants."""
        if wants not in self._texts:
            self._texts[wants] = self._join(wants)
        return self._texts[wants]

    def _join(self, wants: Wants) -> str | None:
        parts = [(schema.name, self._rows(schema.name, wants)) for schema in wants.schemas]
        parts = [(name, rows) for name, rows in parts if rows]
        new = [i for code, i in self._commit.instruments.items() if wants.codes is None or code in wants.codes]
        if not parts and not new:
            return None
        return commit_text(self._commit.number, self._commit.clock, parts, new)

    def _rows(self, kind: str, wants: Wants) -> bytes:
        batch = self._commit.batches.get(kind)
        if batch is None or not len(batch):
            return b""
        if kind not in self._chunks:
            self._chunks[kind] = split_rows(batch, self._codes)
        chunks = self._chunks[kind]
        return b",".join(
            rows
            for (code, interval), rows in chunks.items()
            if (wants.codes is None or code in wants.codes) and (not interval or interval in wants.intervals)
        )


def split_rows(batch: Batch, codes: InstrumentCodes) -> Chunks:
    """Encode a batch and group its rows by instrument and interval, their order kept."""
    instruments = batch["instrument"].tolist()
    intervals = batch["interval"].tolist() if "interval" in batch.columns else [0] * len(batch)
    groups: dict[tuple[int, int], list[bytes]] = {}
    for code, interval, row in zip(instruments, intervals, encode_rows(batch, codes), strict=True):
        groups.setdefault((code, interval), []).append(row)
    return {key: b",".join(rows) for key, rows in groups.items()}


def commit_text(
    number: int, clock: int, parts: Iterable[tuple[str, bytes]], instruments: Iterable[Instrument] = ()
) -> str:
    """Return a commit message from its kinds' joined rows, and the instruments it adds or changes."""
    head = b'{"type":"commit","commit":%d,"clock":"%b"' % (number, format_rfc3339(clock).encode())
    new = list(instruments)
    if new:
        head += b',"instruments":%b' % encode(new)
    return (head + _fields(parts) + b"}").decode()


def snapshot_text(
    number: int, clock: int, simulated: bool, instruments: Iterable[Instrument], parts: Iterable[tuple[str, bytes]]
) -> str:
    """Return a snapshot message from its kinds' joined rows."""
    head = b'{"type":"snapshot","commit":%d,"clock":"%b","simulated":%b,"instruments":%b' % (
        number,
        format_rfc3339(clock).encode(),
        encode(simulated),
        encode(list(instruments)),
    )
    return (head + _fields(parts) + b"}").decode()


def status_text(status: bytes) -> str:
    """Return a status message from an encoded status."""
    return (b'{"type":"status","status":%b}' % status).decode()


def notice_text(kind: str, detail: str) -> str:
    """Return an ``error`` or ``reset`` message."""
    return encode({"type": kind, "detail": detail}).decode()


def _fields(parts: Iterable[tuple[str, bytes]]) -> bytes:
    return b"".join(b',"%b":[%b]' % (name.encode(), rows) for name, rows in parts)
