"""Whose the lines of a recording are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from fulltape.capture.line import Direction, Line, encode_line
from fulltape.capture.whose import VenueFinder

RECV, HTTP, CONNECT = Direction.RECV, Direction.HTTP, Direction.CONNECT


def at_url(url: str) -> Sequence[str]:
    return {"wss://one": ["ONE"], "wss://shared": ["SPOT", "LINEAR"], "https://shared": ["SPOT", "LINEAR"]}.get(url, ())


def in_frame(payload: bytes) -> Sequence[str]:
    return {b"spot": ["SPOT"], b"linear": ["LINEAR"], b"both": ["SPOT", "LINEAR"]}.get(payload, ())


def found(tmp_path: Path, *lines: Line, otherwise: str | None = None) -> tuple[list[str | None], str]:
    """Return the venue of each line, and the doubt at the end."""
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"".join(map(encode_line, lines)))
    finder = VenueFinder(at_url, in_frame, otherwise)
    return [finder.venue_of(path, line) for line in lines], finder.doubt(path)


def test_the_line_itself_counts_first(tmp_path: Path) -> None:
    assert found(tmp_path, Line(RECV, 1, b"spot", venue="OURS", url="wss://one")) == (["OURS"], "")


def test_an_address_holds_for_what_follows_in_its_file(tmp_path: Path) -> None:
    assert found(tmp_path, Line(CONNECT, 1, url="wss://one"), Line(RECV, 2, b"spot"))[0] == ["ONE", "ONE"]


def test_frames_tell_connections_apart_that_share_an_address(tmp_path: Path) -> None:
    lines = [
        Line(HTTP, 1, b"[]", "H", url="https://shared"),
        Line(CONNECT, 2, b"", "A"),
        Line(CONNECT, 3, b"", "B"),
        Line(RECV, 4, b"both", "B"),
        Line(RECV, 5, b"linear", "A"),
        Line(RECV, 6, b"spot", "B"),
        Line(RECV, 7, b"linear", "B"),
    ]
    assert found(tmp_path, *lines)[0] == ["SPOT", "LINEAR", "SPOT", "SPOT", "LINEAR", "SPOT", "SPOT"]


@pytest.mark.parametrize(("otherwise", "venue"), [(None, None), ("LINEAR", "LINEAR")])
def test_what_nothing_tells_is_not_guessed(tmp_path: Path, otherwise: str | None, venue: str | None) -> None:
    lines = [Line(CONNECT, 1, url="wss://shared"), Line(RECV, 2, b"both"), Line(RECV, 3, b"neither")]
    venues, doubt = found(tmp_path, *lines, otherwise=otherwise)
    assert venues == [venue] * 3
    assert doubt == "SPOT or LINEAR? name it with --venue"
    assert found(tmp_path, Line(RECV, 1, b"?"), otherwise=otherwise) == ([venue], "")
