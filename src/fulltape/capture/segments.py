"""Segments: the files of a recording, ``<YYYYmmddTHHMMSSZ>-<n>.jsonl.zst``, rotated by size and age.

Every write is one complete zstd frame, so a crash can damage only the last one, and all before it stays readable.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from io import FileIO
from pathlib import Path

import msgspec
import zstandard

from fulltape.clock import SECOND_NS

SUFFIX = ".jsonl.zst"


class SegmentLimits(msgspec.Struct, frozen=True):
    """When a segment ends, and how much all of them may take. 0 keeps everything."""

    rotate_bytes: int = 128 << 20
    rotate_s: float = 3600.0
    keep_bytes: int = 0


class SegmentWriter:
    """Appends blocks of lines to segments in ``directory``. Not thread-safe: the recorder's thread owns it.

    Raises OSError when the disk refuses; what was written before stays readable.
    """

    def __init__(self, directory: Path, limits: SegmentLimits) -> None:
        self._directory = directory
        self._limits = limits
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._file: FileIO | None = None
        self._size = 0
        self._started = 0
        self._number = 0
        directory.mkdir(parents=True, exist_ok=True)

    def write(self, block: bytes, ingest_time: int) -> int:
        """Append lines, the first of which arrived at ``ingest_time`` (ns), and return the bytes they take on disk."""
        if self._is_over(ingest_time):
            self.close()
        if self._file is None:
            self._file = self._open(ingest_time)
            self._size, self._started = 0, ingest_time
            self._retain()
        data = self._compressor.compress(block)
        try:
            _write_all(self._file, data)
        except OSError:
            self._take_back()
            raise
        self._size += len(data)
        return len(data)

    def _take_back(self) -> None:
        """End the segment before a write that failed: half a frame would cost the reader a warning, if no more."""
        assert self._file is not None
        file, self._file = self._file, None
        with file, contextlib.suppress(OSError):
            file.truncate(self._size)
        if not self._size:
            with contextlib.suppress(OSError):
                Path(os.fsdecode(file.name)).unlink()

    def close(self) -> None:
        """End the current segment and see it onto the disk."""
        if self._file is not None:
            file, self._file = self._file, None
            with file:
                os.fsync(file.fileno())

    def _is_over(self, ingest_time: int) -> bool:
        age_s = (ingest_time - self._started) / SECOND_NS
        return self._size >= self._limits.rotate_bytes or age_s >= self._limits.rotate_s

    def _open(self, ingest_time: int) -> FileIO:
        start = dt.datetime.fromtimestamp(ingest_time // SECOND_NS, dt.UTC)
        while True:
            self._number += 1
            path = self._directory / f"{start:%Y%m%dT%H%M%SZ}-{self._number:04d}{SUFFIX}"
            try:
                return FileIO(path, "xb")
            except FileExistsError:
                continue  # another run of the same second

    def _retain(self) -> None:
        if not self._limits.keep_bytes:
            return
        sizes = [(path, path.stat().st_size) for path in sorted(self._directory.glob(f"*{SUFFIX}"))]
        total = sum(size for _, size in sizes)
        for path, size in sizes[:-1]:
            if total <= self._limits.keep_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size


def _write_all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
