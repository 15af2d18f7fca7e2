"""Thousands of sockets that never read: the program goes on, serves the others, and forgets them."""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from tests.e2e.programs import start, started

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EACH = 400
BOUND = 400 << 20
"""What the program may grow by, far less than what was asked of it."""
HOST = "Host: 127.0.0.1\r\n"
PAGE = f"GET /schema/openapi.json HTTP/1.1\r\n{HOST}\r\n"
EVENTS = f"GET /api/v1/events?instruments=*&kinds=trades,quotes,candles,last HTTP/1.1\r\n{HOST}\r\n"
UPGRADE = (
    f"GET /api/v1/stream HTTP/1.1\r\n{HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


def frame(text: str) -> bytes:
    """Return a client's WebSocket frame, masked with zeros."""
    body = text.encode()
    return b"\x81" + struct.pack(">BH4x", 0x80 | 126, len(body)) + body


SUBSCRIBE = frame('{"op": "subscribe", "instruments": ["*"], "kinds": ["trades", "quotes", "candles", "last"]}')
HOSTILE = (
    b"",
    b"GET /api/v1/status HTTP/1.1\r\n" + HOST.encode() + b"X-Slow: ",
    PAGE.encode() * 20,
    EVENTS.encode(),
    UPGRADE.encode(),
    UPGRADE.encode() + SUBSCRIBE,
)


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Let this process open as many sockets as the test needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = len(HOSTILE) * EACH + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this system lets a process open {hard} files, the test needs {wanted}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def open_silently(port: int, said: bytes) -> socket.socket:
    """Connect, say something, and never read: the kernel keeps next to nothing for us."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    opened.settimeout(240)
    opened.connect(("127.0.0.1", port))
    with suppress(OSError):  # it may be dropped for another already
        opened.sendall(said)
    return opened


@contextmanager
def running(folder: Path) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    process, log = start(folder, "up", "up", "--sim", "--port", "0", "--db", "sockets.duckdb")
    try:
        address = started(log, r"(http://127\.0\.0\.1:\d+)", process)[1]
        with httpx.Client(base_url=address, timeout=240, trust_env=False, headers={"Connection": "close"}) as http:
            yield http, psutil.Process(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(240) == 0, log.read_text()
    finally:
        process.kill()


def until(what: Callable[[], bool]) -> None:
    """Wait for something that comes by itself."""
    deadline = time.monotonic() + 600
    while not what():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_they_cost_memory_in_bounds_and_keep_nobody_out(tmp_path: Path) -> None:
    with running(tmp_path) as (http, program):

        def commit() -> int:
            return int(http.get("/api/v1/status").json()["engine"]["commit"])

        until(lambda: commit() > 40)
        port = urlsplit(str(http.base_url)).port
        assert port is not None
        memory, files = program.memory_info().rss, program.num_fds()
        silent: list[socket.socket] = []
        for _ in range(EACH // 20):
            number = commit()
            silent += [open_silently(port, said) for said in HOSTILE for _ in range(20)]
            until(lambda reached=number: commit() > reached)  # type: ignore[misc]
            assert program.memory_info().rss - memory < BOUND
        assert len(silent) == len(HOSTILE) * EACH > 2_000
        assert program.num_fds() - files <= 2_100
        reached = commit()
        until(lambda: commit() > reached + 20)
        assert program.memory_info().rss - memory < BOUND
        for one in silent:
            one.close()
        until(lambda: program.num_fds() <= files + 5)
        until(lambda: http.get("/api/v1/status").json()["engine"]["missing_trades"] == 0)
        assert http.get("/api/v1/status").json()["engine"]["error"] == ""
