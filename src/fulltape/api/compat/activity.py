"""Counts, volumes and prices by symbol: seven calls of a BitMEX dashboard's server, with its paths and shapes.

Hours are clock hours in UTC and so are the texts: summer time moves nothing. Volumes are in the quote currency.
"Last" means before the moment of the call, by the clock of this machine. The engine's clock stands still when the
engine does, and an old hour would then pass for the last one; by the moment of the call all are empty instead.
A completed hour has the trades that are stored now; one that comes late is counted from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import QueryParameter

from fulltape.api.access import OPEN_TO_ALL
from fulltape.api.compat.answers import answer
from fulltape.api.compat.symbols import Symbols
from fulltape.api.health import bad_parts
from fulltape.api.services import Services
from fulltape.api.wire import Health
from fulltape.clock import SECOND_NS, format_rfc3339

_MINUTE_NS: Final = 60 * SECOND_NS
_HOUR_NS: Final = 60 * _MINUTE_NS
_TOTAL_HOURS: Final = 6

# Not the view `hourly`: for some seconds an hour that is completed waits for late trades and is not final yet.
_HOURS: Final = """
    SELECT instrument, epoch_ns(start) AS start, trades, quote_volume FROM candles
    WHERE interval = '1h' AND trades > 0 AND start >= make_timestamp_ns(?) AND start < make_timestamp_ns(?)
    ORDER BY instrument, start
"""
# Not the view `rolling`: its hour ends at the engine's clock.
_TOP: Final = """
    SELECT instrument, sum(quote_volume) AS total_volume FROM candles
    WHERE interval = '1m' AND trades > 0 AND start >= make_timestamp_ns(?) AND start <= make_timestamp_ns(?)
    GROUP BY instrument ORDER BY total_volume DESC, instrument LIMIT ?
"""
_COUNT: Final = """
    SELECT count(*) AS trades FROM historical_trades
    WHERE instrument = ? AND event_time >= make_timestamp_ns(?) AND event_time < make_timestamp_ns(?)
"""
_PRICE: Final = "SELECT sell_price, buy_price FROM current_price WHERE instrument = ?"

Rows = list[dict[str, Any]]
SymbolText = Annotated[str, QueryParameter(description="Such as `XBTUSDT`, or an id.", min_length=1, max_length=100)]


@get("/health", opt=OPEN_TO_ALL, include_in_schema=False, sync_to_thread=False)
def health(services: NamedDependency[Services]) -> Response[bytes]:
    """``{"status": 200}``; 503 with the reasons where the older server knew nothing of its feeds."""
    bad = bad_parts(services.backend.status(), services.hub.error)
    return answer(Health("bad", bad), 503) if bad else answer({"status": 200})


@get("/transactions_count_last_6_hours", include_in_schema=False)
async def transactions_count_last_6_hours(services: NamedDependency[Services]) -> Response[bytes]:
    """Return how many trades each symbol had in the last 6 completed hours."""
    totals: dict[str, int] = {}
    for name, row in await _hours(services, _TOTAL_HOURS):
        totals[name] = totals.get(name, 0) + row["trades"]
    return answer({"count": {name: {"total_transaction_count": count} for name, count in totals.items()}})


@get("/trade_volume_last_6_hours", include_in_schema=False)
async def trade_volume_last_6_hours(services: NamedDependency[Services]) -> Response[bytes]:
    """Return what each symbol's trades in the last 6 completed hours were worth."""
    totals: dict[str, float] = {}
    for name, row in await _hours(services, _TOTAL_HOURS):
        totals[name] = totals.get(name, 0.0) + row["quote_volume"]
    return answer({"count": {name: {"total_trade_volume": volume} for name, volume in totals.items()}})


@get("/hourly_stats_last_12_hours", include_in_schema=False)
async def hourly_stats_last_12_hours(
    services: NamedDependency[Services], n_hours: Annotated[int, QueryParameter(ge=1, le=744)] = 12
) -> Response[bytes]:
    """Return count and volume of each of the last ``n_hours`` completed hours that had trades."""
    stats: dict[str, Rows] = {}
    for name, row in await _hours(services, n_hours):
        hour = {
            "hour_start": format_rfc3339(row["start"])[:19] + "+00:00",
            "transaction_count": row["trades"],
            "total_trade_volume": row["quote_volume"],
        }
        stats.setdefault(name, []).append(hour)
    return answer({"stats": stats})


@get("/transactions_in_last_n_min", include_in_schema=False)
async def transactions_in_last_n_min(
    services: NamedDependency[Services],
    symbol: SymbolText,
    n_minutes: Annotated[int, QueryParameter(ge=1, le=44_640)],
) -> Response[bytes]:
    """Return how many trades a symbol had in the last ``n_minutes`` completed minutes."""
    instrument = Symbols(services.catalogue.table()).find(symbol)
    end = services.backend.now_ns() // _MINUTE_NS * _MINUTE_NS
    (row,) = await _rows(services, _COUNT, (instrument.id, end - n_minutes * _MINUTE_NS, end))
    return answer({"symbol": symbol, "number_of_trades": row["trades"]})


@get("/top_n_highest_volumes", include_in_schema=False)
async def top_n_highest_volumes(
    services: NamedDependency[Services], top_n: Annotated[int, QueryParameter(ge=1, le=1_000)]
) -> Response[bytes]:
    """Return the symbols whose trades of this minute and the 59 before it were worth most."""
    minute = services.backend.now_ns() // _MINUTE_NS * _MINUTE_NS
    rows = await _rows(services, _TOP, (minute - 59 * _MINUTE_NS, minute, top_n))
    symbols = Symbols(services.catalogue.table())
    top = [{"symbol": symbols.name_of(row["instrument"]), "total_volume": row["total_volume"]} for row in rows]
    return answer({"top_symbols": top})


@get("/current_price", include_in_schema=False)
async def current_price(services: NamedDependency[Services], symbol: SymbolText) -> Response[bytes]:
    """Return the best ask (at which others sell) and the best bid."""
    instrument = Symbols(services.catalogue.table()).find(symbol)
    rows = await _rows(services, _PRICE, (instrument.id,))
    if not rows:
        raise NotFoundException(f"no quote of {symbol!r} yet")
    return answer({"Symbol": symbol, "Sell price": rows[0]["sell_price"], "Buy price": rows[0]["buy_price"]})


async def _hours(services: Services, n_hours: int) -> list[tuple[str, dict[str, Any]]]:
    """Return the completed hours with trades, each with the name of its symbol, by name and hour."""
    end = services.backend.now_ns() // _HOUR_NS * _HOUR_NS
    rows = await _rows(services, _HOURS, (end - n_hours * _HOUR_NS, end))
    symbols = Symbols(services.catalogue.table())
    named = [(symbols.name_of(row["instrument"]), row) for row in rows]
    return sorted(named, key=lambda pair: pair[0])


async def _rows(services: Services, query: str, values: Sequence[str | int]) -> Rows:
    rows: Rows = await services.read(lambda reader: reader.sql(query, parameters=values).to_pylist())
    return rows
