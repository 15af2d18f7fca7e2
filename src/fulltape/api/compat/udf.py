"""TradingView's Universal Data Feed: what the charting library asks a server of its own.

The protocol: https://www.tradingview.com/charting-library-docs/latest/connecting_data/UDF
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from litestar import Request, Response, Router, get
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.exceptions import HTTPException, ValidationException
from litestar.params import QueryParameter
from litestar.types import ExceptionHandlersMap

from fulltape.api.compat.answers import answer, refusal
from fulltape.api.compat.candles import MOST, Span, rolled
from fulltape.api.compat.symbols import Symbols
from fulltape.api.services import Services
from fulltape.clock import SECOND_NS
from fulltape.errors import did_you_mean
from fulltape.records import Instrument

RESOLUTIONS: Final = {
    "1S": 1, "5S": 5, "15S": 15, "30S": 30, "1": 60, "2": 120, "3": 180, "5": 300, "10": 600, "15": 900, "30": 1_800,
    "60": 3_600, "120": 7_200, "240": 14_400, "360": 21_600, "720": 43_200, "1D": 86_400, "1W": 604_800,
}  # fmt: skip
"""The lengths (s) of the chart's resolutions."""

_SHORT: Final = {"S": "1S", "D": "1D", "W": "1W"}
_COLUMNS: Final = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}
_MOST_SYMBOLS: Final = 100
_LATEST_S: Final = 9_000_000_000  # beyond it nanoseconds do not fit into 64 bits
_LAST: Final = "SELECT price, bid, ask, open_24h, high_24h, low_24h, volume_24h FROM last WHERE instrument = ?"
_BEFORE: Final = """
    SELECT epoch_ns(max(start)) AS time FROM candles
    WHERE open IS NOT NULL AND instrument = ? AND start < make_timestamp_ns(?)
"""

SymbolText = Annotated[str, QueryParameter(min_length=1, max_length=100)]
Seconds = Annotated[int, QueryParameter(ge=0, le=_LATEST_S)]


def udf_router() -> Router:
    """Return the calls below ``/udf``; their errors are told as the library wants them."""
    handlers: ExceptionHandlersMap = {HTTPException: _on_error, ValidationException: _on_error}
    return Router("/udf", route_handlers=[config, symbols, search, history, quotes, time], exception_handlers=handlers)


@get("/config", include_in_schema=False, sync_to_thread=False)
def config(services: NamedDependency[Services]) -> Response[bytes]:
    """Tell what this server can do."""
    venues = sorted({row.venue for row in services.catalogue.table()})
    exchanges = [{"value": "", "name": "All", "desc": "all venues"}]
    exchanges += [{"value": name, "name": name, "desc": name} for name in venues]
    return answer(
        {
            "supports_search": True,
            "supports_group_request": False,
            "supports_marks": False,
            "supports_timescale_marks": False,
            "supports_time": True,
            "exchanges": exchanges,
            "symbols_types": [{"name": "Crypto", "value": "crypto"}],
            "supported_resolutions": list(RESOLUTIONS),
        }
    )


@get("/symbols", include_in_schema=False, sync_to_thread=False)
def symbols(services: NamedDependency[Services], symbol: SymbolText) -> Response[bytes]:
    """How an instrument is to be drawn."""
    row = Symbols(services.catalogue.table()).find(_bare(symbol))
    step, scale = _price_scale(row)
    info = {
        **_summary(row),
        "name": row.id,
        "session": "24x7",
        "timezone": "Etc/UTC",
        "listed_exchange": row.venue,
        "minmov": step,
        "pricescale": scale,
        "format": "price",
        "has_intraday": True,
        "has_seconds": True,
        "has_daily": True,
        "has_weekly_and_monthly": True,
        "seconds_multipliers": ["1", "5", "15", "30"],
        "supported_resolutions": list(RESOLUTIONS),
        "volume_precision": 8,
        "currency_code": row.quote,
        "data_status": "streaming",
    }
    return answer(info)


@get("/search", include_in_schema=False, sync_to_thread=False)
def search(
    services: NamedDependency[Services],
    text: Annotated[str, QueryParameter(name="query", max_length=100)] = "",
    exchange: Annotated[str, QueryParameter(max_length=100)] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=1_000)] = 30,
) -> Response[bytes]:
    """Which instruments have the text in their id or in the venue's symbol."""
    wanted = text.upper()
    found = [
        _summary(row)
        for row in services.catalogue.table()
        if (wanted in row.id or wanted in row.venue_symbol.upper()) and exchange.upper() in ("", row.venue)
    ]
    return answer(found[:limit])


@get("/history", include_in_schema=False)
async def history(
    services: NamedDependency[Services],
    symbol: SymbolText,
    resolution: Annotated[str, QueryParameter(max_length=10)],
    to: Seconds,
    since: Annotated[int | None, QueryParameter(name="from", ge=0, le=_LATEST_S)] = None,
    countback: Annotated[int | None, QueryParameter(ge=1, le=MOST)] = None,
) -> Response[bytes]:
    """Bars that begin in ``[from, to)``, or the newest ``countback`` before ``to``; else where there are some."""
    if since is None and countback is None:
        raise ValidationException("name from, or countback")
    row = Symbols(services.catalogue.table()).find(_bare(symbol))
    start = 0 if countback is not None or since is None else since * SECOND_NS
    span = Span.of(services, row, _interval_s(resolution), start, to * SECOND_NS, countback or MOST)
    bars = await services.read(lambda reader: rolled(reader, span))
    if not bars:
        earlier = await services.read(lambda reader: reader.sql(_BEFORE, parameters=(row.id, span.first)).to_pylist())
        ended = earlier[0]["time"]
        return answer({"s": "no_data"} if ended is None else {"s": "no_data", "nextTime": ended // SECOND_NS})
    columns = {letter: [bar[name] for bar in bars] for letter, name in _COLUMNS.items()}
    return answer({"s": "ok", "t": [bar["start"] // SECOND_NS for bar in bars], **columns})


@get("/quotes", include_in_schema=False)
async def quotes(
    services: NamedDependency[Services],
    names: Annotated[str, QueryParameter(name="symbols", min_length=1, max_length=8_000)],
) -> Response[bytes]:
    """Where instruments stand now; the change is over 24 hours."""
    known = Symbols(services.catalogue.table())
    found: list[dict[str, Any]] = []
    for name in names.split(",")[:_MOST_SYMBOLS]:
        meant = known.meant_by(_bare(name))
        if len(meant) != 1:
            found.append({"s": "error", "n": name, "v": {}})
            continue
        found.append({"s": "ok", "n": name, "v": _quote(meant[0], await _last(services, meant[0].id))})
    return answer({"s": "ok", "d": found})


@get("/time", include_in_schema=False, sync_to_thread=False)
def time(services: NamedDependency[Services]) -> Response[bytes]:
    """Return the seconds since 1970."""
    return Response(str(services.backend.now_ns() // SECOND_NS).encode(), media_type=MediaType.TEXT)


async def _last(services: Services, instrument: str) -> dict[str, Any]:
    rows = await services.read(lambda reader: reader.sql(_LAST, parameters=(instrument,)).to_pylist())
    return rows[0] if rows else {}


def _on_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    items = error.extra if isinstance(error.extra, list) else []
    wrong = "; ".join(f"{item.get('key')}: {item.get('message')}" for item in items if isinstance(item, dict))
    return refusal(error, {"s": "error", "errmsg": wrong or error.detail})


def _bare(symbol: str) -> str:
    """Return ``BTC-USD.COINBASE`` for ``COINBASE:BTC-USD.COINBASE``."""
    return symbol.rpartition(":")[2]


def _interval_s(resolution: str) -> int:
    length = RESOLUTIONS.get(_SHORT.get(resolution, resolution))
    if length is None:
        raise ValidationException(
            f"unknown resolution {resolution!r}{did_you_mean(resolution, RESOLUTIONS)}; "
            f"there are {', '.join(RESOLUTIONS)}"
        )
    return length


def _summary(row: Instrument) -> dict[str, Any]:
    return {
        "symbol": row.id,
        "full_name": row.id,
        "ticker": row.id,
        "description": f"{row.base} in {row.quote} at {row.venue}",
        "exchange": row.venue,
        "type": "crypto",
    }


def _price_scale(row: Instrument) -> tuple[int, int]:
    """Return (minmov, pricescale): the price step is the first by the second; 8 digits while it is unknown."""
    step = Decimal(repr(row.price_step)).normalize()
    if not step:
        return 1, 10**8
    digits = max(0, -int(step.as_tuple().exponent))
    return int(step * 10**digits), 10**digits


def _quote(row: Instrument, last: dict[str, Any]) -> dict[str, Any]:
    price, opened = last.get("price"), last.get("open_24h")
    values = {
        "lp": price,
        "ask": last.get("ask"),
        "bid": last.get("bid"),
        "open_price": opened,
        "high_price": last.get("high_24h"),
        "low_price": last.get("low_24h"),
        "volume": last.get("volume_24h"),
    }
    if price is not None and opened:
        values |= {"ch": price - opened, "chp": 100 * (price / opened - 1)}
    named = {"short_name": row.id, "exchange": row.venue, "description": _summary(row)["description"]}
    return named | {name: value for name, value in values.items() if value is not None}
