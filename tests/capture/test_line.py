from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulltape.capture.line import Direction, Line, decode_line, encode_line


@given(
    st.builds(
        Line,
        direction=st.sampled_from(Direction),
        ingest_time=st.integers(0, (1 << 63) - 1),
        payload=st.binary(max_size=60) | st.text(max_size=60).map(str.encode),
        conn=st.text(max_size=8),
        venue=st.sampled_from(["", "COINBASE"]),
        url=st.just("") | st.just("wss://x"),
        simulated=st.booleans(),
    )
)
def test_round_trip_keeps_every_byte(line: Line) -> None:
    text = encode_line(line)
    assert text.count(b"\n") == 1
    assert decode_line(text) == line


@pytest.mark.parametrize(
    ("ts", "nanoseconds"),
    [
        (b"1626993367.3880051", 1626993367388005100),
        (b"1723161253.937", 1723161253937000000),
        (b"1723161253", 1723161253000000000),
        (b"0.0000000019", 1),
    ],
)
def test_seconds_become_nanoseconds_exactly(ts: bytes, nanoseconds: int) -> None:
    line = decode_line(b'{"ts":' + ts + b',"dir":"recv","data":"x"}')
    assert line.ingest_time == nanoseconds
    assert line.payload == b"x"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"ts":1,"data":"x"}', "missing required field `dir`"),
        (b'{"ts":1,"dir":"sideways"}', "Invalid enum value 'sideways'"),
        (b'{"dir":"recv","data":"x"}', "neither ingest_time nor ts"),
        (b'{"dir":"recv","ts":1e30}', "impossible ts"),
        (b'{"dir":"recv","ts":"NaN"}', "impossible ts"),
        (b'{"dir":"recv","ingest_time":-1}', "impossible time"),
        (b'{"dir":"recv","ingest_time":1,"b64":"!"}', "b64"),
        (b'{"dir":"recv","ingest_time":1,"data":7}', "Expected `str | null`"),
        (b'\xff{"dir":"recv"}', "malformed"),
    ],
)
def test_a_bad_line_says_what_is_wrong(text: bytes, complaint: str) -> None:
    with pytest.raises((msgspec.DecodeError, ValueError), match=complaint.replace("|", r"\|")):
        decode_line(text)
