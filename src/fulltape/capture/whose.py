"""Whose a recording is, where it does not say so itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from fulltape.capture.line import Direction, Line
from fulltape.capture.reader import read_recording

_LOOKED_AT: Final = 5_000
"""Lines at the beginning of a recording by whose content its venues are told."""


class VenueFinder:
    """Finds the venue of each line of recordings.

    The line says it, or its address does, or the frames of its connection, or an earlier address in the same file, or
    the caller. Where venues share an address nothing is guessed: only frames or the caller can tell them apart.
    """

    def __init__(
        self,
        venues_of_url: Callable[[str], Sequence[str]],
        venues_of_frame: Callable[[bytes], Sequence[str]],
        otherwise: str | None,
    ) -> None:
        self._venues_of_url = venues_of_url
        self._venues_of_frame = venues_of_frame
        self._otherwise = otherwise
        self._addressed: dict[Path, Sequence[str]] = {}
        self._told: dict[Path, dict[str, str]] = {}

    def venue_of(self, path: Path, line: Line) -> str | None:
        """Return the venue of a line, or None; see `doubt`."""
        if line.venue:
            return line.venue
        if line.url and (named := self._venues_of_url(line.url)):
            self._addressed[path] = named
        candidates = self._addressed.get(path, ())
        if len(candidates) == 1:
            return candidates[0]
        if line.direction is Direction.HTTP and candidates:
            return candidates[0]  # they share the interface that answered
        if path not in self._told:
            self._told[path] = self._look(path)
        return self._told[path].get(line.conn) or self._otherwise

    def doubt(self, path: Path) -> str:
        """Return in words between which venues nothing tells, or nothing if none is known."""
        candidates = self._addressed.get(path, ())
        return f"{' or '.join(candidates)}? name it with --venue" if candidates else ""

    def _look(self, path: Path) -> dict[str, str]:
        """Return the venue of each connection whose first frames bear signs of one."""
        told: dict[str, str] = {}
        for line in islice(read_recording(path, lambda _: None), _LOOKED_AT):
            if line.direction is Direction.RECV and line.conn not in told:
                found = self._venues_of_frame(line.payload)
                if len(found) == 1:
                    told[line.conn] = found[0]
        return told
