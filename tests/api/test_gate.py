"""Who may ask: hosts, origins, headers."""

from __future__ import annotations

import pytest
from tests.api.scene import Api, FakeBackend, Server, call, receive, serve, subscribe
from websockets.exceptions import InvalidStatus


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "127.0.0.1:port", "", "[::1", "0.0.0.0"],
)
async def test_a_foreign_host_is_refused(host: str, api: Api) -> None:
    answer = await api.http.get("/api/v1/status", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert "allowed_hosts" in answer.json()["detail"]
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "tape.home:80"])
async def test_loopback_and_configured_hosts_are_served(host: str, backend: FakeBackend) -> None:
    async with call(backend, allowed_hosts=("Tape.Home",)) as api:
        assert (await api.http.get("/api/v1/status", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/status", "/", "/nope", "/api/v1/trades", "/schema"])
async def test_every_answer_carries_the_security_headers(path: str, api: Api) -> None:
    headers = (await api.get(path)).headers
    assert "script-src 'self';" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    assert "access-control-allow-origin" not in headers


FOREIGN = ["https://evil.example", "null", "http://127.0.0.1.evil.example", "http://localhost@evil.example", "file://"]


async def test_pages_of_other_origins_may_not_open_the_stream(server: Server) -> None:
    for origin in FOREIGN:
        with pytest.raises(InvalidStatus) as refused:
            await server.stream(origin=origin)
        assert refused.value.response.status_code == 403


async def test_own_loopback_and_configured_origins_may(backend: FakeBackend) -> None:
    async with serve(backend, allowed_origins=("https://Charts.example/",)) as server:
        own = f"http://127.0.0.1:{server.port}"
        for origin in ("http://localhost:5173", "http://[::1]:1", "https://charts.example", None, own):
            async with server.stream(origin=origin) as socket:
                await subscribe(socket, "last")
                assert (await receive(socket))["type"] == "snapshot"


async def test_the_stream_is_refused_under_a_foreign_host(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await server.stream(name="evil.example")
    assert refused.value.response.status_code == 403
