"""The stream over a socket: the same follower, blocking or on an event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import connect as connect_blocking

from fulltape.client.errors import ClientError, Unreachable, refusal
from fulltape.client.following import Follower, Update

_OPEN_TIMEOUT_S: Final = 10.0
_MAX_MESSAGE: Final = 256 << 20
_LOST: Final = (OSError, InvalidHandshake, ConnectionClosed)


@dataclass(frozen=True, slots=True)
class Line:
    """Where to connect, and with which headers."""

    url: str
    headers: Mapping[str, str]

    @property
    def options(self) -> dict[str, Any]:
        """The connection's options."""
        return {
            "additional_headers": self.headers,
            "open_timeout": _OPEN_TIMEOUT_S,
            "max_size": _MAX_MESSAGE,
            "compression": None,
            "proxy": None,
        }

    @property
    def address(self) -> str:
        """The stream's address."""
        scheme, _, rest = self.url.partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{rest}/api/v1/stream"


async def follow(line: Line, follower: Follower) -> AsyncIterator[Update]:
    """Yield updates for ever, over as many connections as that takes. Raises ClientError."""
    while True:
        with _breaks_survived(line, follower):
            async with connect(line.address, **line.options) as socket:
                await socket.send(follower.subscription())
                async for text in socket:
                    if (update := follower.take(text)) is not None:
                        yield update
        await asyncio.sleep(follower.pause_s())


def follow_blocking(line: Line, follower: Follower) -> Iterator[Update]:
    """Yield updates for ever, over as many connections as that takes. Raises ClientError."""
    while True:
        with _breaks_survived(line, follower), connect_blocking(line.address, **line.options) as socket:
            socket.send(follower.subscription())
            for text in socket:
                if (update := follower.take(text)) is not None:
                    yield update
        time.sleep(follower.pause_s())


@contextmanager
def _breaks_survived(line: Line, follower: Follower) -> Iterator[None]:
    """Let a lost connection pass once there was one; raise what waiting does not mend."""
    try:
        yield
    except InvalidURI:
        raise ClientError(f"not an address: {line.url}; they look like http://127.0.0.1:8000") from None
    except InvalidStatus as error:
        answer = error.response
        if answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR or not follower.has_begun:
            raise refusal(answer.status_code, bytes(answer.body), answer.headers.get("Retry-After")) from None
    except _LOST as error:
        if not follower.has_begun:
            raise Unreachable(f"no fulltape streams at {line.url} ({error})") from None
