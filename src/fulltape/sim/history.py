"""What a simulated product remembers: its last trades, its one-minute bars and the figures of the last day."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from fulltape.clock import SECOND_NS

MINUTE_S = 60
_DAY_MINUTES = 1_440
_MONTH_MINUTES = 30 * _DAY_MINUTES
_KEPT_MINUTES = 100_000  # 69 days, so that a month is always whole


class MinuteBar(msgspec.Struct):
    """One minute of one product, or several rolled up: start in seconds, prices in price steps, volume in size steps.

    ``value`` is the sum of price times size, in price steps times size steps; ``bought`` and ``bought_value`` are what
    of volume and value takers bought.
    """

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    value: int = 0
    trades: int = 0
    bought: int = 0
    bought_value: int = 0

    def add(self, price: int, size: int, *, is_buy: bool) -> None:
        """Take in a trade after all others; ``is_buy`` says that the taker bought."""
        self.close = price
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        value = price * size
        self.volume += size
        self.value += value
        self.trades += 1
        if is_buy:
            self.bought += size
            self.bought_value += value

    def extend_back(self, earlier: MinuteBar) -> None:
        """Take in the bar before this one."""
        self.open = earlier.open
        self.high = max(self.high, earlier.high)
        self.low = min(self.low, earlier.low)
        self.volume += earlier.volume
        self.value += earlier.value
        self.trades += earlier.trades
        self.bought += earlier.bought
        self.bought_value += earlier.bought_value


class PastTrade(msgspec.Struct, frozen=True):
    """A trade as the history keeps it."""

    trade_id: int
    price: int
    size: int
    maker_sells: bool
    time: int


class Day(msgspec.Struct, frozen=True):
    """Rolling figures over 24 hours, and the volume of 30 days; ``value`` is as in `MinuteBar`."""

    open: int
    high: int
    low: int
    volume: int
    volume_30d: int
    value: int = 0


class TradeRing:
    """The newest ``capacity`` trades. Ids follow each other from ``first_id``, so a place is found by arithmetic."""

    def __init__(self, first_id: int, capacity: int) -> None:
        self.last_id = first_id - 1
        self._before = first_id - 1
        self._capacity = capacity
        self._prices = array("q")
        self._sizes = array("q")  # negative where the maker sold
        self._times = array("q")

    def append(self, price: int, size: int, maker_sells: bool, time: int) -> int:
        """Keep a trade, forget the oldest if full, and return its id."""
        signed = -size if maker_sells else size
        place = self.last_id - self._before
        if place < self._capacity:
            self._prices.append(price)
            self._sizes.append(signed)
            self._times.append(time)
        else:
            place %= self._capacity
            self._prices[place] = price
            self._sizes[place] = signed
            self._times[place] = time
        self.last_id += 1
        return self.last_id

    def older_than(self, trade_id: int, limit: int) -> list[PastTrade]:
        """Return at most ``limit`` kept trades with a smaller id, newest first."""
        newest = min(trade_id - 1, self.last_id)
        oldest = max(newest - limit, self.last_id - self._capacity, self._before)
        return [self._at(i) for i in range(newest, oldest, -1)]

    def first_after(self, time: int) -> int:
        """Return the id of the first kept trade later than ``time``; the next id to come if there is none."""
        ids = range(max(self._before, self.last_id - self._capacity) + 1, self.last_id + 1)
        return ids.start + bisect_right(ids, time, key=lambda trade_id: self._times[self._place(trade_id)])

    def _place(self, trade_id: int) -> int:
        return (trade_id - self._before - 1) % self._capacity

    def _at(self, trade_id: int) -> PastTrade:
        place = self._place(trade_id)
        signed = self._sizes[place]
        return PastTrade(trade_id, self._prices[place], abs(signed), signed < 0, self._times[place])


class Bars:
    """One-minute bars of one product, oldest first. A minute without trades has none."""

    def __init__(self, past: Iterable[MinuteBar]) -> None:
        self._bars: deque[MinuteBar] = deque(past, maxlen=_KEPT_MINUTES)
        self._open: int | None = None
        self._high, self._low, self._volume, self._value, self._month = 0, 0, 0, 0, 0
        self._sum_closed()

    def add(self, price: int, size: int, time: int, is_buy: bool = False) -> None:
        """Take one trade; times never go back. ``is_buy`` says that the taker bought."""
        start = time // (MINUTE_S * SECOND_NS) * MINUTE_S
        bars = self._bars
        if not bars or bars[-1].start != start:
            bars.append(MinuteBar(start, price, price, price, price, 0))
            self._sum_closed()
        bars[-1].add(price, size, is_buy=is_buy)

    def between(self, start_s: int, end_s: int) -> Iterator[MinuteBar]:
        """Iterate over the bars with ``start_s <= start < end_s``, newest first."""
        for bar in reversed(self._bars):
            if bar.start < start_s:
                return
            if bar.start < end_s:
                yield bar

    def day(self) -> Day | None:
        """Return the rolling figures up to the newest trade, or None before the first."""
        if not self._bars:
            return None
        bar = self._bars[-1]
        if self._open is None:
            return Day(bar.open, bar.high, bar.low, bar.volume, self._month + bar.volume, bar.value)
        high, low, value = max(self._high, bar.high), min(self._low, bar.low), self._value + bar.value
        return Day(self._open, high, low, self._volume + bar.volume, self._month + bar.volume, value)

    def _sum_closed(self) -> None:
        """Sum up the bars before the newest, once a minute: the newest is added when somebody asks."""
        newest = self._bars[-1].start if self._bars else 0
        closed = islice(reversed(self._bars), 1, _MONTH_MINUTES)
        month = [bar for bar in closed if bar.start > newest - _MONTH_MINUTES * MINUTE_S]
        day = [bar for bar in month[:_DAY_MINUTES] if bar.start > newest - _DAY_MINUTES * MINUTE_S]
        self._open = day[-1].open if day else None
        self._high = max((bar.high for bar in day), default=0)
        self._low = min((bar.low for bar in day), default=0)
        self._volume = sum(bar.volume for bar in day)
        self._value = sum(bar.value for bar in day)
        self._month = sum(bar.volume for bar in month)


def bars_of(trades: Iterable[PastTrade], length_s: int) -> list[MinuteBar]:
    """Return the bars that trades, oldest first, make, oldest first; a buyer takes where the maker sold."""
    bars: list[MinuteBar] = []
    for trade in trades:
        start = trade.time // (length_s * SECOND_NS) * length_s
        if not bars or bars[-1].start != start:
            bars.append(MinuteBar(start, trade.price, trade.price, trade.price, trade.price, 0))
        bars[-1].add(trade.price, trade.size, is_buy=trade.maker_sells)
    return bars


def roll_up(bars: Iterable[MinuteBar], length_s: int) -> list[MinuteBar]:
    """Fold one-minute bars, newest first, into bars of ``length_s``, newest first; what has no trades has no bar."""
    merged: list[MinuteBar] = []
    for bar in bars:
        start = bar.start // length_s * length_s
        if merged and merged[-1].start == start:
            merged[-1].extend_back(bar)
        else:
            merged.append(msgspec.structs.replace(bar, start=start))
    return merged


def fill_up(bars: Iterable[MinuteBar], length_s: int, end_s: int) -> list[MinuteBar]:
    """Return bars, oldest first, with flat ones at the last price where there are none, up to ``end_s``."""
    filled: list[MinuteBar] = []
    for bar in (*bars, None):
        until = end_s if bar is None else bar.start
        while filled and filled[-1].start + length_s < until:
            last = filled[-1]
            filled.append(MinuteBar(last.start + length_s, last.close, last.close, last.close, last.close, 0))
        filled += [] if bar is None else [bar]
    return filled
