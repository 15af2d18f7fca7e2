"""What the calls about a range share: how it is named, and columns of its windows without a hole."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

import numpy as np
from litestar.params import QueryParameter

from fulltape.api.paging import LATEST_NS, TIME, PageQuery, parse_time
from fulltape.api.problems import bad_request
from fulltape.api.rolled import read_candles
from fulltape.clock import SECOND_NS, format_rfc3339
from fulltape.records import TRADES, WINDOWS, Array, Batch, CandleSource, EmptyReason
from fulltape.records.interval import window_start
from fulltape.stores.base import Reader, Selection

HOUR_NS: Final = 3_600 * SECOND_NS
DAY_NS: Final = 24 * HOUR_NS
MINUTE_NS: Final = 60 * SECOND_NS
MOST_TRADES: Final = 1_000_000
"""Of how many trades an answer may be made."""
MOST_WINDOWS: Final = 200_000
"""Of how many rows of `WINDOWS` an answer may be made: two months and more, for one begins each half minute."""

IdsText = Annotated[
    str,
    QueryParameter(description="2 to 20 ids, with commas between.", pattern=r"^[^,]+(,[^,]+){1,19}$", max_length=2_000),
]
MinutesText = Annotated[
    str,
    QueryParameter(
        description="A whole number of m, h, d or w, such as `5m`, `4h`, `1d`.", pattern=r"^[1-9][0-9]{0,5}[mhdw]$"
    ),
]
StartText = Annotated[str | None, QueryParameter(description="First time, RFC 3339.", schema_extra=TIME)]
EndText = Annotated[
    str | None, QueryParameter(description="The time to end before; now if left out.", schema_extra=TIME)
]
Span = tuple[int | None, int | None]
"""Start and end (ns), as far as they were named."""


def span_of(start: str | None, end: str | None) -> Span:
    """Return the times that a request names; a 400 for a text that is none."""
    return parse_time("start", start), parse_time("end", end)


def range_of(reader: Reader, span: Span, length: int) -> tuple[int, int]:
    """Return a range whose end is the engine's clock, and whose start is ``length`` (ns) before, unless named."""
    start, end = span
    end = reader.last_commit()[1] + 1 if end is None else end
    return (end - length if start is None else start), end


def trades_in(reader: Reader, code: int, start: int, end: int) -> Batch:
    """Return the trades of a range in order of time; a 400 for more than an answer may be made of."""
    return _rows_in(reader, Selection(TRADES, (code,), start=start, end=end), MOST_TRADES, "trades")


def windows_in(reader: Reader, code: int, start: int, end: int) -> Batch:
    """Return the rows of `WINDOWS` of a range in order of time; a 400 for more than an answer may be made of."""
    return _rows_in(reader, Selection(WINDOWS, (code,), start=start, end=end), MOST_WINDOWS, "windows of a minute")


def _rows_in(reader: Reader, selection: Selection, most: int, what: str) -> Batch:
    rows = reader.read(replace(selection, limit=most + 1))
    if len(rows) > most:
        fits = format_rfc3339(int(rows[rows.schema.time][-1]))
        raise bad_request(f"the range has more than {most:,} {what}: end at {fits}, or begin later")
    return rows


class Grid:
    """Consecutive windows of one instrument: ``start`` (ns), and columns with NaN where there is no candle."""

    def __init__(self, reader: Reader, code: int, interval_s: int, until: int | None, periods: int) -> None:
        """Read the last ``periods`` windows that end at ``until`` (ns), by default the engine's clock, or before.

        Raises the 400 for more than can be read at once.
        """
        length = interval_s * SECOND_NS
        with reader.pinned():
            now = reader.last_commit()[1] if until is None else until
            end = int(window_start(max(now, 0), interval_s))
            first = end - periods * length
            if first < -LATEST_NS:
                raise bad_request("periods: so many windows of this interval begin before 1680: ask for fewer")
            page = PageQuery(first, end, periods, None, newest_first=False)
            self._rows, _ = read_candles(reader, code, interval_s, page, bound="periods")
        self._place = (self._rows["start"] - first) // length
        self.start: Array = first + np.arange(periods) * length

    @property
    def first(self) -> int:
        """The position of the first window that there is a candle of; beyond the last if there is none."""
        return int(self._place[0]) if len(self._place) else len(self.start)

    def column(self, name: str) -> Array:
        """Return a column of the candles."""
        found = np.full(len(self.start), np.nan)
        found[self._place] = self._rows[name]
        return found

    def volume(self) -> Array:
        """Return the volumes: 0 of windows that were quiet, NaN of those that nobody can tell of."""
        found = self.column("volume")
        rows = self._rows
        lost = (rows["trades"] == 0) & (rows["reason"] != EmptyReason.QUIET) & (rows["source"] == CandleSource.TRADES)
        found[self._place[lost]] = np.nan
        return found


def closes(reader: Reader, codes: list[int], interval_s: int, until: int | None, periods: int) -> Array:
    """Return the closes of the last windows, (windows, instruments), NaN where there is none."""
    with reader.pinned():
        return np.stack([Grid(reader, code, interval_s, until, periods).column("close") for code in codes], axis=1)
