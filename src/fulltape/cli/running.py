"""Running until a signal: what `up`, `sim` and `replay` share."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run ``work`` on a fast event loop; the event it gets is set by Ctrl-C or SIGTERM."""
    import uvloop

    from fulltape.engine.interpreter import tuned

    async def until_signalled() -> None:
        async with stop_on_signals() as stop:
            await work(stop)

    with tuned():
        uvloop.run(until_signalled())


def more_files(wanted: int) -> int:
    """Let this process have ``wanted`` files and sockets open, or as many as it may; return how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        return allowed
    return wanted if soft == resource.RLIM_INFINITY else soft


@contextlib.contextmanager
def heeding_ctrl_c() -> Iterator[None]:
    """Raise KeyboardInterrupt at the end of the block, at the latest, if Ctrl-C was pressed in it.

    Python raises it at once, but libraries swallow it or, as DuckDB does, turn it into errors of their own.
    """
    was_pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal was_pressed
        was_pressed = True
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if was_pressed:
            raise KeyboardInterrupt


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
