from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fulltape.capture.line import Direction, Line, encode_line
from fulltape.capture.reader import find_recordings
from fulltape.capture.recorder import Recorder, Tee
from fulltape.capture.replayer import Replayer, ReplayReport, ReplaySource
from fulltape.capture.segments import SegmentLimits
from fulltape.clock import SECOND_NS, ManualClock
from fulltape.records.frames import Connection, EventKind, SessionEvent

HOSTS = {
    "ws.test": "TEST",
    "other.test": "OTHER",
    "ws-feed.pro.coinbase.com": "COINBASE",
    "api.pro.coinbase.com": "COINBASE",
}


class ListSink:
    """Remembers what it is given, in order; is full after ``room`` frames until drained."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.frames: list[tuple[Connection, bytes, int]] = []
        self.events: list[SessionEvent] = []
        self.order: list[str] = []
        self.drains = 0
        self._room = room
        self._held = 0

    def frame(self, connection: Connection, payload: bytes, ingest_time: int) -> None:
        self.frames.append((connection, payload, ingest_time))
        self.order.append(payload.decode("utf-8", "replace"))
        self._held += 1

    def event(self, event: SessionEvent) -> None:
        self.events.append(event)
        sign = "+" if event.kind is EventKind.CONNECTED else "-"
        self.order.append(f"{sign}{event.connection.name}@{event.ingest_time}")

    @property
    def is_full(self) -> bool:
        return self._held >= self._room

    async def drained(self) -> None:
        self.drains += 1
        self._held = 0


def venues_of(url: str) -> list[str]:
    found = HOSTS.get(urlsplit(url).hostname or "")
    return [found] if found else []


def foreign(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def ours(path: Path, *lines: Line) -> Path:
    path.write_bytes(b"".join(map(encode_line, lines)))
    return path


async def replay(sink: ListSink, *paths: Path, venue: str | None = None) -> tuple[ReplayReport, list[Line]]:
    bodies: list[Line] = []
    source = ReplaySource(paths, venues_of, venue=venue)
    report = await Replayer(source, sink, lambda _, line: bodies.append(line), clock=ManualClock()).run()
    return report, bodies


async def test_a_foreign_recording_becomes_connections_frames_and_bodies(tmp_path: Path) -> None:
    path = foreign(
        tmp_path / "r.jsonl",
        '{"ts":1.5,"dir":"http","url":"https://other.test/products","data":"[]"}',
        '{"ts":2,"dir":"connect","url":"wss://ws.test/feed","data":""}',
        '{"ts":3,"dir":"send","url":"wss://ws.test/feed","data":"subscribe"}',
        '{"ts":4,"dir":"recv","data":"one"}',
        '{"ts":5,"dir":"recv","data":"two"}',
    )
    sink = ListSink()
    report, bodies = await replay(sink, path)
    assert sink.order == ["+TEST-replay@2000000000", "one", "two", "-TEST-replay@5000000000"]
    assert sink.frames[0] == (Connection("TEST-replay", "TEST", replay=True), b"one", 4 * SECOND_NS)
    assert [(body.venue, body.payload) for body in bodies] == [("OTHER", b"[]")]
    assert (report.frames, report.first_time, report.last_time) == (2, 1_500_000_000, 5 * SECOND_NS)
    assert not report.problems


async def test_several_connections_keep_apart_and_names_stay_unique(tmp_path: Path) -> None:
    lines = (
        '{"ts":1,"dir":"connect","url":"wss://ws.test","conn":"A","data":""}',
        '{"ts":2,"dir":"connect","url":"wss://ws.test","conn":"B","data":""}',
        '{"ts":3,"dir":"recv","conn":"B","data":"b"}',
        '{"ts":4,"dir":"recv","conn":"A","data":"a"}',
        '{"ts":5,"dir":"disconnect","conn":"A","data":"closed"}',
        '{"ts":6,"dir":"disconnect","conn":"A","data":"closed twice"}',
    )
    sink = ListSink()
    await replay(sink, foreign(tmp_path / "1.jsonl", *lines), foreign(tmp_path / "2.jsonl", lines[0]))
    names = [event.connection.name for event in sink.events if event.kind is EventKind.CONNECTED]
    assert names == ["A", "A-2", "B"]
    assert [(c.name, data) for c, data, _ in sink.frames] == [("B", b"b"), ("A", b"a")]
    ended = [event for event in sink.events if event.kind is not EventKind.CONNECTED]
    assert [(event.connection.name, event.ingest_time // SECOND_NS) for event in ended] == [
        ("A-2", 1),
        ("A", 5),
        ("B", 3),
    ]
    assert ended[1].detail == "closed"


async def test_our_segments_go_on_from_file_to_file(tmp_path: Path) -> None:
    def recv(time: int, data: bytes) -> Line:
        return Line(Direction.RECV, time, data, "TEST-1", "TEST", simulated=True)

    first = ours(tmp_path / "1.jsonl", recv(1, b"a"), recv(2, b"b"))
    second = ours(tmp_path / "2.jsonl", recv(3, b"c"))
    sink = ListSink()
    await replay(sink, first, second)
    assert sink.order == ["+TEST-1@1", "a", "b", "c", "-TEST-1@3"]
    assert sink.frames[0][0] == Connection("TEST-1", "TEST", simulated=True, replay=True)


async def test_a_crash_ends_the_connection_where_its_frames_ended(tmp_path: Path) -> None:
    def line(direction: Direction, time: int) -> Line:
        return Line(direction, time, b"x", "TEST-1", "TEST")

    path = ours(
        tmp_path / "1.jsonl",
        line(Direction.CONNECT, 1),
        line(Direction.RECV, 2),
        line(Direction.CONNECT, 100),
        line(Direction.RECV, 101),
        line(Direction.DISCONNECT, 102),
        line(Direction.RECV, 103),
    )
    sink = ListSink()
    await replay(sink, path)
    assert sink.order == [
        "+TEST-1@1", "x", "-TEST-1@2", "+TEST-1@100", "x", "-TEST-1@102", "+TEST-1@103", "x", "-TEST-1@103",
    ]  # fmt: skip


async def test_lines_that_found_no_room_are_a_time_without_connection(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, SegmentLimits(), queue_bytes=1_000)
    for number, size in enumerate((1, 2_000, 1, 1)):
        recorder.put(Line(Direction.RECV, number * SECOND_NS, bytes(size), "TEST-1", "TEST"))
    recorder.close()
    sink = ListSink()
    await replay(sink, *find_recordings([str(tmp_path)]))
    second = SECOND_NS
    assert [time for _, _, time in sink.frames] == [0, 2 * second, 3 * second]
    assert [(event.kind, event.ingest_time) for event in sink.events] == [
        (EventKind.CONNECTED, 0),
        (EventKind.DISCONNECTED, 0),
        (EventKind.CONNECTED, 2 * second),
        (EventKind.ENDED, 3 * second),
    ]


async def test_a_disconnect_of_nothing_is_no_event(tmp_path: Path) -> None:
    sink = ListSink()
    await replay(sink, ours(tmp_path / "1.jsonl", Line(Direction.DISCONNECT, 1, b"", "TEST-1", "TEST")))
    assert sink.order == []


async def test_lines_of_no_known_venue_are_counted_unless_the_caller_names_it(tmp_path: Path) -> None:
    path = foreign(
        tmp_path / "r.jsonl",
        '{"ts":1,"dir":"connect","url":"wss://nowhere.test","data":""}',
        '{"ts":2,"dir":"recv","data":"x"}',
    )
    report, _ = await replay(ListSink(), path)
    assert report.unusable == {"unknown venue": 2}
    assert "unknown venue (wss://nowhere.test)" in str(report.problems[0])
    assert report.frames == 0
    named, _ = await replay(ListSink(), path, venue="TEST")
    assert (named.frames, named.unusable) == (1, {})


async def test_bad_lines_are_counted_and_only_the_first_are_kept(tmp_path: Path) -> None:
    path = foreign(tmp_path / "r.jsonl", *["nonsense"] * 250)
    report, _ = await replay(ListSink(), path)
    assert report.unusable == {"bad line": 250}
    assert [problem.line for problem in report.problems] == list(range(1, 101))


async def test_a_full_sink_is_waited_for(tmp_path: Path) -> None:
    lines = [Line(Direction.RECV, time, b"x", "TEST-1", "TEST") for time in range(1, 1101)]
    sink = ListSink(room=10)
    report, _ = await replay(sink, ours(tmp_path / "1.jsonl", *lines))
    assert report.frames == 1100
    assert sink.drains == 110


@pytest.mark.parametrize(("speed", "waits"), [(1.0, [1.0, 2.0]), (10.0, [0.1, 0.2]), (None, [])])
async def test_the_pace_is_the_recorded_one_times_the_speed(
    tmp_path: Path, speed: float | None, waits: list[float]
) -> None:
    times = (5, 6, 6, 8)
    path = ours(tmp_path / "1.jsonl", *[Line(Direction.RECV, t * SECOND_NS, b"x", "TEST-1", "TEST") for t in times])
    clock = ManualClock(1_000)
    slept: list[float] = []

    async def sleep(delay: float) -> None:
        slept.append(delay)
        clock.set(clock.now_ns() + round(delay * SECOND_NS))

    source = ReplaySource([path], venues_of, speed=speed)
    await Replayer(source, ListSink(), lambda *_: None, clock=clock, sleep=sleep).run()
    assert slept == pytest.approx(waits)


async def test_what_the_tee_records_replays_as_it_was(tmp_path: Path) -> None:
    live = Connection("TEST-1", "TEST")
    recorder = Recorder(tmp_path, SegmentLimits())
    seen = ListSink(room=2)
    tee = Tee(seen, recorder)
    tee.event(SessionEvent(live, EventKind.CONNECTED, 10, "wss://ws.test"))
    tee.frame(live, b"\xfe raw", 11)
    full = [tee.is_full]
    tee.frame(live, b"two", 12)
    full.append(tee.is_full)
    await tee.drained()
    full.append(tee.is_full)
    assert full == [False, True, False]
    tee.event(SessionEvent(live, EventKind.DISCONNECTED, 13, "closed by the venue"))
    recorder.close()
    again = ListSink()
    report, _ = await replay(again, *find_recordings([str(tmp_path)]))
    assert again.order == seen.order
    assert [(data, time) for _, data, time in again.frames] == [(data, time) for _, data, time in seen.frames]
    assert again.events[-1].detail == "closed by the venue"
    assert not report.unusable


async def test_a_real_recording_arrives_complete_and_in_order(captures: Path) -> None:
    paths = [captures / "coinbase-2021-04-17.jsonl.gz", captures / "coinbase-products-2021.jsonl.gz"]
    sink = ListSink()
    report, bodies = await replay(sink, *paths)
    assert report.frames == 9_946
    assert not report.unusable
    assert [event.kind for event in sink.events] == [EventKind.CONNECTED, EventKind.ENDED]
    assert sum(json.loads(data)["type"] == "match" for _, data, _ in sink.frames) == 97
    times = [time for _, _, time in sink.frames]
    assert times == sorted(times)
    assert len(json.loads(bodies[0].payload)) > 100


@pytest.mark.parametrize(("is_ours", "expected"), [(False, [b"one", b"book: [1]"]), (True, [b"one"])])
async def test_an_answer_can_join_the_frames_unless_they_hold_it_already(
    tmp_path: Path, is_ours: bool, expected: list[bytes]
) -> None:
    lines = [
        Line(Direction.RECV, 1, b"one", "A", "TEST" if is_ours else "", "wss://ws.test"),
        Line(Direction.HTTP, 2, b"[1]", "B", "TEST" if is_ours else "", "https://ws.test/book"),
        Line(Direction.HTTP, 3, b"[]", "B", "OTHER" if is_ours else "", "https://other.test/book"),
    ]
    sink = ListSink()
    source = ReplaySource([ours(tmp_path / "1.jsonl", *lines)], venues_of)
    await Replayer(source, sink, lambda _, line: b"book: " + line.payload, clock=ManualClock()).run()
    assert [data for _, data, _ in sink.frames] == expected
