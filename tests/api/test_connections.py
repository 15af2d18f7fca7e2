"""Sockets whose clients say nothing, take nothing, or never come to an end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import httpx
import msgspec
import psutil
import pytest
from tests.api.scene import BTC, FakeBackend, Server, receive, serve, subscribe, trade
from websockets.exceptions import ConnectionClosed

pytestmark = pytest.mark.integration

SOON: dict[str, Any] = {"look_every_s": 0.02}
HEAD = b"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def dial(server: Server, text: bytes = b"", *, room: int | None = None) -> Streams:
    """Connect and say something; ``room`` is how much the kernel keeps for us to read."""
    plain = socket.socket()
    if room is not None:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    plain.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=plain, limit=1 << 16)
    writer.write(text)
    await writer.drain()
    return reader, writer


async def dropped(server: Server, reason: str) -> None:
    """Wait until the server has ended a connection for a reason."""
    async with asyncio.timeout(120):
        while f'dropped_connections_total{{reason="{reason}"}}' not in (await server.get("/metrics")).text:
            pass


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the server hangs up, however it does."""
    said = b""
    async with asyncio.timeout(120):
        try:
            while piece := await reader.read(1 << 16):
                said += piece
        except ConnectionError:
            pass
    return said


async def answers(server: Server) -> None:
    """Wait until the server answers: on a busy machine we may be as late with a request as those that it drops."""
    async with asyncio.timeout(120):
        while True:
            with contextlib.suppress(httpx.TransportError):
                assert (await server.get("/api/v1/status")).status_code == 200
                return


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"G",
        b"GET /",
        HEAD,
        HEAD + b"X-Slow: ",
        HEAD.replace(b"GET /api/v1/status", b"POST /api/v1/sql") + b"Content-Length: 9\r\n\r\n{",
    ],
)
async def test_who_does_not_come_to_the_end_of_a_request_is_left(said: bytes, backend: FakeBackend) -> None:
    async with serve(backend, request_within_s=0.05, **SOON) as server:
        reader, writer = await dial(server, said)
        assert await rest(reader) == b""
        writer.close()
        await answers(server)


async def test_a_body_that_comes_after_its_refusal_buys_no_more_time(backend: FakeBackend) -> None:
    async with serve(backend, request_within_s=1.0, **SOON) as server:
        reader, writer = await dial(
            server, b"POST /api/v1/sql HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{"
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 403")
        writer.write(b"}")
        await rest(reader)
        writer.close()


async def test_a_byte_after_an_answer_buys_no_more_time(backend: FakeBackend) -> None:
    async with serve(backend, request_within_s=1.0, **SOON) as server:
        reader, writer = await dial(server, HEAD + b"\r\n" + b"G")
        assert (await rest(reader)).startswith(b"HTTP/1.1 200")
        writer.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/v1/status?" + b"x" * 70_000,
        HEAD + b"X: " + b"x" * 400_000,
        HEAD + b"".join(b"X%d: %s\r\n" % (number, b"x" * 1_000) for number in range(100)),
        b"POST /api/v1/sql HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"x" * 400_000,
    ],
    ids=["address", "header", "headers", "trailer"],
)
async def test_a_head_without_end_is_not_kept(head: bytes, server: Server) -> None:
    reader, writer = await dial(server)
    writer.write(head)  # not drained: nobody reads it to its end
    assert b" 400 " in (await rest(reader)).partition(b"\r\n")[0]
    writer.close()


async def test_silent_sockets_make_room_and_give_their_descriptors_back(backend: FakeBackend) -> None:
    process = psutil.Process()
    async with serve(backend, max_connections=20, **SOON) as server:
        await server.get("/api/v1/status")
        before = process.num_fds()
        silent = [await dial(server) for _ in range(300)]
        for _ in range(3):
            assert (await server.http.get("/api/v1/status", headers={"Connection": "close"})).status_code == 200
        assert process.num_fds() - before < 300 + 25  # ours, and those that the server still has
        assert 'reason="crowded"' in (await server.get("/metrics")).text
        for _, writer in silent:
            writer.close()
        await asyncio.gather(*(rest(reader) for reader, _ in silent))
        assert (await server.get("/api/v1/status")).status_code == 200
    assert process.num_fds() <= before


async def test_answers_that_nobody_takes_are_dropped(backend: FakeBackend) -> None:
    await backend.commit(*(trade(number) for number in range(5_000)))
    asked = f"GET /api/v1/trades?instrument={BTC}&limit=10000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    async with serve(backend) as server:
        whole = len((await server.get("/api/v1/trades", instrument=BTC, limit=10_000)).content)
    async with serve(backend, take_within_s=0.1, **SOON) as server:
        stuck = [await dial(server, asked * 20, room=4_096) for _ in range(5)]
        await dropped(server, "stuck")
        for reader, writer in stuck:
            assert len(await rest(reader)) < 20 * whole
            writer.close()


async def test_what_waits_to_be_taken_has_bounds_for_all_together(backend: FakeBackend) -> None:
    await backend.commit(*(trade(number) for number in range(5_000)))
    asked = f"GET /api/v1/trades?instrument={BTC}&limit=10000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    async with serve(backend, max_unsent_bytes=100_000, **SOON) as server:
        whole = len((await server.get("/api/v1/trades", instrument=BTC, limit=10_000)).content)
        reader, writer = await dial(server, asked * 20, room=4_096)
        await dropped(server, "unsent")
        assert len(await rest(reader)) < 20 * whole
        writer.close()


async def test_a_stream_client_that_asks_for_nothing_is_left(backend: FakeBackend) -> None:
    async with serve(backend, subscribe_within_s=0.1) as server, server.stream() as silent:
        with pytest.raises(ConnectionClosed):
            await silent.recv()


async def test_a_stream_client_that_has_asked_may_listen_for_good(backend: FakeBackend) -> None:
    async with serve(backend, subscribe_within_s=1.0, status_every_s=0.05) as server, server.stream() as listening:
        await subscribe(listening, "last")
        await receive(listening, "snapshot")
        async with server.stream() as silent:
            with pytest.raises(ConnectionClosed):
                await silent.recv()
        await receive(listening, "status")
        await listening.send(msgspec.json.encode({"op": "what"}).decode())
        assert (await receive(listening, "error"))["type"] == "error"
