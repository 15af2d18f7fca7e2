"""Server-sent events over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest
from tests.api.scene import BTC, FakeBackend, Server, serve, trade

pytestmark = pytest.mark.integration

Event = tuple[str, str, dict[str, object]]


@asynccontextmanager
async def opened(server: Server, since: str | None = None, **query: str) -> AsyncIterator[AsyncIterator[Event]]:
    """Open the events; yields (id, event, message)."""
    asked = {"instruments": BTC, "kinds": "trades", **query}
    headers = {} if since is None else {"Last-Event-ID": since}
    async with server.http.stream("GET", "/api/v1/events", params=asked, headers=headers) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[Event]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            yield fields.get("id", ""), fields["event"], msgspec.json.decode(fields["data"])
            fields = {}


async def following(events: AsyncIterator[Event], kind: str) -> tuple[str, dict[str, object]]:
    async with asyncio.timeout(120):
        async for number, event, message in events:
            if event == kind:
                return number, message
    raise AssertionError("the events ended")


def ids(message: dict[str, object]) -> list[str]:
    rows: list[dict[str, str]] = message["trades"]  # type: ignore[assignment]
    return [row["trade_id"] for row in rows]


async def test_events_are_the_messages_of_the_stream(backend: FakeBackend, server: Server) -> None:
    await backend.commit(trade(1))
    async with opened(server) as events:
        number, snapshot = await following(events, "snapshot")
        assert (number, ids(snapshot)) == ("1", ["1"])
        assert (await following(events, "status"))[0] == ""
        await backend.commit(trade(2))
        number, commit = await following(events, "commit")
        assert (number, ids(commit)) == ("2", ["2"])


async def test_the_last_id_goes_on_without_a_hole(backend: FakeBackend, server: Server) -> None:
    for n in range(1, 5):
        await backend.commit(trade(n))
    async with opened(server, since="2") as events:
        assert [(await following(events, "commit"))[0] for _ in range(2)] == ["3", "4"]
    async with opened(server, since="not a number") as events:
        assert ids((await following(events, "snapshot"))[1]) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("kinds=trades", 400, "instruments"),
        (f"instruments={BTC}&kinds=trade", 400, "trade"),
        (f"instruments={BTC}&kinds=candles", 400, "intervals"),
        ("instruments=BTC-USD.COINBAS&kinds=trades", 404, BTC),
    ],
)
async def test_what_cannot_be_followed_is_a_problem(query: str, status: int, says: str, server: Server) -> None:
    answer = await server.get(f"/api/v1/events?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert says in answer.json()["detail"]


async def test_too_many_are_told_to_come_back(backend: FakeBackend) -> None:
    async with serve(backend, max_clients=1) as server, opened(server) as events:
        await following(events, "snapshot")
        answer = await server.get("/api/v1/events", instruments=BTC, kinds="trades")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_who_leaves_is_forgotten(backend: FakeBackend) -> None:
    async with serve(backend, max_clients=1) as server:
        for _ in range(3):
            async with opened(server) as events:
                await following(events, "snapshot")
            async with asyncio.timeout(120):
                while "fulltape_stream_clients 0.0" not in (await server.get("/metrics")).text:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
