"""Dead letters of one step: the bytes of what did not become records. A flood is kept in part."""

from __future__ import annotations

from typing import Final

from fulltape.records import DEAD_LETTERS, Batch
from fulltape.records.frames import Chunk
from fulltape.venues.base import Reject

_MAX_RAW: Final = 64 * 1024
_MAX_LETTERS: Final = 1_000


class DeadLetters:
    """Gathers what is rejected."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, int, str, str, bytes]] = []

    def add(self, chunk: Chunk, reject: Reject) -> None:
        """Keep a rejected frame of a chunk, or its beginning, unless there are too many."""
        if len(self._rows) >= _MAX_LETTERS:
            return
        connection, raw = chunk.connection, chunk.payloads[reject.frame]
        detail = reject.detail
        if len(raw) > _MAX_RAW:
            detail += f" (the first {_MAX_RAW} of {len(raw)} bytes)"
        time = chunk.ingest_times[reject.frame]
        self._rows.append((connection.venue, connection.name, time, reject.reason, detail, raw[:_MAX_RAW]))

    def batch(self) -> Batch:
        """Return what was gathered."""
        names = [column.name for column in DEAD_LETTERS.columns]
        columns = zip(*self._rows, strict=True) if self._rows else ([] for _ in names)
        return DEAD_LETTERS.from_columns(dict(zip(names, columns, strict=True)))
