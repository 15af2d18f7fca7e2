"""The application: routes, checks and what they share, put together."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from litestar import Litestar, Request, Router
from litestar.di import Provide

from fulltape.api.access import requires
from fulltape.api.answers import Answers
from fulltape.api.backend import Backend
from fulltape.api.bodies import JsonRequest
from fulltape.api.catalogue import Catalogue
from fulltape.api.compat.routes import compat_routes
from fulltape.api.config import ApiConfig
from fulltape.api.gate import Gate
from fulltape.api.health import health, ready
from fulltape.api.hub import Hub
from fulltape.api.live_indicators import LiveIndicators
from fulltape.api.metrics import metrics
from fulltape.api.openapi import document_forms, document_what_is_optional, openapi_config
from fulltape.api.paging import page_query
from fulltape.api.problems import EXCEPTION_HANDLERS, bad_request, log_bug
from fulltape.api.queries import Queries
from fulltape.api.readers import Readers
from fulltape.api.rest.alerts import active_alerts, alerts
from fulltape.api.rest.analysis import correlation, flow, large_trades, movers, trade_distribution
from fulltape.api.rest.book import book
from fulltape.api.rest.bringing import add_records
from fulltape.api.rest.candles import candles
from fulltape.api.rest.events import events
from fulltape.api.rest.indicators import available_indicators, indicators
from fulltape.api.rest.instruments import follow, instruments, offered, unfollow
from fulltape.api.rest.market import sentiments, venues_of
from fulltape.api.rest.process import status
from fulltape.api.rest.records import coins, coverage, last, quotes, trades
from fulltape.api.rest.returns import drawdowns, ratios, rolling_correlation
from fulltape.api.rest.sql import sql
from fulltape.api.rest.statistics import (
    activity_bars,
    daily,
    depths,
    hourly,
    latest_stats,
    quote_stats,
    stats,
    windows,
)
from fulltape.api.rest.ticks import ticks
from fulltape.api.rest.topics import messages, topics
from fulltape.api.rest.views import overview, quality, rolling, winners_losers
from fulltape.api.rest.volume import profile, volumes, vwap_anchored, vwap_rolling
from fulltape.api.sending import Sending
from fulltape.api.services import Services
from fulltape.api.sharing import Shared
from fulltape.api.snapshots import Caught, StreamReader
from fulltape.api.static import static_routes
from fulltape.api.stream import stream
from fulltape.api.subscription import Wants
from fulltape.api.tokens import Scope
from fulltape.api.watching import Watching
from fulltape.errors import did_you_mean

_BRINGING: Final = 2
"""How many requests may bring records at once; the others wait."""


_TYPE: Final = re.compile(r":\w+}")
_CALLS: Final = [
    instruments, offered, follow, unfollow, trades, quotes, book, candles, coins, coverage, add_records, last,
    stats, latest_stats, windows, activity_bars, quote_stats, depths, indicators, hourly, daily,
    available_indicators,
    movers, correlation, flow, large_trades,
    ticks, drawdowns, ratios, rolling_correlation, volumes, vwap_rolling, vwap_anchored, profile, sentiments, venues_of,
    topics, messages,
    rolling, overview, winners_losers, quality, trade_distribution, alerts, active_alerts, status, sql, stream,
    events,
]  # fmt: skip
"""Everything under ``/api/v1``."""


def create_app(backend: Backend, *, static_dir: Path | None, config: ApiConfig) -> Litestar:
    """Return the application that serves ``backend``, and the dashboard's files in ``static_dir``.

    Run it with `fulltape.api.server.server_config`, which sets the limits that only the server can keep.
    """
    services = _services(backend, config)
    app = _routes(lambda: services, static_dir, config.compat_at_root, config.max_body_bytes)
    # Outside of everything, so that it holds for answers that no handler gives, such as 404, too.
    app.asgi_handler = Gate(Sending(app.asgi_handler, services.answers), config)
    return app


def _routes(
    services: Callable[[], Services], static_dir: Path | None, compat_at_root: bool, max_body_bytes: int
) -> Litestar:
    """Return every call and file; what they work with is asked for when they are called."""

    @asynccontextmanager
    async def running(_: Litestar) -> AsyncIterator[None]:
        its_own = services()
        try:
            async with its_own.hub.running():
                yield
        finally:
            its_own.close()

    api = Router(
        "/api/v1",
        route_handlers=_CALLS,
        dependencies={"page": Provide(page_query, sync_to_thread=False)},
    )
    older = compat_routes(at_root=compat_at_root, simulated=lambda: services().simulated)
    health_calls = [] if compat_at_root else [health]  # the older systems' has its place then
    app = Litestar(
        route_handlers=[api, *health_calls, ready, metrics, *older, *static_routes(static_dir)],
        dependencies={"services": Provide(services, sync_to_thread=False)},
        guards=[requires(Scope.READ)],
        before_request=refuse_unknown_parameters,
        exception_handlers=EXCEPTION_HANDLERS,
        after_exception=[log_bug],
        lifespan=[running],
        openapi_config=openapi_config(),
        request_class=JsonRequest,
        logging_config=None,
        request_max_body_size=max_body_bytes,
    )
    document_forms(app.openapi_schema)
    document_what_is_optional(app.openapi_schema)
    return app


def _services(backend: Backend, config: ApiConfig) -> Services:
    """Return what handlers work with."""
    catalogue = Catalogue(backend)
    readers = Readers(backend, config.reader_threads)

    def read_snapshot(wants: Wants) -> Awaitable[Caught]:
        simulated = backend.status().simulated
        return readers.run(lambda reader: StreamReader(reader, catalogue, config).snapshot(wants, simulated))

    answers = Answers(config.answers_bytes)
    followed = LiveIndicators(readers.run, catalogue.table, config.max_indicators, config.snapshot_candles)
    return Services(
        backend,
        config,
        catalogue,
        readers,
        Queries(backend, config),
        Watching(backend),
        Hub(backend, catalogue, config, answers, followed),
        answers,
        Shared(read_snapshot),
        asyncio.Semaphore(_BRINGING),
    )


def refuse_unknown_parameters(request: Request[Any, Any, Any]) -> None:
    """Answer 400 to query parameters that the OpenAPI document does not know: a typo must not widen a query."""
    template = _TYPE.sub("}", request.scope["path_template"])
    path = (request.app.openapi_schema.paths or {}).get(template)
    operation = getattr(path, request.method.lower(), None)
    if operation is None:
        return
    known = [parameter.name for parameter in operation.parameters or () if hasattr(parameter, "name")]
    for name in request.query_params:
        if name not in known:
            allowed = f"; known are {', '.join(sorted(known))}" if known else "; this call takes none"
            raise bad_request(f"unknown query parameter {name!r}{did_you_mean(name, known)}{allowed}")
