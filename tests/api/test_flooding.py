"""Stream clients that keep the server busy: they are ended with the reason and counted, and others notice nothing."""

from __future__ import annotations

import asyncio
import base64
import gc
import socket
import struct
from typing import Any

import msgspec
import pytest
from tests.api.scene import FakeBackend, Server, receive, serve, subscribe
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from fulltape.api.sockets import TOO_OFTEN, StreamProtocol

ASKED = msgspec.json.encode({"op": "subscribe", "instruments": ["*"], "kinds": ["last"]}).decode()


async def ask(one: ClientConnection) -> None:
    await one.send(ASKED)


async def ping(one: ClientConnection) -> None:
    await one.ping()


async def say_in_endless_parts(one: ClientConnection) -> None:
    async def parts() -> object:
        for _ in range(1_000):
            yield b""

    await one.send(parts())  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("flood", [ask, ping, say_in_endless_parts])
async def test_a_client_that_sends_too_often_is_ended_and_others_go_on(flood: object, backend: FakeBackend) -> None:
    options: dict[str, Any] = {"frame_burst": 50, "frames_per_s": 0.001, "status_every_s": 0.05, "close_grace_s": 60.0}
    async with (
        serve(backend, **options) as server,
        server.stream() as calm,
        server.stream(ping_interval=None, close_timeout=0.5) as wild,
    ):
        await subscribe(calm, "last")

        async def rage() -> None:
            while True:
                await flood(wild)  # type: ignore[operator]

        raging = asyncio.create_task(rage())
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(120):
                while True:
                    await wild.recv()
        with pytest.raises(ConnectionClosed):
            await raging
        assert (wild.close_code, wild.close_reason) == (1008, TOO_OFTEN)
        assert 'dropped_connections_total{reason="flooding"} 1.0' in (await server.get("/metrics")).text
        for _ in range(2):
            await receive(calm, "status")


@pytest.mark.integration
async def test_one_that_sends_now_and_then_stays(backend: FakeBackend) -> None:
    async with serve(backend, frame_burst=50, frames_per_s=1_000_000.0) as server, server.stream() as busy:
        for _ in range(200):
            await busy.send(ASKED)
            await receive(busy, "snapshot")
            await (await busy.ping())


async def shaken(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a stream by hand, with a socket that keeps little."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=plain, limit=1 << 10)
    key = base64.b64encode(b"x" * 16)
    writer.write(
        b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: " + key + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    return reader, writer


@pytest.mark.integration
async def test_pongs_that_nobody_takes_are_not_piled_up(backend: FakeBackend) -> None:
    """Each ping must be answered, and reading goes on meanwhile: without a bound the answers would take all memory."""
    async with serve(backend, frame_burst=1 << 40, frames_per_s=1e9, subscribe_within_s=600.0) as server:
        _, writer = await shaken(server)
        sent = 0
        while sent < 24 << 20:  # far more than all kernels between keep: the server must have read most of it
            pings = b"".join(
                Frame(Opcode.PING, struct.pack(">Q", number) + b"x" * 117).serialize(mask=True) for number in range(500)
            )
            writer.write(pings)
            await writer.drain()
            sent += len(pings)
        # Not isinstance: that asks a weak proxy what it stands for, which may be gone.
        ours = [each for each in gc.get_objects() if issubclass(type(each), StreamProtocol)]
        (one,) = [each for each in ours if not each.disconnected]
        assert one.transport.get_write_buffer_size() < 1 << 20
        assert (await server.get("/api/v1/status")).status_code == 200
        writer.transport.abort()
