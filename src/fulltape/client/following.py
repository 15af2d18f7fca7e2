"""Following the stream, without a socket: what to say, what to make of an answer, when to try again.

A server that is restarted, or a line that breaks, is no end: the next connection asks for what came after the last
commit that was handled, so there is neither a hole nor a double.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa

from fulltape.client.errors import ClientError

Row = dict[str, Any]

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 5.0
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z\Z", re.ASCII)


class Update(msgspec.Struct, frozen=True):
    """What one commit brought, or, as a snapshot, where things stood at one.

    ``records`` holds the rows of each kind as they are in JSON. ``is_reset``: the server could not go on from where
    we were, so this snapshot replaces what was received before.
    """

    commit: int
    clock: str
    is_snapshot: bool
    is_reset: bool
    simulated: bool
    records: Mapping[str, list[Row]]
    merged: Mapping[str, int]
    """How many rows of each kind newer ones stand for, because we read too slowly."""

    def table(self, kind: str) -> pa.Table:
        """Return the rows of a kind as an Arrow table, times as UTC nanoseconds; no columns if there is no row."""
        table = pa.Table.from_pylist(list(self.records.get(kind, ())))
        for place, name in enumerate(table.column_names):
            column = table.column(name)
            if pa.types.is_string(column.type) and _is_time(column):
                table = table.set_column(place, name, column.cast(pa.timestamp("ns", "UTC")))
        return table


class _Message(msgspec.Struct):
    type: str
    commit: int = 0
    clock: str = ""
    simulated: bool = False
    detail: str = ""
    merged: dict[str, int] = {}
    trades: list[Row] | None = None
    candles: list[Row] | None = None
    last: list[Row] | None = None
    quotes: list[Row] | None = None
    coverage: list[Row] | None = None
    stats: list[Row] | None = None
    coins: list[Row] | None = None
    windows: list[Row] | None = None
    activity_bars: list[Row] | None = None
    quote_stats: list[Row] | None = None
    depths: list[Row] | None = None
    indicators: list[Row] | None = None
    alerts: list[Row] | None = None


_KINDS: Final = _Message.__struct_fields__[_Message.__struct_fields__.index("trades") :]
_decode: Final = msgspec.json.Decoder(_Message).decode


class Follower:
    """The state of one stream over all its connections."""

    def __init__(
        self,
        instruments: Sequence[str],
        kinds: Sequence[str],
        intervals: Sequence[str] = (),
        indicators: Sequence[str] = (),
        since: int | None = None,
    ) -> None:
        self._wanted = {
            "op": "subscribe", "instruments": instruments, "kinds": kinds, "intervals": intervals,
            "indicators": indicators,
        }  # fmt: skip
        self._since = since
        self._has_begun = False
        self._simulated = False
        self._is_reset = False
        self._pause_s = _FIRST_PAUSE_S

    @property
    def has_begun(self) -> bool:
        """Whether anything came yet: before, a failure is an error; after, it is a pause."""
        return self._has_begun

    def subscription(self) -> str:
        """Return what to send on a new connection."""
        since = {} if self._since is None else {"since": self._since}
        return msgspec.json.encode({**self._wanted, **since}).decode()

    def pause_s(self) -> float:
        """Return how long to wait before the next connection: twice as long each time nothing came."""
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s

    def take(self, text: str | bytes) -> Update | None:
        """Return what a message brings, None if that is nothing new. Raises ClientError if the server complains."""
        message = _decode(text)
        self._pause_s, self._has_begun = _FIRST_PAUSE_S, True
        match message.type:
            case "error":
                raise ClientError(message.detail)
            case "reset":
                self._is_reset = True
            case "snapshot":
                self._simulated = message.simulated
                return self._update(message, is_snapshot=True)
            case "commit" if self._since is None or message.commit > self._since:
                return self._update(message, is_snapshot=False)
        return None

    def _update(self, message: _Message, *, is_snapshot: bool) -> Update:
        self._since = message.commit
        is_reset, self._is_reset = self._is_reset and is_snapshot, False
        records = {kind: rows for kind in _KINDS if (rows := getattr(message, kind)) is not None}
        return Update(message.commit, message.clock, is_snapshot, is_reset, self._simulated, records, message.merged)


def _is_time(column: pa.ChunkedArray) -> bool:
    texts = [text for text in column.to_pylist() if text is not None]
    return bool(texts) and all(map(_TIME.match, texts))
