"""The recorder: everything that goes over the connections, to disk, without ever holding up the event loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from fulltape.capture.line import Direction, Line, encode_line
from fulltape.capture.segments import SegmentLimits, SegmentWriter
from fulltape.errors import ConfigError
from fulltape.records.frames import Connection, EventKind, FrameSink, SessionEvent
from fulltape.records.status import RecordingStatus

_FLUSH_S = 0.5

_log = logging.getLogger(__name__)


class Recorder:
    """Writes lines to segments from a thread of its own.

    ``put`` takes a line and returns at once. At most ``queue_bytes`` wait; a line that finds no room is dropped and
    counted. When the disk refuses, what waits and what comes is dropped, `status` says why, live capture goes on, and
    after ``retry_s`` it is tried again. A connection of which lines were dropped begins anew in the recording with its
    next one: so a replay tells the time in between as down. Lines are with the operating system within a second, so
    that a crash of the process loses no more. Raises ConfigError when the directory cannot be made.
    """

    def __init__(
        self, directory: Path, limits: SegmentLimits, *, queue_bytes: int = 64 << 20, retry_s: float = 10.0
    ) -> None:
        try:
            self._segments = SegmentWriter(directory, limits)
        except OSError as error:
            raise ConfigError(f"cannot record to {directory}: {error.strerror}; choose another directory") from None
        self._directory = directory
        self._queue_bytes = queue_bytes
        self._retry_s = retry_s
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._waiting: list[Line] = []
        self._waiting_bytes = 0
        self._is_refused = False
        self._torn: set[tuple[str, str]] = set()
        self._lines = 0
        self._bytes = 0
        self._dropped = 0
        self._error = ""
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def put(self, line: Line) -> None:
        """Take a line to be written. Callable from any thread; never blocks, never raises."""
        size = len(line.payload) + 128
        with self._lock:
            if self._is_refused or self._closing.is_set() or self._waiting_bytes + size > self._queue_bytes:
                self._drop([line])
                return
            if _connection(line) in self._torn:
                self._torn.remove(_connection(line))
                self._waiting.append(_begin_anew(line))
            self._waiting.append(line)
            self._waiting_bytes += size
            is_half_full = self._waiting_bytes * 2 > self._queue_bytes
        if is_half_full:
            self._wake.set()

    def status(self) -> RecordingStatus:
        """Return the counters now."""
        with self._lock:
            return RecordingStatus(lines=self._lines, bytes=self._bytes, dropped=self._dropped, detail=self._error)

    def close(self) -> None:
        """Write what waits, end the segment and stop the thread."""
        with self._lock:
            self._closing.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait(_FLUSH_S)
            self._wake.clear()
            with self._lock:
                lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
                is_closing = self._closing.is_set()
            try:
                if lines:
                    self._write(lines)
                if is_closing:
                    self._segments.close()
            except OSError as error:
                self._refuse(error, lines)
                self._closing.wait(self._retry_s)
                with self._lock:
                    self._is_refused = False
            if is_closing:
                return

    def _write(self, lines: list[Line]) -> None:
        written = self._segments.write(b"".join(map(encode_line, lines)), lines[0].ingest_time)
        with self._lock:
            self._lines += len(lines)
            self._bytes += written
            error, self._error = self._error, ""
        if error:
            _log.warning("recording to %s goes on, %d lines are missing", self._directory, self._dropped)

    def _refuse(self, error: OSError, lines: list[Line]) -> None:
        reason = error.strerror or str(error)
        message = f"nothing is recorded to {self._directory}: {reason}; it goes on when there is room"
        if not self._error:
            _log.warning("%s", message)
        with self._lock:
            self._error = message
            self._is_refused = True
            self._drop(lines)
            self._drop(self._waiting)
            self._waiting, self._waiting_bytes = [], 0

    def _drop(self, lines: Sequence[Line]) -> None:
        self._dropped += len(lines)
        self._torn.update(_connection(line) for line in lines if line.conn)  # answers over HTTP are of none


def _connection(line: Line) -> tuple[str, str]:
    return line.venue, line.conn


def _begin_anew(line: Line) -> Line:
    """Return what says that a connection is recorded again from a line on."""
    return Line(Direction.CONNECT, line.ingest_time, b"", line.conn, line.venue, simulated=line.simulated)


class Tee:
    """A frame sink that records what it passes on. Bounds and waiting are those of the sink behind it."""

    def __init__(self, sink: FrameSink, recorder: Recorder) -> None:
        self._sink = sink
        self._recorder = recorder

    def frame(self, connection: Connection, payload: bytes, ingest_time: int) -> None:
        """Record a frame and pass it on."""
        self._recorder.put(_line(Direction.RECV, connection, ingest_time, payload))
        self._sink.frame(connection, payload, ingest_time)

    def event(self, event: SessionEvent) -> None:
        """Record a connection event and pass it on."""
        direction = Direction.CONNECT if event.kind is EventKind.CONNECTED else Direction.DISCONNECT
        self._recorder.put(_line(direction, event.connection, event.ingest_time, event.detail.encode()))
        self._sink.event(event)

    @property
    def is_full(self) -> bool:
        """Whether the sink behind is full."""
        return self._sink.is_full

    async def drained(self) -> None:
        """Return when the sink behind has room again."""
        await self._sink.drained()


def _line(direction: Direction, connection: Connection, ingest_time: int, payload: bytes) -> Line:
    return Line(direction, ingest_time, payload, connection.name, connection.venue, simulated=connection.simulated)
