"""The replayer: a recording through the very same sink that live sessions feed."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fulltape.capture.line import Direction, Line
from fulltape.capture.reader import Problem, merge_recordings
from fulltape.capture.whose import VenueFinder
from fulltape.clock import SECOND_NS, Clock
from fulltape.records.frames import Connection, EventKind, FrameSink, SessionEvent

_READ_AHEAD = 512
_KEPT_PROBLEMS = 100


class Sleep(Protocol):
    """Waits, as `asyncio.sleep` does."""

    def __call__(self, delay: float, /) -> Awaitable[None]:
        """Wait ``delay`` seconds."""
        ...


@dataclass(slots=True)
class ReplayReport:
    """What a replay did: frames fed, and what it could not use, counted by reason; the first problems in words."""

    frames: int = 0
    first_time: int = 0
    last_time: int = 0
    unusable: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def add(self, problem: Problem) -> None:
        """Count a problem and keep it if it is among the first."""
        self.unusable[problem.reason] += 1
        if len(self.problems) < _KEPT_PROBLEMS:
            self.problems.append(problem)


@dataclass(slots=True)
class _Route:
    connection: Connection
    path: Path
    last_time: int
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class ReplaySource:
    """What to replay. ``venue`` serves where nothing in the recording tells whose it is.

    ``venues_of_url`` and ``venues_of_frame`` name the venues that an address or a frame may be of: none, one, or
    several that share it. ``speed`` is a multiple of the recorded pace, or None for as fast as the sink takes it.
    """

    paths: Sequence[Path]
    venues_of_url: Callable[[str], Sequence[str]]
    venues_of_frame: Callable[[bytes], Sequence[str]] = lambda _: ()
    venue: str | None = None
    speed: float | None = None


class Replayer:
    """Feeds recordings to a sink: frames and connection events in order of receipt.

    A connection begins with its ``connect`` line, or with its first frame where the recording has none. It ends with
    its ``disconnect`` line, where a crash was followed by a new ``connect``, or (ENDED) with the recording. Bodies of
    HTTP answers go to ``take_http`` with their file; a frame that it returns joins those of the file's connection to
    the venue. Bad lines are counted and skipped.
    """

    def __init__(
        self,
        source: ReplaySource,
        sink: FrameSink,
        take_http: Callable[[Path, Line], bytes | None],
        *,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.report = ReplayReport()
        self._source = source
        self._sink = sink
        self._take_http = take_http
        self._clock = clock
        self._sleep = sleep
        self._routes: dict[tuple[str, str], _Route] = {}
        self._finder = VenueFinder(source.venues_of_url, source.venues_of_frame, source.venue)
        self._names: set[str] = set()
        self._wall_start = 0

    async def run(self) -> ReplayReport:
        """Replay everything and return what became of it."""
        entries = merge_recordings(self._source.paths, self.report.add)
        # Reading and decompressing happen off the loop, a few hundred lines ahead.
        while batch := await asyncio.to_thread(_take, entries):
            for path, line in batch:
                if line is None:
                    self._end_file(path)
                    continue
                await self._pace(line.ingest_time)
                self._feed(path, line)
                if self._sink.is_full:
                    await self._sink.drained()
        for route in self._routes.values():
            self._disconnect(route, "end of the recording", EventKind.ENDED)
        return self.report

    async def _pace(self, ingest_time: int) -> None:
        if not self.report.first_time:
            self.report.first_time = ingest_time
            self._wall_start = self._clock.now_ns()
        self.report.last_time = max(self.report.last_time, ingest_time)
        if self._source.speed is not None:
            due = (ingest_time - self.report.first_time) / self._source.speed
            wait_s = (due - (self._clock.now_ns() - self._wall_start)) / SECOND_NS
            if wait_s > 0:
                await self._sleep(wait_s)

    def _feed(self, path: Path, line: Line) -> None:
        venue = self._finder.venue_of(path, line)
        if venue is None:
            detail = self._finder.doubt(path) or line.url or "lines without an address"
            self.report.add(Problem(path, 0, "unknown venue", detail))
            return
        if line.direction is Direction.HTTP:
            self._feed_answer(path, line, venue)
            return
        key = (venue, line.conn) if line.venue else (str(path), line.conn)
        route = self._routes.get(key)
        if line.direction is Direction.CONNECT and route is not None:
            self._disconnect(route, "the recording stopped here")
            route = None
        if route is None or not route.is_open:
            if line.direction is Direction.DISCONNECT:
                return
            route = self._connect(key, path, venue, line)
        route.last_time = line.ingest_time
        if line.direction is Direction.RECV:
            self._sink.frame(route.connection, line.payload, line.ingest_time)
            self.report.frames += 1
        elif line.direction is Direction.DISCONNECT:
            self._disconnect(route, line.payload.decode("utf-8", "replace"))

    def _feed_answer(self, path: Path, line: Line, venue: str) -> None:
        frame = self._take_http(path, line if line.venue else _with_venue(line, venue))
        if frame is None or line.venue:
            return  # our own recordings hold the frame itself as well
        for route in self._routes.values():
            if route.is_open and (route.path, route.connection.venue) == (path, venue):
                self._sink.frame(route.connection, frame, line.ingest_time)
                return

    def _connect(self, key: tuple[str, str], path: Path, venue: str, line: Line) -> _Route:
        old = self._routes.get(key)
        name = old.connection.name if old else self._free_name(line.conn or f"{venue}-replay")
        connection = Connection(name, venue, simulated=line.simulated, replay=True)
        route = _Route(connection, path, line.ingest_time)
        self._routes[key] = route
        detail = line.url if line.direction is Direction.CONNECT else "the recording begins inside the connection"
        self._sink.event(SessionEvent(connection, EventKind.CONNECTED, line.ingest_time, detail))
        return route

    def _free_name(self, wanted: str) -> str:
        """Two recordings may use one name for two connections."""
        names = itertools.chain([wanted], (f"{wanted}-{n}" for n in itertools.count(2)))
        name = next(name for name in names if name not in self._names)
        self._names.add(name)
        return name

    def _disconnect(self, route: _Route, detail: str, kind: EventKind = EventKind.DISCONNECTED) -> None:
        if route.is_open:
            route.is_open = False
            self._sink.event(SessionEvent(route.connection, kind, route.last_time, detail))

    def _end_file(self, path: Path) -> None:
        """End the connections that lived in this file only; those of our own segments go on in the next one."""
        for (origin, _), route in self._routes.items():
            if origin == str(path):
                self._disconnect(route, "end of the recording", EventKind.ENDED)


def _take(entries: Iterator[tuple[Path, Line | None]]) -> list[tuple[Path, Line | None]]:
    return list(itertools.islice(entries, _READ_AHEAD))


def _with_venue(line: Line, venue: str) -> Line:
    return Line(line.direction, line.ingest_time, line.payload, line.conn, venue, line.url, line.simulated)
