"""The dashboard's files and the pages that stand in for them."""

from __future__ import annotations

import os
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
        for path in ("/gone", "/api/v1/gone", "/transactions_count_last_6_hours"):
            problem = (await api.get(path)).json()
            assert problem["status"] == 404
            assert problem["detail"] == (
                f"nothing is at {path!r}; /schema lists the calls, docs/compat.md those under /compat"
            )
        assert (await api.get("/api/v1/status")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/..%5csecret.txt"]
)
async def test_files_outside_are_out_of_reach(path: str, dist: Path, backend: FakeBackend) -> None:
    async with call(backend, static_dir=dist) as api:
        answer = await api.http.send(api.http.build_request("GET", path))
        assert "secret" not in answer.text.replace("secret.txt", "")
        assert answer.status_code in (400, 404)


LINKS = ["out.txt", "assets/out.js", "folder/secret.txt", "twice.txt", "circle", "gone.txt", "pipe", "assets/inner"]


async def test_links_lead_nowhere_outside(dist: Path, backend: FakeBackend) -> None:
    outside = dist.parent / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (dist / "out.txt").symlink_to(outside / "secret.txt")
    (dist / "assets" / "out.js").symlink_to("../../secret.txt")
    (dist / "folder").symlink_to(outside, target_is_directory=True)
    (dist / "twice.txt").symlink_to("out.txt")
    (dist / "circle").symlink_to("circle")
    (dist / "gone.txt").symlink_to("nothing")
    os.mkfifo(dist / "pipe")
    (dist / "assets" / "inner").mkdir()
    (dist / "inside.svg").symlink_to("favicon.svg")
    async with call(backend, static_dir=dist) as api:
        for name in LINKS:
            answer = await api.get(f"/{name}")
            assert answer.status_code == 404, name
            assert answer.json()["detail"].startswith("nothing is at "), name
        assert (await api.get("/inside.svg")).text == "<svg/>"


async def test_a_folder_of_the_dashboard_may_be_a_link_itself(dist: Path, backend: FakeBackend) -> None:
    (dist.parent / "current").symlink_to(dist, target_is_directory=True)
    async with call(backend, static_dir=dist.parent / "current") as api:
        assert (await api.get("/")).text == "<title>dashboard</title>"
        assert (await api.get("/assets/index-abc123.js")).text == "let a"


async def test_what_is_not_there_is_told_without_our_paths(dist: Path, backend: FakeBackend) -> None:
    async with call(backend, static_dir=dist) as api:
        for path in ("/assets", "/assets/", "/assets/gone.js", "/gone", "/gone/", "/index.html/x", f"/{'a' * 250}"):
            answer = await api.get(path)
            assert answer.status_code == 404, path
            assert str(dist.parent) not in answer.text, path


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
