"""How the application is run by uvicorn."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from litestar import Litestar
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from fulltape.api.config import ApiConfig
from fulltape.api.connections import BoundedProtocol, Room
from fulltape.api.messages import Text

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent


class SharedFrames(WebSocketsSansIOProtocol):
    """uvicorn's protocol, which sends a `Text` as the frame that all its receivers share; not with compression."""

    async def send(self, message: ASGISendEvent) -> None:
        """Send one event of the application, when the socket takes something again."""
        text = message.get("text")
        if isinstance(text, Text):
            await self.writable.wait()
        if isinstance(text, Text) and self.conn.state is State.OPEN and not self.transport.is_closing():
            self.transport.write(text.frame)
        else:
            await super().send(message)


def server_config(app: Litestar, *, host: str, port: int, config: ApiConfig) -> uvicorn.Config:
    """Return uvicorn's configuration: fast loop and parser, the message limit, and a stop within 2 s.

    Compression is off: on a fast network it would cost more time than it saves, for each client anew.
    """
    app.state.room = room = Room(config)
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=cast("Any", partial(BoundedProtocol, room=room)),
        ws=SharedFrames,
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
