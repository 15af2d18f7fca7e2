"""One line of a recording: what went over a connection, and when.

Recordings are JSON lines. Ours carry ``ingest_time`` (ns); others' may carry ``ts`` instead (decimal unix seconds),
which becomes nanoseconds through its decimal text, so that 1626993367.3880051 loses nothing.
"""

from __future__ import annotations

import base64
import binascii
import decimal
import enum

import msgspec

from fulltape.clock import SECOND_NS

_MAX_SECONDS = decimal.Decimal(9_223_372_036)
_EXACT = decimal.Context(prec=40)


class Direction(enum.StrEnum):
    """What a line records."""

    CONNECT = "connect"
    SEND = "send"
    RECV = "recv"
    DISCONNECT = "disconnect"
    HTTP = "http"


class Line(msgspec.Struct, frozen=True):
    """One event of a recording; ``payload`` is what was received or sent, byte for byte.

    ``conn``, ``venue`` and ``url`` are empty where the recording does not say them. ``ingest_time`` is ns UTC.
    """

    direction: Direction
    ingest_time: int
    payload: bytes = b""
    conn: str = ""
    venue: str = ""
    url: str = ""
    simulated: bool = False


class _Wire(msgspec.Struct, omit_defaults=True):
    dir: Direction
    ingest_time: int | None = None
    ts: decimal.Decimal | None = None
    conn: str = ""
    venue: str = ""
    url: str = ""
    simulated: bool = False
    data: str | None = None
    b64: str | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Wire)


def encode_line(line: Line) -> bytes:
    """Return the line as JSON with a line feed; a payload that is not UTF-8 goes as ``b64``."""
    wire = _Wire(
        dir=line.direction,
        ingest_time=line.ingest_time,
        conn=line.conn,
        venue=line.venue,
        url=line.url,
        simulated=line.simulated,
    )
    try:
        wire.data = line.payload.decode()
    except UnicodeDecodeError:
        wire.b64 = base64.b64encode(line.payload).decode()
    return _encoder.encode(wire) + b"\n"


def decode_line(text: bytes) -> Line:
    """Return the line of one JSON text. Raises ValueError that says what is wrong with it."""
    wire = _decoder.decode(text)
    if wire.b64 is not None:
        try:
            payload = base64.b64decode(wire.b64, validate=True)
        except binascii.Error as error:
            raise ValueError(f"b64: {error}") from None
    else:
        payload = (wire.data or "").encode()
    return Line(wire.dir, _ingest_time(wire), payload, wire.conn, wire.venue, wire.url, wire.simulated)


def _ingest_time(wire: _Wire) -> int:
    if wire.ingest_time is not None:
        time_ns = wire.ingest_time
    elif wire.ts is None:
        raise ValueError("neither ingest_time nor ts")
    elif not wire.ts.is_finite() or abs(wire.ts) > _MAX_SECONDS:
        raise ValueError(f"impossible ts {wire.ts}")
    else:
        time_ns = int(_EXACT.multiply(wire.ts, SECOND_NS))
    if not 0 <= time_ns < 1 << 63:
        raise ValueError(f"impossible time {time_ns}")
    return time_ns
