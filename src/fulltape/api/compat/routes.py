"""What answers under ``/compat``, and at the root if that is switched on."""

from __future__ import annotations

from typing import Final

from litestar import Router
from litestar.types import ControllerRouterHandler

from fulltape.api.compat.activity import (
    current_price,
    health,
    hourly_stats_last_12_hours,
    top_n_highest_volumes,
    trade_volume_last_6_hours,
    transactions_count_last_6_hours,
    transactions_in_last_n_min,
)
from fulltape.api.compat.answers import FASTAPI_ERRORS
from fulltape.api.compat.grafana import grafana_router
from fulltape.api.compat.influx import influx
from fulltape.api.compat.udf import udf_router

PREFIX: Final = "/compat"


def compat_routes(*, at_root: bool) -> list[Router]:
    """Return the routers; at the root ``/health`` then answers as the older server did."""
    return [_router(PREFIX), *([_router("/")] if at_root else [])]


def _router(prefix: str) -> Router:
    calls: list[ControllerRouterHandler] = [
        health,
        transactions_count_last_6_hours,
        trade_volume_last_6_hours,
        hourly_stats_last_12_hours,
        transactions_in_last_n_min,
        top_n_highest_volumes,
        current_price,
        influx,
        grafana_router(),
        udf_router(),
    ]
    return Router(prefix, route_handlers=calls, exception_handlers=FASTAPI_ERRORS)
