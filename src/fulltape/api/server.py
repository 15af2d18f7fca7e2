"""How the application is run by uvicorn."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any, cast

import uvicorn
from litestar import Litestar

from fulltape.api.config import ApiConfig
from fulltape.api.connections import BoundedProtocol, Room
from fulltape.api.sockets import StreamProtocol


def server_config(app: Litestar, *, host: str, port: int, config: ApiConfig) -> uvicorn.Config:
    """Return uvicorn's configuration: fast loop and parser, the message limit, and a stop within 2 s.

    Compression is off: on a fast network it would cost more time than it saves, for each client anew.
    """
    app.state.room = room = Room(config)
    logging.getLogger("uvicorn.error").addFilter(is_a_mistake)
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=cast("Any", partial(BoundedProtocol, room=room)),
        ws=cast("Any", partial(StreamProtocol, room=room, limits=config)),
        limit_concurrency=config.max_connections,
        ws_max_size=config.max_message_bytes,
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )


def is_a_mistake(record: logging.LogRecord) -> bool:
    """Return False for an answer that the stop cuts off: uvicorn logs the calls down to where it waited, as a fault."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, asyncio.CancelledError)
