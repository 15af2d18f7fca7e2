from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from fulltape.capture import reader
from fulltape.capture.line import Direction, Line, encode_line
from fulltape.capture.reader import Problem, find_recordings, merge_recordings, read_recording
from fulltape.errors import ConfigError


def line(time: int, payload: bytes = b"x") -> Line:
    return Line(Direction.RECV, time, payload, "C-1", "C")


def write(path: Path, *lines: Line) -> Path:
    data = b"".join(map(encode_line, lines))
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = b"".join(zstandard.compress(encode_line(one)) for one in lines)
    path.write_bytes(data)
    return path


def read(path: Path) -> tuple[list[Line], list[str]]:
    problems: list[Problem] = []
    lines = list(read_recording(path, problems.append))
    return lines, [str(problem).replace(str(path), "F") for problem in problems]


@pytest.mark.parametrize("suffix", reader.SUFFIXES)
def test_every_form_reads_the_same(tmp_path: Path, suffix: str) -> None:
    lines = [line(1, b"a" * 100_000), line(2), line(3, b"c" * 70_000)]
    assert read(write(tmp_path / f"r{suffix}", *lines)) == (lines, [])


def test_a_bad_line_is_reported_with_its_number_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(encode_line(line(1)) + b"nonsense\n\n" + encode_line(line(2)) + b'{"dir":"recv"}')
    lines, problems = read(path)
    assert lines == [line(1), line(2)]
    assert [problem.split(" (")[0] for problem in problems] == ["F:2: bad line", "F:5: bad line"]


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_a_file_cut_short_by_a_crash_gives_what_it_has(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"r{suffix}", line(1), line(2, bytes(range(250))))
    path.write_bytes(path.read_bytes()[:-5])
    lines, problems = read(path)
    assert lines[0] == line(1)
    assert "F: truncated (its last block is incomplete)" in problems


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".jsonl.zst"])
def test_a_damaged_file_is_read_up_to_the_damage(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"r{suffix}", line(1))
    path.write_bytes(path.read_bytes() + b"garbage after the end")
    lines, problems = read(path)
    assert lines == [line(1)]
    assert problems[0].startswith("F:2: damaged")


def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_MAX_LINE", 1000)
    path = tmp_path / "r.jsonl"
    path.write_bytes(encode_line(line(1)) + b"x" * 200_000)
    lines, problems = read(path)
    assert lines == [line(1)]
    assert problems == ["F:2: a line of more than 256 MiB (the rest of the file is not read)"]


def test_a_file_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    assert read(tmp_path / "gone.jsonl") == ([], ["F: cannot be read (No such file or directory)"])


def test_an_empty_file_is_no_problem(tmp_path: Path) -> None:
    assert read(write(tmp_path / "r.jsonl")) == ([], [])
    assert read(write(tmp_path / "r.jsonl.zst")) == ([], [])


def test_files_merge_by_time_and_say_where_they_end(tmp_path: Path) -> None:
    first = write(tmp_path / "a.jsonl", line(10), line(30))
    second = write(tmp_path / "b.jsonl", line(20), line(40))
    later = write(tmp_path / "c.jsonl", line(50))
    empty = write(tmp_path / "d.jsonl")
    merged = [
        (path.name[0], one.ingest_time if one else None)
        for path, one in merge_recordings([later, second, first, empty], lambda _: None)
    ]
    assert merged == [
        ("d", None), ("a", 10), ("b", 20), ("a", 30), ("a", None), ("b", 40), ("b", None), ("c", 50), ("c", None),
    ]  # fmt: skip


def test_problems_are_reported_once_though_each_file_is_looked_into_first(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"bad\n" + encode_line(line(1)))
    problems: list[Problem] = []
    assert len(list(merge_recordings([path], problems.append))) == 2
    assert len(problems) == 1


def test_paths_directories_and_patterns_are_found_once_each(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.jsonl", line(1)), write(tmp_path / "b.jsonl.gz", line(1))
    (tmp_path / "notes.txt").touch()
    assert find_recordings([str(b), str(tmp_path)]) == [b, a]
    assert find_recordings([str(tmp_path / "*.gz")]) == [b]


@pytest.mark.parametrize("name", ["missing.jsonl", "nothing-*.jsonl", "notes.txt", "empty"])
def test_what_is_not_a_recording_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="recording"):
        find_recordings([str(tmp_path / name)])
