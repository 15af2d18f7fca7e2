"""The dashboard's files, or a page that says how to build them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litestar import Request, Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.enums import MediaType
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from fulltape.api.access import OPEN_TO_ALL

_YEAR_S = 31_536_000

_NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>fulltape</title>
<body><h1>fulltape runs</h1><p>The dashboard has not been built. Stop fulltape, run <code>make up</code> in the
repository, or install the wheel, which brings it.</p>
<p>The interface works without it: <a href="/schema">all calls</a>, <a href="/api/v1/status">status</a>,
<a href="/health">health</a>.</p></body></html>"""


def static_routes(static_dir: Path | None) -> list[ControllerRouterHandler]:
    """Return what serves ``/``.

    Files below ``/assets`` have a hash of their content in their name, so a browser may keep them for good; it must
    ask again for everything else.
    """
    if static_dir is None or not (static_dir / "index.html").is_file():
        return [_not_built]
    root = _files("/", static_dir, CacheControlHeader(no_cache=True))
    assets = static_dir / "assets"
    if not assets.is_dir():
        return [root]
    return [root, _files("/assets", assets, CacheControlHeader(public=True, max_age=_YEAR_S, immutable=True))]


def _files(path: str, directory: Path, cache_control: CacheControlHeader) -> Router:
    return create_static_files_router(
        path,
        [directory],
        html_mode=path == "/",
        name=f"static:{path}",
        cache_control=cache_control,
        opt=OPEN_TO_ALL,
    )


@get("/", opt=OPEN_TO_ALL, include_in_schema=False, sync_to_thread=False, media_type=MediaType.HTML)
def _not_built(request: Request[Any, Any, Any]) -> Response[str]:
    return Response(_NOT_BUILT, media_type=MediaType.HTML, headers={"Cache-Control": "no-store"})
