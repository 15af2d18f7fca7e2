"""Prices as InfluxDB's line protocol, as Telegraf wrote them from Kafka: a tag ``product``, a field ``price``.

Influx keeps one point of equal tags and time, so trades of one nanosecond are told a nanosecond apart, in order.
"""

from __future__ import annotations

from typing import Annotated, Final

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.params import QueryParameter

from fulltape.api.compat.symbols import Symbols
from fulltape.api.paging import parse_time
from fulltape.api.services import Services
from fulltape.clock import SECOND_NS

_HOUR_NS: Final = 3_600 * SECOND_NS
_ESCAPES: Final = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\="})
_POINTS: Final = """
    SELECT price, epoch_ns(event_time) + row_number() OVER (PARTITION BY event_time ORDER BY trade_id) - 1 AS time
    FROM (SELECT price, event_time, trade_id FROM trades WHERE instrument = $1
          UNION ALL SELECT rate, event_time, '' FROM coins WHERE instrument = $1)
    WHERE event_time >= make_timestamp_ns($2) AND event_time < make_timestamp_ns($3)
    ORDER BY time LIMIT $4
"""


TimeText = Annotated[str | None, QueryParameter(description="RFC 3339.", max_length=40)]


@get("/influx", include_in_schema=False)
async def influx(
    services: NamedDependency[Services],
    product: Annotated[str, QueryParameter(min_length=1, max_length=100)],
    start: TimeText = None,
    end: TimeText = None,
    measurement: Annotated[str, QueryParameter(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$")] = "kafka_consumer",
    limit: Annotated[int, QueryParameter(ge=1, le=100_000)] = 10_000,
) -> Response[bytes]:
    """Return the first ``limit`` prices from ``start`` (an hour ago unless told) to before ``end`` (now)."""
    instrument = Symbols(services.catalogue.table()).find(product)
    until = parse_time("end", end)
    until = services.backend.now_ns() if until is None else until
    since = parse_time("start", start)
    values = (instrument.id, until - _HOUR_NS if since is None else since, until, limit)
    rows = await services.read(lambda reader: reader.sql(_POINTS, parameters=values).to_pylist())
    series = f"{measurement},product={instrument.venue_symbol.translate(_ESCAPES)}"
    lines = "".join(f"{series} price={row['price']!r} {row['time']}\n" for row in rows)
    return Response(lines.encode(), media_type=MediaType.TEXT, headers={"Cache-Control": "no-store"})
