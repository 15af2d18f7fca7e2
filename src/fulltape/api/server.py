"""How the application is run by uvicorn."""

from __future__ import annotations

import uvicorn
from litestar import Litestar

from fulltape.api.config import ApiConfig


def server_config(app: Litestar, *, host: str, port: int, config: ApiConfig) -> uvicorn.Config:
    """Return uvicorn's configuration: fast loop and parser, the message limit, and a stop within 2 s.

    Compression is off: on a fast network it would cost more time than it saves, for each client anew.
    """
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
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
