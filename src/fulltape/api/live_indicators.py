"""Indicators as a channel of the stream: each is computed once, whoever follows it, when a candle becomes final.

An indicator that somebody follows keeps as many candles as its values look back, and some more. A commit's final
candles are put among them, and what its values are from the first changed candle on goes with that commit. It is the
function that serves a range (`fulltape.api.warm`), over the same candles, so both say the same.

Told is what changes among the newest ``spare`` values, and no older ones: who keeps those asks for the range again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from fulltape.api.indicator_key import IndicatorKey
from fulltape.api.warm import read_latest
from fulltape.api.wire import encode
from fulltape.errors import ConfigError, TransientError
from fulltape.operators.indicators.base import ALL, Columns
from fulltape.records import CANDLES, Array, Batch
from fulltape.records.batch import InstrumentCodes
from fulltape.records.codec import format_times
from fulltape.records.interval import format_interval
from fulltape.stores.base import Reader
from fulltape.stores.latest import last_of_each_key

MOST_HISTORY: Final = 20_000
"""An indicator that looks back further is served over a range only."""
_INSTEAD: Final = {
    "OBV": ", or add it up from the candles that you follow: only its changes mean something",
    "VWAP": ", or follow VWAP@1m, or `vwap_session` of the kind `stats`, which is told once a second",
}
"""What else a client can do that wants one of those live."""
_RETRY_S: Final = 5.0
_BEFORE: Final = np.iinfo(np.int64).min
_AFTER: Final = np.iinfo(np.int64).max

Read = Callable[[Callable[[Reader], "tuple[int, Tail]"]], Awaitable["tuple[int, Tail]"]]


class Message(Protocol):
    """A commit on its way to clients."""

    @property
    def number(self) -> int:
        """The commit's number."""
        ...

    def batch(self, kind: str) -> Batch | None:
        """Return its rows of a kind."""
        ...

    def add_indicator(self, key: IndicatorKey, rows: Mapping[int, bytes]) -> None:
        """Add an indicator's rows by their start."""
        ...


class Tail:
    """The newest final candles of one indicator: those it is made of, oldest first.

    ``is_all``: there are none before them.
    """

    def __init__(self, key: IndicatorKey, candles: Batch, *, is_all: bool, spare: int) -> None:
        self._key = key
        self._history = key.of.indicator.history(key.of.values, key.of.interval_s)
        self._spare = spare
        self._candles = candles
        self._is_all = is_all
        self._trim()

    @classmethod
    def load(cls, reader: Reader, key: IndicatorKey, spare: int) -> tuple[int, Tail]:
        """Read it from the store; return it with the commit that it shows.

        Raises ConfigError for an interval that is not stored, a history that is too long, or a library that is missing.
        """
        of = key.of
        history = of.indicator.history(of.values, of.interval_s)
        if history > MOST_HISTORY:
            how_far = "to the first candle stored" if history == ALL else f"{history:,} candles"
            raise ConfigError(
                f"{of.label}@{of.interval} looks back {how_far}, and what is streamed {MOST_HISTORY:,} at most: ask "
                f"for it over a range{_INSTEAD.get(of.name, '')}"
            )
        with reader.pinned():
            stored = reader.intervals()
            if stored and of.interval_s not in stored:
                known = ", ".join(map(format_interval, stored))
                raise ConfigError(f"candles of {of.interval} are made when they are asked for; followed can be {known}")
            number, _ = reader.last_commit()
            candles, is_all = read_latest(reader, key.code, of.interval_s, of.indicator, history + spare)
        of.indicator.over(candles, of.values)  # says now what it would say later
        return number, cls(key, candles.take(candles["is_final"]), is_all=is_all, spare=spare)

    def take(self, rows: Batch) -> tuple[Array, Columns]:
        """Put final candles of the key among those that are there; return the starts and values that change with it."""
        of = self._key.of
        if not self._is_all and len(self._candles):
            rows = rows.take(rows["start"] >= self._candles["start"][0])
        merged = last_of_each_key(Batch.concat([self._candles, rows]))
        merged = merged.take(np.argsort(merged["start"], kind="stable"))
        found = of.indicator.over(merged, of.values)
        changed = int(rows["start"].min()) if len(rows) else _AFTER
        told = merged["start"] >= max(changed, self._told_from(merged))
        told[: max(0, len(merged) - self._spare)] = False
        self._candles = merged
        self._trim()
        return merged["start"][told], {name: array[told] for name, array in found.items()}

    def _told_from(self, candles: Batch) -> int:
        """Return from which start on values have all the candles behind them that they look back to."""
        starts = candles["start"][self._key.of.indicator.usable(candles)]
        if self._is_all or not len(starts):
            return _BEFORE
        return int(starts[min(self._history, len(starts) - 1)])

    def _trim(self) -> None:
        usable = np.flatnonzero(self._key.of.indicator.usable(self._candles))
        kept = usable[-(self._history + self._spare) :]
        self._is_all = self._is_all and len(kept) == len(usable)
        self._candles = self._candles.take(kept)


@dataclass(slots=True)
class _Followed:
    """An indicator that is followed; until its candles are read, the commits that it has to go through then."""

    loading: asyncio.Task[None] | None = None
    tail: Tail | None = None
    waiting: list[Message] = field(default_factory=list)


class LiveIndicators:
    """Every indicator that a stream client follows. Used on the event loop only."""

    def __init__(self, read: Read, codes: Callable[[], InstrumentCodes], most: int, spare: int) -> None:
        self._read = read
        self._codes = codes
        self._most = most
        self._spare = spare
        self._followed: dict[IndicatorKey, _Followed] = {}

    def __len__(self) -> int:
        return len(self._followed)

    async def follow(self, keys: Collection[IndicatorKey]) -> None:
        """Return when every commit from the newest stored one on gets these indicators.

        Raises TransientError when there are too many already, ConfigError for one that cannot be followed.
        """
        new = [key for key in keys if key not in self._followed]
        if len(self._followed) + len(new) > self._most:
            raise TransientError(
                f"{len(self._followed)} indicators are followed and {len(new)} more wanted, of {self._most} at most: "
                "name fewer, or try again later",
                retry_after_s=_RETRY_S,
            )
        for key in new:
            followed = self._followed[key] = _Followed()
            followed.loading = asyncio.create_task(self._load(key, followed))
        loading = [task for key in keys if (task := self._followed[key].loading) is not None]
        # One client that leaves must not cancel what others wait for.
        for result in await asyncio.gather(*map(asyncio.shield, loading), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    def keep_only(self, keys: Iterable[IndicatorKey]) -> None:
        """Follow no others any more."""
        wanted = frozenset(keys)
        for key in [key for key in self._followed if key not in wanted]:
            del self._followed[key]

    def take(self, message: Message) -> None:
        """Add to a commit what its candles make of the indicators that are followed."""
        candles = message.batch(CANDLES.name) if self._followed else None
        if candles is None:
            return
        finals = candles.take(candles["is_final"])
        places = set(zip(finals["instrument"].tolist(), finals["interval"].tolist(), strict=True))
        for key, followed in self._followed.items():
            if (key.code, key.of.interval_s) not in places:
                continue
            if followed.tail is None:
                followed.waiting.append(message)
            else:
                self._add(message, key, followed.tail)

    async def _load(self, key: IndicatorKey, followed: _Followed) -> None:
        try:
            number, tail = await self._read(lambda reader: Tail.load(reader, key, self._spare))
        except BaseException:
            if self._followed.get(key) is followed:
                del self._followed[key]
            raise
        for message in followed.waiting:
            if message.number > number:
                self._add(message, key, tail)
        followed.tail = tail
        followed.waiting.clear()

    def _add(self, message: Message, key: IndicatorKey, tail: Tail) -> None:
        candles = message.batch(CANDLES.name)
        assert candles is not None
        mine = (candles["instrument"] == key.code) & (candles["interval"] == key.of.interval_s) & candles["is_final"]
        starts, columns = tail.take(candles.take(mine))
        message.add_indicator(key, encoded(key, starts, columns, self._codes()))


def encoded(key: IndicatorKey, starts: Array, columns: Columns, codes: InstrumentCodes) -> dict[int, bytes]:
    """Return the rows of an indicator as JSON, by their start."""
    told = {"instrument": codes.id_of(key.code), "interval": key.of.interval, "indicator": key.of.label}
    rows = [encode({**told, **row}) for row in _rows(starts, columns)]
    return dict(zip(starts.tolist(), rows, strict=True))


def _rows(starts: Array, columns: Columns) -> Iterator[dict[str, Any]]:
    # JSON has no NaN: msgspec writes it, and infinity, as null.
    figures = [array.tolist() for array in columns.values()]
    for start, *values in zip(format_times(starts), *figures, strict=True):
        yield {"start": start, **dict(zip(columns, values, strict=True))}
