"""What a stream client may say, and what it then wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal, get_args

import msgspec

from fulltape.api.catalogue import Catalogue
from fulltape.api.indicator_key import IndicatorKey, parse_indicator
from fulltape.api.problems import bad_request
from fulltape.errors import ConfigError
from fulltape.records import (
    ACTIVITY_BARS,
    ALERTS,
    CANDLES,
    COINS,
    COVERAGE,
    DEPTHS,
    LAST_VALUES,
    QUOTE_STATS,
    QUOTES,
    STATS,
    TRADES,
    WINDOWS,
    Schema,
)
from fulltape.records.interval import parse_interval

Kind = Literal[
    "trades", "candles", "quotes", "last", "coverage", "stats", "coins",
    "windows", "activity_bars", "quote_stats", "depths", "indicators", "alerts",
]  # fmt: skip
INDICATORS: Final = "indicators"
"""The kind that is not stored but computed."""

_STREAMED: Final = (
    TRADES, CANDLES, LAST_VALUES, QUOTES, COVERAGE, STATS, COINS, WINDOWS, ACTIVITY_BARS, QUOTE_STATS, DEPTHS, ALERTS
)  # fmt: skip
SCHEMAS: Final[dict[str, Schema]] = {s.name: s for s in _STREAMED}
"""The stored kinds that are streamed, in the order in which a message holds them."""
CONFLATED: Final = frozenset(schema.name for schema in (QUOTES, LAST_VALUES, STATS, COINS, QUOTE_STATS, DEPTHS))
"""Kinds of which only the newest row of an instrument goes to a client that has fallen behind."""


class Subscribe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Replace what this client receives. ``since`` is the number of the last commit it has handled."""

    op: Literal["subscribe"]
    instruments: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=2_000)]
    kinds: Annotated[tuple[Kind, ...], msgspec.Meta(min_length=1)]
    intervals: Annotated[tuple[str, ...], msgspec.Meta(max_length=20)] = ()
    indicators: Annotated[tuple[str, ...], msgspec.Meta(max_length=20)] = ()
    since: Annotated[int, msgspec.Meta(ge=0)] | None = None


@dataclass(frozen=True, slots=True)
class Wants:
    """What a client receives: kinds, instrument codes (None for all, later ones included), intervals in seconds."""

    kinds: frozenset[str]
    codes: frozenset[int] | None
    intervals: frozenset[int]
    indicators: tuple[IndicatorKey, ...] = ()

    @property
    def schemas(self) -> tuple[Schema, ...]:
        """The kinds wanted, in message order."""
        return tuple(schema for name, schema in SCHEMAS.items() if name in self.kinds)


decode_request: Final = msgspec.json.Decoder(Subscribe).decode
"""Returns the request of a client's message; raises msgspec.DecodeError that says what is wrong with it."""


def refusal_of(error: msgspec.DecodeError) -> str:
    """Return what is wrong with a client's message; of a kind that there is not, which there are."""
    return f"{error}; there are {', '.join(get_args(Kind))}" if "`$.kinds[" in str(error) else str(error)


def resolve(request: Subscribe, catalogue: Catalogue) -> Wants:
    """Return what a request asks for; raises an HTTP error that says what cannot be given."""
    try:
        intervals = frozenset(parse_interval(text) for text in request.intervals)
    except ValueError as error:
        raise bad_request(str(error)) from None
    if CANDLES.name in request.kinds and not intervals:
        raise bad_request('candles need intervals, such as "intervals": ["1m"]')
    codes = None if "*" in request.instruments else frozenset(map(catalogue.code_of, request.instruments))
    return Wants(frozenset(request.kinds), codes, intervals, _indicators(request, codes))


def _indicators(request: Subscribe, codes: frozenset[int] | None) -> tuple[IndicatorKey, ...]:
    if INDICATORS not in request.kinds:
        return ()
    if not request.indicators or codes is None:
        raise bad_request('indicators need instruments by name, and which, such as "indicators": ["RSI(period=14)@5m"]')
    try:
        wanted = {parse_indicator(text) for text in request.indicators}
    except ConfigError as error:
        raise bad_request(str(error)) from None
    return tuple(IndicatorKey(code, one) for code in sorted(codes) for one in sorted(wanted))
