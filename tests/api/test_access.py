"""What a token opens, and what stays shut without one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, post
from litestar.testing import AsyncTestClient
from tests.api.scene import BTC, FakeBackend, call, receive, serve, subscribe
from tests.api.test_tokens import token
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fulltape.api.access import requires
from fulltape.api.app import create_app
from fulltape.api.config import ApiConfig
from fulltape.api.gate import Gate
from fulltape.api.problems import EXCEPTION_HANDLERS
from fulltape.api.stream import REVOKED
from fulltape.api.tokens import Scope, TokenFile
from fulltape.errors import ConfigError

SECRETS = {scope: f"ft_{scope}" for scope in Scope}
WRONG = ["Bearer", "Bearer ", "Bearer ft_other", "bearer  ft_write x", "BEARER ft_write\x00", "Bearer ä"]


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A file with a token of each scope."""
    file = TokenFile(tmp_path / "tokens.json")
    for scope, secret in SECRETS.items():
        file.add(token(scope, secret, scope))
    return file.path


@pytest.fixture
async def guarded(tokens: Path) -> AsyncIterator[AsyncTestClient[Litestar]]:
    """An application with one call for each scope."""

    def act() -> None: ...

    handlers = [post(f"/{scope}", guards=[requires(scope)], sync_to_thread=False)(act) for scope in Scope]
    app = Litestar(handlers, exception_handlers=EXCEPTION_HANDLERS, logging_config=None)
    app.asgi_handler = Gate(app.asgi_handler, ApiConfig(tokens=tokens, allowed_hosts=("testserver.local",)))
    async with AsyncTestClient(app) as client:
        yield client


async def test_a_token_opens_what_its_scope_covers(guarded: AsyncTestClient[Litestar]) -> None:
    for scope, secret in SECRETS.items():
        for wanted in Scope:
            answer = await guarded.post(f"/{wanted}", headers={"Authorization": f"Bearer {secret}"})
            assert answer.status_code == (201 if scope.covers(wanted) else 403), (scope, wanted)
            if answer.status_code == 403:
                assert answer.json()["detail"].startswith(f"needs scope {wanted}, the token has {scope}: ")


async def test_without_a_token_only_reading_is_open(guarded: AsyncTestClient[Litestar]) -> None:
    assert (await guarded.post("/read")).status_code == 201
    for scope in (Scope.WRITE, Scope.ADMIN):
        answer = await guarded.post(f"/{scope}")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert f"`fulltape token create --scope {scope}`" in answer.json()["detail"]


@pytest.mark.parametrize("authorization", WRONG)
async def test_a_wrong_token_is_refused_even_where_none_is_needed(
    authorization: str, guarded: AsyncTestClient[Litestar], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await guarded.post("/read", headers=[(b"authorization", authorization.encode("latin-1"))])
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "ft_" not in answer.text
    assert not any("ft_" in record.getMessage() for record in caplog.records)


async def test_two_tokens_at_once_are_none(guarded: AsyncTestClient[Litestar]) -> None:
    both = [("Authorization", "Bearer ft_read"), ("Authorization", "Bearer ft_admin")]
    assert (await guarded.post("/read", headers=both)).status_code == 401


async def test_a_password_for_the_proxy_is_not_ours_to_judge(guarded: AsyncTestClient[Litestar]) -> None:
    assert (await guarded.post("/read", headers={"Authorization": "Basic dTpw"})).status_code == 201


async def test_a_token_in_the_address_is_worth_nothing(guarded: AsyncTestClient[Litestar]) -> None:
    assert (await guarded.post("/write?token=ft_write&access_token=ft_write")).status_code == 401


OPEN = ["/", "/health", "/ready"]
CLOSED = ["/api/v1/status", "/api/v1/trades?instrument=BTC-USD.COINBASE", "/metrics", "/schema", "/schema/openapi.json"]


async def test_reading_can_be_closed(backend: FakeBackend, tokens: Path) -> None:
    await backend.commit()
    async with call(backend, tokens=tokens, read_needs_token=True) as api:
        assert [(await api.get(path)).status_code for path in OPEN] == [200] * len(OPEN)
        assert [(await api.get(path)).status_code for path in CLOSED] == [401] * len(CLOSED)
        api.http.headers["Authorization"] = "Bearer ft_read"
        assert [(await api.get(path)).status_code for path in OPEN + CLOSED] == [200] * len(OPEN + CLOSED)


@pytest.mark.integration
async def test_the_stream_asks_for_a_token_when_reading_is_closed(backend: FakeBackend, tokens: Path) -> None:
    async with serve(backend, tokens=tokens, read_needs_token=True) as server:
        with pytest.raises(InvalidStatus) as refused:
            await server.stream()
        assert refused.value.response.status_code == 401
        assert b"needs a token of scope read" in refused.value.response.body
        with pytest.raises(InvalidStatus):
            await server.stream(subprotocols=["fulltape", "bearer.ft_wrong"])
        async with server.stream(additional_headers={"Authorization": "Bearer ft_read"}) as socket:
            await subscribe(socket, "last")
            assert (await receive(socket))["type"] == "snapshot"
        async with server.stream(subprotocols=["fulltape", "bearer.ft_read"]) as socket:
            assert socket.subprotocol == "fulltape"
            await subscribe(socket, "last")
            assert (await receive(socket))["type"] == "snapshot"


@pytest.mark.integration
async def test_a_revoked_token_ends_what_it_opened(backend: FakeBackend, tokens: Path) -> None:
    options: dict[str, Any] = {"tokens": tokens, "read_needs_token": True, "status_every_s": 0.05}
    events = f"/api/v1/events?instruments={BTC}&kinds=last"
    async with serve(backend, **options) as server:
        admin = {"Authorization": "Bearer ft_admin"}
        async with (
            server.stream(additional_headers={"Authorization": "Bearer ft_read"}) as revoked,
            server.stream(additional_headers=admin) as kept,
            server.http.stream("GET", events, headers={"Authorization": "Bearer ft_read"}) as told,
        ):
            await subscribe(revoked, "last")
            await subscribe(kept, "last")
            TokenFile(tokens).remove("read")
            with pytest.raises(ConnectionClosed) as closed:
                async with asyncio.timeout(120):
                    while True:
                        await revoked.recv()
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (REVOKED, "the token has been revoked")
            async with asyncio.timeout(120):
                async for _ in told.aiter_bytes():
                    pass
            assert (await receive(kept, "status"))["type"] == "status"
        answer = await server.http.get("/api/v1/status", headers={"Authorization": "Bearer ft_read"})
        assert answer.status_code == 401


@pytest.mark.integration
async def test_one_token_does_not_take_the_places_of_others(backend: FakeBackend, tokens: Path) -> None:
    events = f"/api/v1/events?instruments={BTC}&kinds=last"
    one, other = ({"Authorization": f"Bearer {SECRETS[scope]}"} for scope in (Scope.READ, Scope.ADMIN))
    async with (
        serve(backend, tokens=tokens, max_clients_each=2) as server,
        server.stream(additional_headers=one) as first,
        server.http.stream("GET", events, headers=one) as second,
        server.stream(additional_headers=one) as third,
        server.stream(additional_headers=other) as fourth,
        server.stream() as fifth,
    ):
        assert second.status_code == 200
        with pytest.raises(ConnectionClosed):
            await third.recv()
        assert (third.close_code, third.close_reason) == (1013, "too many clients: try again later")
        refused = await server.http.get(events, headers=one)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        for kept in (first, fourth, fifth):
            await subscribe(kept, "last")
            assert (await receive(kept, "snapshot"))["type"] == "snapshot"
        assert "fulltape_stream_refused_clients_total 2.0" in (await server.get("/metrics")).text


def test_a_file_of_tokens_that_is_none_stops_the_start(backend: FakeBackend, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("not JSON")
    with pytest.raises(ConfigError, match="not a file of tokens"):
        create_app(backend, static_dir=None, config=ApiConfig(tokens=bad))


async def test_the_document_names_the_scheme(backend: FakeBackend) -> None:
    async with call(backend) as api:
        document = (await api.get("/schema/openapi.json")).json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
