from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import pytest

from fulltape.capture import segments
from fulltape.capture.line import Direction, Line
from fulltape.capture.reader import Problem, find_recordings, read_recording
from fulltape.capture.recorder import Recorder
from fulltape.capture.segments import SegmentLimits, SegmentWriter
from fulltape.clock import SECOND_NS
from fulltape.errors import ConfigError
from fulltape.records.status import RecordingStatus

START = 1_618_677_816 * SECOND_NS


def line(number: int, payload: bytes = b"x") -> Line:
    return Line(Direction.RECV, START + number * SECOND_NS, payload, "COINBASE-1", "COINBASE")


def read_all(directory: Path) -> list[Line]:
    problems: list[Problem] = []
    lines = [found for path in find_recordings([str(directory)]) for found in read_recording(path, problems.append)]
    assert problems == []
    return lines


def test_what_is_put_is_on_disk_after_closing(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "new" / "captures", SegmentLimits())
    lines = [line(0, b"text"), line(1, b"\xff\x00 not text"), line(2, "é".encode())]
    for one in lines:
        recorder.put(one)
    recorder.close()
    assert read_all(tmp_path / "new" / "captures") == lines
    assert [p.name for p in (tmp_path / "new" / "captures").iterdir()] == ["20210417T164336Z-0001.jsonl.zst"]
    status = recorder.status()
    assert (status.lines, status.dropped, status.detail) == (3, 0, "")
    assert status.bytes == sum(p.stat().st_size for p in (tmp_path / "new" / "captures").iterdir())


def test_lines_after_closing_are_counted_as_dropped(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, SegmentLimits())
    recorder.close()
    recorder.put(line(0))
    assert recorder.status().dropped == 1
    assert list(tmp_path.iterdir()) == []


class Held(SegmentWriter):
    """A disk that does nothing until it is let go."""

    entered = threading.Event()
    go = threading.Event()

    def write(self, block: bytes, ingest_time: int) -> int:
        self.entered.set()
        assert self.go.wait(120)
        return super().write(block, ingest_time)


def test_a_full_queue_drops_and_counts_and_never_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fulltape.capture.recorder.SegmentWriter", Held)
    recorder = Recorder(tmp_path, SegmentLimits(), queue_bytes=1000)
    recorder.put(line(0, bytes(700)))
    assert Held.entered.wait(120)
    for number in range(1, 4):
        recorder.put(line(number, bytes(300)))
    assert recorder.status().dropped == 1
    Held.go.set()
    until(recorder, lambda status: status.lines == 3)
    recorder.put(answer := Line(Direction.HTTP, START, b"{}", venue="COINBASE", url="https://x.test"))
    recorder.put(line(4))
    recorder.close()
    # The connection begins anew after what is lost of it.
    anew = Line(Direction.CONNECT, line(4).ingest_time, b"", "COINBASE-1", "COINBASE")
    assert read_all(tmp_path)[1:] == [line(1, bytes(300)), line(2, bytes(300)), answer, anew, line(4)]


class Refusing:
    """A disk that refuses to write while it is told to, in place of what writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refuses = False
        self._write_all = segments._write_all
        monkeypatch.setattr(segments, "_write_all", self)
        monkeypatch.setattr("fulltape.capture.recorder._FLUSH_S", 0.01)

    def __call__(self, file: FileIO, data: bytes) -> None:
        if self.refuses:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._write_all(file, data)


def until(recorder: Recorder, is_so: Callable[[RecordingStatus], bool]) -> RecordingStatus:
    deadline = time.monotonic() + 60
    while not is_so(status := recorder.status()):
        assert time.monotonic() < deadline, status
        time.sleep(0.001)
    return status


def test_after_a_full_disk_it_goes_on_and_the_recording_tells_the_hole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Refusing(monkeypatch)
    recorder = Recorder(tmp_path, SegmentLimits(), retry_s=0.0)
    recorder.put(line(0))
    until(recorder, lambda status: status.lines == 1)
    disk.refuses = True
    recorder.put(line(1))
    refused = until(recorder, lambda status: status.detail != "")
    assert (
        refused.detail == f"nothing is recorded to {tmp_path}: No space left on device; it goes on when there is room"
    )
    assert (refused.lines, refused.dropped) == (1, 1)
    disk.refuses = False
    for _ in range(2):
        recorder.put(line(2))
    again = until(recorder, lambda status: status.detail == "")
    recorder.close()
    assert again.dropped == 1
    anew = Line(Direction.CONNECT, line(2).ingest_time, b"", "COINBASE-1", "COINBASE")
    assert read_all(tmp_path) == [line(0), anew, line(2), line(2)]


def test_while_the_disk_refuses_what_comes_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Refusing(monkeypatch)
    disk.refuses = True
    recorder = Recorder(tmp_path, SegmentLimits(), retry_s=3_600.0)
    recorder.put(line(0))
    until(recorder, lambda status: status.detail != "")
    for number in range(1, 4):
        recorder.put(line(number))
    assert recorder.status().dropped == 4
    recorder.close()
    assert recorder.status().lines == 0
    assert list(tmp_path.iterdir()) == []  # no segment without a line is left, however often it is tried


def test_half_a_write_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SegmentWriter(tmp_path, SegmentLimits())
    writer.write(b'{"dir":"recv","ingest_time":1,"data":"a"}\n', START)
    (path,) = tmp_path.iterdir()
    size = path.stat().st_size

    def half(file: object, data: bytes) -> None:
        file.write(data[: len(data) // 2])  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fulltape.capture.segments._write_all", half)
    with pytest.raises(OSError, match="No space left"):
        writer.write(b'{"dir":"recv","ingest_time":2,"data":"b"}\n', START)
    writer.close()
    assert path.stat().st_size == size


def test_a_directory_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot record to"):
        Recorder(tmp_path / "file" / "captures", SegmentLimits())


def test_segments_rotate_by_age_and_by_size(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, SegmentLimits(rotate_bytes=40, rotate_s=60))
    writer.write(b"a", START)  # 10 bytes compressed: stays below 40
    writer.write(b"b", START + 59 * SECOND_NS)
    writer.write(b"c", START + 60 * SECOND_NS)  # too old
    writer.write(bytes(range(200)), START + 61 * SECOND_NS)  # fills it
    writer.write(b"d", START + 61 * SECOND_NS)  # too large
    writer.close()
    assert sorted(p.name[:20] for p in tmp_path.iterdir()) == [
        "20210417T164336Z-000",
        "20210417T164436Z-000",
        "20210417T164437Z-000",
    ]


def test_two_runs_in_one_second_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for payload in (b"first", b"second"):
        recorder = Recorder(tmp_path, SegmentLimits())
        recorder.put(line(0, payload))
        recorder.close()
    assert [one.payload for one in read_all(tmp_path)] == [b"first", b"second"]


def test_retention_deletes_the_oldest_and_never_the_current(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, SegmentLimits(rotate_s=1, keep_bytes=25))
    for second in range(6):
        writer.write(b"0123456789", START + second * SECOND_NS)
    writer.close()
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left[-1].startswith("20210417T164341Z")
    assert len(left) == 2
