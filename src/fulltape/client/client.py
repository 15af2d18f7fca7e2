"""The client: each call in one line."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final, Self

import pyarrow as pa

from fulltape.client.following import Follower, Update
from fulltape.client.http import Http, rfc3339
from fulltape.client.streaming import Line, follow, follow_blocking

HERE: Final = "http://127.0.0.1:8000"
"""Where fulltape runs unless told otherwise."""

Time = str | dt.datetime | None


class Client:
    """Asks a running fulltape. Tables are Arrow tables: ``table.to_pandas()``, ``polars.from_arrow(table)``.

    The token comes from ``FULLTAPE_TOKEN`` unless given. Times are RFC 3339 texts or datetimes with a zone; ranges
    are half-open. Calls follow all pages; ``limit`` bounds them. Every call raises ClientError with the server's own
    words. One thread at a time; streams may run beside.
    """

    def __init__(self, url: str = HERE, *, token: str | None = None) -> None:
        token = token or os.environ.get("FULLTAPE_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._line = Line(url.rstrip("/"), headers)
        self._http = Http(url.rstrip("/"), headers)

    def candles(
        self, instrument: str, interval: str = "1m", *, start: Time = None, end: Time = None, limit: int | None = None
    ) -> pa.Table:
        """Return candles of any interval by their start."""
        return self.records("candles", instrument, start=start, end=end, limit=limit, interval=interval)

    def trades(self, instrument: str, *, start: Time = None, end: Time = None, limit: int | None = None) -> pa.Table:
        """Return trades in the order (event_time, trade_id)."""
        return self.records("trades", instrument, start=start, end=end, limit=limit)

    def quotes(self, instrument: str, *, start: Time = None, end: Time = None, limit: int | None = None) -> pa.Table:
        """Return changes of the best bid or ask."""
        return self.records("quotes", instrument, start=start, end=end, limit=limit)

    def indicator(
        self,
        instrument: str,
        name: str,
        interval: str = "1m",
        *,
        start: Time = None,
        end: Time = None,
        limit: int | None = None,
        **parameters: float,
    ) -> pa.Table:
        """Return an indicator at each candle: ``indicator("BTC-USD.COINBASE", "RSI", "5m", period=14)``."""
        more = {"interval": interval, "name": name, **parameters}
        return self.records("indicators", instrument, start=start, end=end, limit=limit, **more)

    def series(self, call: str, *, start: Time = None, end: Time = None, **query: Any) -> pa.Table:
        """Return what a call that gives a series does: ``series("drawdown", instrument=..., interval="1d")``."""
        return self._http.table(call, {"start": rfc3339("start", start), "end": rfc3339("end", end), **query})

    def records(
        self,
        kind: str,
        instrument: str | None = None,
        *,
        start: Time = None,
        end: Time = None,
        limit: int | None = None,
        **more: Any,
    ) -> pa.Table:
        """Return what any other call that gives pages does: ``records("stats", "BTC-USD.COINBASE")``."""
        query = {"instrument": instrument, "start": rfc3339("start", start), "end": rfc3339("end", end), **more}
        return self._http.pages(kind, query, limit)

    def sql(self, query: str) -> pa.Table:
        """Return the rows of one SELECT; a CutWarning tells if there were more than the server sends."""
        return self._http.sql(query)

    def get(self, path: str, **query: Any) -> Any:
        """Return the JSON of any other call: ``get("movers", period="1d")``."""
        return self._http.request("GET", path, params=query).json()

    def stream(
        self,
        instruments: Sequence[str],
        kinds: Sequence[str] = ("trades",),
        *,
        intervals: Sequence[str] = (),
        indicators: Sequence[str] = (),
        since: int | None = None,
    ) -> Iterator[Update]:
        """Yield a snapshot, then every commit, for ever; goes on by itself after a break, without hole or double.

        ``intervals`` says which candles, ``indicators`` which indicators, as ``RSI(period=14)@5m``, of these kinds.
        ``since`` is the number of the last commit handled by an earlier stream: it goes on there, without a snapshot.
        """
        return follow_blocking(self._line, Follower(instruments, kinds, intervals, indicators, since))

    def stream_async(
        self,
        instruments: Sequence[str],
        kinds: Sequence[str] = ("trades",),
        *,
        intervals: Sequence[str] = (),
        indicators: Sequence[str] = (),
        since: int | None = None,
    ) -> AsyncIterator[Update]:
        """Do the same as `stream` on an event loop."""
        return follow(self._line, Follower(instruments, kinds, intervals, indicators, since))

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
