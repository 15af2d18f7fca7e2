"""The recorder: everything that goes over the connections, to disk, without ever holding up the event loop."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec

from fulltape.capture.line import Direction, Line, encode_line
from fulltape.capture.segments import SegmentLimits, SegmentWriter
from fulltape.errors import ConfigError
from fulltape.records.frames import Connection, EventKind, FrameSink, SessionEvent

_FLUSH_S = 0.5


class RecorderStatus(msgspec.Struct, frozen=True):
    """What the recorder has done. ``error`` says why it stopped, or is empty; ``dropped`` lines found no room."""

    lines: int
    bytes_written: int
    dropped: int
    error: str


class Recorder:
    """Writes lines to segments from a thread of its own.

    ``put`` takes a line and returns at once. At most ``queue_bytes`` wait; a line that finds no room is dropped and
    counted. When the disk refuses, the recorder stops for good and says so in `status`; live capture goes on
    without it. Lines are with the operating system within a second, so that a crash of the process loses no more.
    Raises ConfigError when the directory cannot be made.
    """

    def __init__(self, directory: Path, limits: SegmentLimits, *, queue_bytes: int = 64 << 20) -> None:
        try:
            self._segments = SegmentWriter(directory, limits)
        except OSError as error:
            raise ConfigError(f"cannot record to {directory}: {error.strerror}; choose another directory") from None
        self._directory = directory
        self._queue_bytes = queue_bytes
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._waiting: list[Line] = []
        self._waiting_bytes = 0
        self._closing = False
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
            if self._error or self._closing or self._waiting_bytes + size > self._queue_bytes:
                self._dropped += 1
                return
            self._waiting.append(line)
            self._waiting_bytes += size
            is_half_full = self._waiting_bytes * 2 > self._queue_bytes
        if is_half_full:
            self._wake.set()

    def status(self) -> RecorderStatus:
        """Return the counters now."""
        with self._lock:
            return RecorderStatus(self._lines, self._bytes, self._dropped, self._error)

    def close(self) -> None:
        """Write what waits, end the segment and stop the thread."""
        with self._lock:
            self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while True:
                self._wake.wait(_FLUSH_S)
                self._wake.clear()
                with self._lock:
                    lines, self._waiting, self._waiting_bytes = self._waiting, [], 0
                    is_closing = self._closing
                if lines:
                    self._write(lines)
                if is_closing:
                    self._segments.close()
                    return
        except OSError as error:
            self._stop(error)

    def _write(self, lines: list[Line]) -> None:
        written = self._segments.write(b"".join(map(encode_line, lines)), lines[0].ingest_time)
        with self._lock:
            self._lines += len(lines)
            self._bytes += written

    def _stop(self, error: OSError) -> None:
        reason = error.strerror or str(error)
        with self._lock:
            self._error = f"recording to {self._directory} stopped: {reason}; make room and restart to record again"
            self._dropped += len(self._waiting)
            self._waiting, self._waiting_bytes = [], 0


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
