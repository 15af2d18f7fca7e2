"""Every address there is: what it asks of a token, a host and an origin, and what its answers carry."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from tests.api.scene import Api, FakeBackend, call
from tests.api.test_tokens import token

from fulltape.api.app import create_app
from fulltape.api.config import ApiConfig
from fulltape.api.tokens import Scope, TokenFile

SAFE = {"GET", "HEAD", "OPTIONS"}
OPEN = {"/", "/{file_path}", "/assets/{file_path}", "/health", "/ready", "/compat/health"}
"""What needs no token when reading does: files without data, and probes that tell nothing of it."""
WRITING = {
    ("POST", "/api/v1/instruments"),
    ("DELETE", "/api/v1/instruments/{instrument}"),
    ("POST", "/api/v1/records"),
}
READING_BY_POST = {
    "/api/v1/sql",
    *(f"{root}/grafana/{name}" for root in ("", "/compat") for name in ("metrics", "variable", "query")),
    *(f"{root}/grafana/metric-payload-options" for root in ("", "/compat")),
}
SECURITY = {
    "content-security-policy",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
}


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dashboard")
    (folder / "assets").mkdir()
    for name in ("index.html", "file_path", "assets/file_path"):
        (folder / name).write_text("<!doctype html>")
    return folder


def calls(app: Litestar) -> Iterator[tuple[str, str]]:
    """Yield the method and the path of every call."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            yield from ((method, route.path_format) for method in route.methods)


@pytest.fixture
def addresses(backend: FakeBackend, dashboard: Path) -> list[tuple[str, str]]:
    app = create_app(backend, static_dir=dashboard, config=ApiConfig(compat_at_root=True))
    return sorted(calls(app))


@pytest.fixture
async def closed(backend: FakeBackend, dashboard: Path, tmp_path: Path) -> AsyncIterator[Api]:
    """The application with everything switched on and reading closed; each scope has a token."""
    file = TokenFile(tmp_path / "tokens.json")
    for scope in Scope:
        file.add(token(scope, f"ft_{scope}", scope))
    options = {"tokens": file.path, "read_needs_token": True, "compat_at_root": True}
    async with call(backend, static_dir=dashboard, **options) as api:
        yield api


async def ask(api: Api, method: str, path: str, secret: str = "", **headers: str) -> httpx.Response:
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    return await api.http.request(method, re.sub(r"[{}]", "", path), headers=headers)


def test_what_is_no_reading_is_listed_here(addresses: list[tuple[str, str]]) -> None:
    changing = {(method, path) for method, path in addresses if method not in SAFE}
    assert {(method, path) for method, path in changing if path not in READING_BY_POST} == WRITING
    assert {path for _, path in changing} >= READING_BY_POST
    assert {path for _, path in addresses} >= OPEN


async def test_everything_but_files_and_probes_needs_a_token_when_reading_is_closed(
    addresses: list[tuple[str, str]], closed: Api
) -> None:
    for method, path in addresses:
        answer = await ask(closed, method, path)
        if method == "OPTIONS" and path in OPEN:
            continue  # which methods there are may be told or not
        assert (answer.status_code == 401) is (path not in OPEN), (method, path)
        if answer.status_code == 401:
            assert answer.headers["content-type"] in (
                "application/problem+json",
                "application/json",
            )  # of older systems
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_reading_opens_with_any_token_and_writing_with_its_own(
    addresses: list[tuple[str, str]], closed: Api
) -> None:
    for method, path in addresses:
        for scope in Scope:
            answer = await ask(closed, method, path, f"ft_{scope}")
            is_refused = (method, path) in WRITING and scope is Scope.READ
            assert (answer.status_code == 403) is is_refused, (method, path, scope)
            assert answer.status_code not in (401, 500), (method, path, scope)


async def test_writing_needs_a_token_even_when_reading_does_not(api: Api) -> None:
    for method, path in WRITING:
        assert (await ask(api, method, path)).status_code == 401, (method, path)


async def test_a_foreign_host_gets_nothing_and_a_foreign_page_changes_nothing(
    addresses: list[tuple[str, str]], closed: Api
) -> None:
    for method, path in addresses:
        assert (await ask(closed, method, path, "ft_admin", Host="evil.example")).status_code == 403, (method, path)
        crossed = await ask(closed, method, path, "ft_admin", Origin="https://evil.example")
        assert (crossed.status_code == 403) is (method not in SAFE), (method, path)
        assert "access-control-allow-origin" not in crossed.headers


async def test_every_answer_carries_the_security_headers(addresses: list[tuple[str, str]], closed: Api) -> None:
    wrong = [("PATCH", "/api/v1/status"), ("TRACE", "/"), ("GET", "/api/v1/nothing"), ("GET", "/nothing.js")]
    for method, path in (*addresses, *wrong):
        for secret in ("", "ft_admin", "ft_unknown"):
            answer = await ask(closed, method, path, secret)
            assert answer.headers.keys() >= SECURITY, (method, path, answer.status_code)
            assert "server" not in answer.headers
            assert "Traceback" not in answer.text


async def test_so_do_refusals_of_bodies_and_addresses(closed: Api) -> None:
    long = await closed.http.post("/api/v1/sql", content=b"x" * 70_000, headers={"Authorization": "Bearer ft_read"})
    packed = await closed.http.post(
        "/api/v1/records", content=b"\x1f\x8b", headers={"Authorization": "Bearer ft_write", "Content-Encoding": "gzip"}
    )
    address = await closed.get("/api/v1/status", x="x" * 9_000)
    assert [answer.status_code for answer in (long, packed, address)] == [413, 415, 414]
    for answer in (long, packed, address):
        assert answer.headers.keys() >= SECURITY
        assert answer.headers["content-type"] == "application/problem+json"
