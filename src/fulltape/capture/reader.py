"""Reading recordings: JSON lines, plain or compressed, one file or many, merged by the time of receipt.

Nothing in a recording stops the reading. What cannot be read is reported as a `Problem` and left out.
"""

from __future__ import annotations

import glob
import heapq
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import DEFAULT_BUFFER_SIZE
from pathlib import Path
from typing import IO, Any

import msgspec
import zstandard

from fulltape.capture.line import Line, decode_line
from fulltape.errors import ConfigError

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")

_NAMES = " or ".join(f"*{suffix}" for suffix in SUFFIXES)
_CHUNK = DEFAULT_BUFFER_SIZE * 8
_MAX_LINE = 256 << 20


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a recording that could not be used. ``line`` counts from 1; 0 speaks of the whole file."""

    path: Path
    line: int
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else str(self.path)
        return f"{place}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


Report = Callable[[Problem], None]


def find_recordings(patterns: Iterable[str]) -> list[Path]:
    """Return the files that paths, directories and glob patterns name, each once, in order.

    Raises ConfigError for one that names nothing readable.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            paths = sorted(p for p in path.iterdir() if p.name.endswith(SUFFIXES))
        elif path.exists():
            paths = [path]
        else:
            paths = [Path(p) for p in sorted(glob.glob(pattern))]
        if not paths:
            raise ConfigError(
                f"no recording at {pattern}: expected {', '.join(SUFFIXES)} files, or a directory of them"
            )
        found.update(dict.fromkeys(paths))
    for path in found:
        if not path.name.endswith(SUFFIXES):
            raise ConfigError(f"{path} is not a recording: its name must look like {_NAMES}")
    return list(found)


def read_recording(path: Path, report: Report) -> Iterator[Line]:
    """Yield the lines of one file in the order they lie in it."""
    number = 0
    try:
        with path.open("rb") as file:
            for number, text in enumerate(_split(_chunks(file, path, report)), 1):
                if text.strip():
                    try:
                        yield decode_line(text)
                    except (msgspec.DecodeError, ValueError) as error:
                        report(Problem(path, number, "bad line", str(error)))
    except _Damaged as damage:
        report(Problem(path, number + 1, damage.reason, "the rest of the file is not read"))
    except OSError as error:
        report(Problem(path, 0, "cannot be read", error.strerror or str(error)))


def merge_recordings(paths: Iterable[Path], report: Report) -> Iterator[tuple[Path, Line | None]]:
    """Yield the lines of all files by time of receipt, each with its file; ``None`` marks the end of a file.

    A file is opened only when its first line's turn comes, so a directory of a thousand segments needs one
    open file at a time. Lines inside a file keep their order.
    """
    waiting = sorted((_first_time(path), place, path) for place, path in enumerate(paths))
    heap: list[tuple[int, int, Path, Line, Iterator[Line]]] = []
    while waiting or heap:
        if waiting and (not heap or waiting[0][0] <= heap[0][0]):
            _, place, path = waiting.pop(0)
            lines = read_recording(path, report)
        else:
            _, place, path, line, lines = heapq.heappop(heap)
            yield path, line
        following = next(lines, None)
        if following is None:
            yield path, None
        else:
            # Places are unique, so the heap never compares what follows them.
            heapq.heappush(heap, (following.ingest_time, place, path, following, lines))


def are_simulated(paths: Iterable[Path]) -> bool:
    """Return whether the recordings are of simulated prices. Raises ConfigError if some are and others are not."""
    found = {first.simulated for path in paths if (first := _first_line(path)) is not None}
    if len(found) > 1:
        raise ConfigError("some of these recordings hold simulated prices and others do not: replay them apart")
    return True in found


class _Damaged(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _first_line(path: Path) -> Line | None:
    return next(read_recording(path, lambda _: None), None)


def _first_time(path: Path) -> int:
    first = _first_line(path)
    return 0 if first is None else first.ingest_time


def _chunks(file: IO[bytes], path: Path, report: Report) -> Iterator[bytes]:
    if path.name.endswith(".gz"):
        return _decompressed(file, path, report, lambda: zlib.decompressobj(wbits=31))
    if path.name.endswith(".zst"):
        decompressor = zstandard.ZstdDecompressor()
        return _decompressed(file, path, report, decompressor.decompressobj)
    return iter(lambda: file.read(_CHUNK), b"")


def _decompressed(file: IO[bytes], path: Path, report: Report, new: Callable[[], Any]) -> Iterator[bytes]:
    """Yield what the members of a gzip file, or the frames of a zstd file, hold.

    Both kinds of object agree on ``decompress``, ``eof`` and ``unused_data``. The tail of a file that a crash cut
    short is reported.
    """
    member: Any = None
    try:
        while data := file.read(_CHUNK):
            while data:
                member = member or new()
                yield member.decompress(data)
                data = b""
                if member.eof:
                    data, member = member.unused_data, None
    except (zlib.error, zstandard.ZstdError) as error:
        raise _Damaged(f"damaged: {error}") from None
    if member is not None:
        report(Problem(path, 0, "truncated", "its last block is incomplete"))


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    size = 0
    for chunk in chunks:
        *whole, tail = chunk.split(b"\n")
        if whole:
            rest.append(whole[0])
            yield b"".join(rest)
            yield from whole[1:]
            rest, size = [], 0
        rest.append(tail)
        size += len(tail)
        if size > _MAX_LINE:
            raise _Damaged("a line of more than 256 MiB")
    if size:
        yield b"".join(rest)
