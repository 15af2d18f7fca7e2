"""LiveCoinWatch's answers and the parser that turns them into columns.

https://livecoinwatch.github.io/lcw-api-docs/. Every figure is a number or null; answers to polls carry no time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
import numpy as np

from fulltape.errors import MalformedFrame
from fulltape.records import COINS, Array, Origin
from fulltape.records.columns import NULL_INT
from fulltape.records.frames import Connection
from fulltape.venues.base import Channel, Parsed, Refused, Symbols
from fulltape.venues.feed import Confirmed, FeedParser, RowsDecoder, decode_frame, read_each, split_answer, spread
from fulltape.venues.rows import Codes, Rows, excerpt

NAME: Final = "LIVECOINWATCH"
POLL_PATH: Final = "/coins/map"
CHANGES: Final = ("hour", "day", "week", "month", "quarter", "year")
KEY_VARIABLE: Final = "FULLTAPE_LIVECOINWATCH_KEY"
_KEY_CODES: Final = (401, 403)
_PASSING_CODES: Final = (429, 500, 503)

_Rank = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Delta(msgspec.Struct, frozen=True):
    """Rate now by rate then: 1.0437 is a rise of 4.37 percent."""

    hour: float | None = None
    day: float | None = None
    week: float | None = None
    month: float | None = None
    quarter: float | None = None
    year: float | None = None


class CoinRow(msgspec.Struct, frozen=True, rename="camel"):
    """``{"code":"BTC","rate":20179.546,"volume":21739986652,"cap":387234256303,"delta":{"hour":0.999,…},…}``."""

    code: str
    rate: float | None
    name: str = ""
    rank: _Rank | None = None
    volume: float | None = None
    cap: float | None = None
    liquidity: float | None = None
    all_time_high_usd: float | None = msgspec.field(default=None, name="allTimeHighUSD")
    circulating_supply: float | None = None
    total_supply: float | None = None
    max_supply: float | None = None
    delta: Delta = Delta()


class Problem(msgspec.Struct, frozen=True):
    """``{"code":401,"status":"Unauthorized","description":"Your API key is wrong."}``; it comes with HTTP 200 too."""

    code: int
    status: str = ""
    description: str = ""

    @property
    def words(self) -> str:
        """The problem in the venue's words."""
        return f"{self.code} {self.status}: {self.description}".rstrip(": ")[:200]


class Refusal(msgspec.Struct, frozen=True):
    """What comes instead of an answer."""

    error: Problem


class _Asked(msgspec.Struct, frozen=True):
    currency: str


_decode_asked = msgspec.json.Decoder(_Asked).decode
_decode_refusal = msgspec.json.Decoder(Refusal).decode
_coins = RowsDecoder(CoinRow)


class LiveCoinWatchParser(FeedParser):
    """Turns answers to polls into columns. Remembers which coins have come."""

    def __init__(self, symbols: Symbols, connection: Connection) -> None:
        self._codes = Codes(symbols)
        self._origin = int(Origin.REPLAY if connection.replay else Origin.LIVE)
        self._confirmed = Confirmed()
        self._seen: set[str] = set()
        super().__init__(read_each, (((list,), self._take_coins),))

    def read(self, frame: int, payload: bytes, parsed: Parsed) -> list[tuple[str, CoinRow]] | None:
        """Return the coins of an answer, each with its symbol."""
        asked, body = split_answer(payload)
        path, _, question = asked.partition(" ")
        if path != POLL_PATH:
            raise MalformedFrame("unknown_type", excerpt(path))
        if body.lstrip()[:1] == b"{":
            problem = decode_frame(_decode_refusal, body).error
            words = f"{NAME}: {problem.words}"
            if problem.code in _KEY_CODES:
                words += f"; check {KEY_VARIABLE} in the environment"
            parsed.controls.append((frame, Refused(words, problem.code not in _PASSING_CODES)))
            return None
        currency = decode_frame(_decode_asked, question.encode()).currency
        rows = [(f"{coin.code}-{currency}", coin) for coin in _coins.decode(body, frame, parsed)]
        new = [symbol for symbol, _ in rows if symbol not in self._seen]
        if new:
            self._seen.update(new)
            parsed.controls.append((frame, self._confirmed.add(Channel.COINS, new)))
        return rows

    def _take_coins(
        self, messages: list[list[tuple[str, CoinRow]]], frames: Array, received: Array, parsed: Parsed
    ) -> None:
        pairs, owners = spread(messages)
        frames, received = frames[owners], received[owners]
        coins = [coin for _, coin in pairs]
        rows = Rows(COINS, frames, received)
        rows.instruments(self._codes, [symbol for symbol, _ in pairs])
        rows.put("event_time", received)
        rows.put("ingest_time", received)
        rows.put("origin", np.full(len(coins), self._origin))
        put_coins(rows, coins)
        rows.finish(parsed)


def put_coins(rows: Rows, coins: Sequence[CoinRow]) -> None:
    """Add what coins are said to be worth; what cannot be true is bad."""
    names = np.empty(len(coins), object)
    names[:] = [coin.name for coin in coins]
    rows.put("name", names)
    rows.put("rank", [NULL_INT if coin.rank is None else coin.rank for coin in coins])
    rows.positive("rate", [np.nan if coin.rate is None else coin.rate for coin in coins])
    rows.figures("volume", [coin.volume for coin in coins])
    for name in ("cap", "liquidity", "all_time_high_usd", "circulating_supply", "total_supply", "max_supply"):
        rows.figures(name, [getattr(coin, name) for coin in coins], zero_is_null=True)
    for span in CHANGES:
        ratios = [getattr(coin.delta, span) for coin in coins]
        rows.figures(f"change_{span}", ratios)
        # Ratios have four decimals: rounding takes away only what the subtraction added.
        rows.put(f"change_{span}", np.round((np.array(ratios, np.float64) - 1.0) * 100.0, 9))
