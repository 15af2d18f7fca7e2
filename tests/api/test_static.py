"""The dashboard's files and the pages that stand in for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.api.scene import Api, FakeBackend, call


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<title>dashboard</title>")
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-abc123.js").write_text("let a")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


async def test_the_dashboard_is_cached_by_name(dist: Path, backend: FakeBackend) -> None:
    async with call(backend, static_dir=dist) as api:
        index = await api.get("/")
        assert (index.text, index.headers["cache-control"]) == ("<title>dashboard</title>", "no-cache")
        assert index.headers["content-type"].startswith("text/html")
        script = await api.get("/assets/index-abc123.js")
        assert script.headers["content-type"].startswith("text/javascript")
        assert script.headers["cache-control"] == "max-age=31536000, public, immutable"
        assert (await api.get("/favicon.svg")).headers["cache-control"] == "no-cache"
        assert (await api.get("/assets/gone.js")).status_code == 404
        assert (await api.get("/gone")).json()["status"] == 404
        assert (await api.get("/api/v1/status")).status_code == 200
        assert (await api.get("/api/v1/gone")).json()["status"] == 404


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/..%5csecret.txt"]
)
async def test_files_outside_are_out_of_reach(path: str, dist: Path, backend: FakeBackend) -> None:
    async with call(backend, static_dir=dist) as api:
        answer = await api.http.send(api.http.build_request("GET", path))
        assert "secret" not in answer.text.replace("secret.txt", "")
        assert answer.status_code in (400, 404)


async def test_without_assets_the_rest_is_served(dist: Path, backend: FakeBackend) -> None:
    (dist / "assets" / "index-abc123.js").unlink()
    (dist / "assets").rmdir()
    async with call(backend, static_dir=dist) as api:
        assert (await api.get("/")).status_code == 200


@pytest.mark.parametrize("static_dir", [None, Path("does-not-exist")])
async def test_without_a_dashboard_a_page_says_how_to_build_it(static_dir: Path | None, backend: FakeBackend) -> None:
    async with call(backend, static_dir=static_dir) as api:
        answer = await api.get("/")
        assert (answer.status_code, "make up" in answer.text) == (200, True)


async def test_the_page_of_calls_needs_no_other_host(api: Api) -> None:
    page = (await api.get("/schema")).text
    assert "/api/v1/candles" in page
    assert "RFC 3339" in page
    assert "<script" not in page
    assert "http" not in page.replace("HTTP", "")
    paths = (await api.get("/schema/openapi.json")).json()["paths"]
    assert "/api/v1/candles" in paths
