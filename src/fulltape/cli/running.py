"""Running until a signal: what `up`, `sim` and `replay` share."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run ``work`` on a fast event loop; the event it gets is set by Ctrl-C or SIGTERM."""
    import uvloop

    async def until_signalled() -> None:
        async with stop_on_signals() as stop:
            await work(stop)

    uvloop.run(until_signalled())


@contextlib.asynccontextmanager
async def stop_on_signals() -> AsyncIterator[asyncio.Event]:
    """Yield an event that Ctrl-C and SIGTERM set. Stopping takes seconds at most, so impatience changes nothing."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
