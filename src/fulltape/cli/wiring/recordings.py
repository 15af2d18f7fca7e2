"""Recordings to replay, and what their HTTP answers mean to the venue."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from fulltape.capture.line import Direction, Line
from fulltape.capture.reader import read_recording
from fulltape.capture.replayer import ReplaySource
from fulltape.engine.pipeline.symbols import AnySymbols
from fulltape.records import Instrument, InstrumentTable
from fulltape.records.frames import Connection
from fulltape.venues.base import (
    Venue,
    answer_frame,
)
from fulltape.venues.registry import venue, venues_of_frame, venues_of_url

_LOOKED_AT = 1_000  # lines of a recording


def replay_source(paths: Sequence[Path], *, venue_name: str | None, speed: float | None) -> ReplaySource:
    """Return what to replay; ``venue_name`` serves where a recording does not tell. Raises ConfigError."""
    name = venue(venue_name).spec.name if venue_name else None
    return ReplaySource(paths, _venues_of_url, _venues_of_frame, name, speed)


def recorded_instruments(line: Line) -> list[Instrument]:
    """Return the instruments of a recorded HTTP answer, none if it answers another question.

    Raises MalformedFrame.
    """
    source = venue(line.venue)
    if urlsplit(line.url).path != source.instruments_request().path:
        return []
    return source.parse_instruments(line.payload)


def recorded_book(path: Path, line: Line) -> bytes | None:
    """Return the frame of a recorded HTTP answer that is a book, where the stream needs one, else None.

    An answer without an address is the book of the only instrument in the recording at ``path``.
    """
    source, url = venue(line.venue), urlsplit(line.url)
    if not source.spec.books_by_rest:
        return None
    if not url.path and (symbol := _only_symbol(path, source)) is not None:
        return answer_frame(source.book_request(symbol), line.payload)
    if not url.path.startswith(source.book_request("").path.rstrip("/")):
        return None
    return f"GET {url.path}?{url.query}\n".encode() + line.payload


def _only_symbol(path: Path, source: Venue) -> str | None:
    """Return the symbol that all frames at the beginning of a recording are of, None if there are several."""
    table = InstrumentTable()
    symbols = AnySymbols(table, source, lambda one, symbol: one.instrument(symbol))
    parser = source.parser(symbols, Connection("", source.spec.name, replay=True))
    lines = itertools.islice(read_recording(path, lambda _: None), _LOOKED_AT)
    frames = [line for line in lines if line.direction is Direction.RECV]
    parser.parse([line.payload for line in frames], [line.ingest_time for line in frames])
    return table[0].venue_symbol if len(table) == 1 else None


def _venues_of_url(url: str) -> list[str]:
    return [one.spec.name for one in venues_of_url(url)]


def _venues_of_frame(payload: bytes) -> list[str]:
    return [one.spec.name for one in venues_of_frame(payload)]
