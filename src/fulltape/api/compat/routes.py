"""What answers under ``/compat``, and at the root if that is switched on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from litestar import Response, Router
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
from fulltape.api.formats import SIMULATED

PREFIX: Final = "/compat"


def compat_routes(*, at_root: bool, simulated: Callable[[], bool]) -> list[Router]:
    """Return the routers; at the root ``/health`` then answers as the older server did.

    The shapes are others' and have no place to say that prices are made up, so a header does.
    """

    def label(response: Response[Any]) -> Response[Any]:
        if simulated():
            response.headers[SIMULATED] = "1"
        return response

    return [_router(prefix, label) for prefix in (PREFIX, *(["/"] if at_root else []))]


def _router(prefix: str, label: Callable[[Response[Any]], Response[Any]]) -> Router:
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
    return Router(prefix, route_handlers=calls, exception_handlers=FASTAPI_ERRORS, after_request=label)
