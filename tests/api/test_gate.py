"""Who may ask: hosts, origins, headers."""

from __future__ import annotations

import httpx
import pytest
from tests.api.scene import Api, FakeBackend, Server, call, receive, serve, subscribe
from websockets.exceptions import InvalidStatus

from fulltape.api.app import create_app
from fulltape.api.config import ApiConfig


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


@pytest.mark.integration
async def test_pages_of_other_origins_may_not_open_the_stream(server: Server) -> None:
    for origin in FOREIGN:
        with pytest.raises(InvalidStatus) as refused:
            await server.stream(origin=origin)
        assert refused.value.response.status_code == 403


@pytest.mark.integration
async def test_own_loopback_and_configured_origins_may(backend: FakeBackend) -> None:
    async with serve(backend, allowed_origins=("https://Charts.example/",)) as server:
        own = f"http://127.0.0.1:{server.port}"
        for origin in ("http://localhost:5173", "http://[::1]:1", "https://charts.example", None, own):
            async with server.stream(origin=origin) as socket:
                await subscribe(socket, "last")
                assert (await receive(socket))["type"] == "snapshot"


@pytest.mark.integration
async def test_the_stream_is_refused_under_a_foreign_host(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await server.stream(name="evil.example")
    assert refused.value.response.status_code == 403


async def test_pages_of_other_origins_may_not_post(api: Api) -> None:
    for origin in FOREIGN:
        answer = await api.http.post("/api/v1/sql", content=b"{}", headers={"Origin": origin})
        assert answer.status_code == 403, origin
        assert "allowed_origins" in answer.json()["detail"]
        assert (await api.http.get("/api/v1/status", headers={"Origin": origin})).status_code == 200


async def test_a_query_beyond_the_limit_is_refused(api: Api) -> None:
    answer = await api.get("/api/v1/trades", cursor="x" * 9_000)
    assert (answer.status_code, answer.headers["content-type"]) == (414, "application/problem+json")


@pytest.mark.parametrize(("address", "refused"), [("192.0.2.1", 3), ("127.0.0.1", 0), ("::1", 0)])
async def test_other_machines_may_not_ask_too_often(address: str, refused: int, backend: FakeBackend) -> None:
    app = create_app(backend, static_dir=None, config=ApiConfig(requests_per_s=0.001, request_burst=2))
    transport = httpx.ASGITransport(app, client=(address, 1))  # type: ignore[arg-type]
    async with httpx.AsyncClient(base_url="http://localhost", transport=transport, trust_env=False) as http:
        answers = [await http.get("/api/v1/instruments") for _ in range(5)]
    assert [answer.status_code for answer in answers].count(429) == refused
    if refused:
        assert 900 < int(answers[-1].headers["retry-after"]) <= 1_000
        assert answers[-1].headers["x-frame-options"] == "DENY"


@pytest.mark.integration
async def test_requests_beyond_the_connections_are_refused(backend: FakeBackend) -> None:
    async with serve(backend, max_connections=2) as server, server.stream(), server.stream():
        assert (await server.get("/api/v1/instruments")).status_code == 503
