"""The dashboard's files, or a page that says how to build them."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import Any

from litestar import Request, Response, Router, get
from litestar.datastructures import CacheControlHeader
from litestar.enums import MediaType
from litestar.exceptions import NotAuthorizedException, NotFoundException
from litestar.file_system import BaseLocalFileSystem, FileSystemAdapter
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler, ExceptionHandlersMap, PathType
from litestar.types.file_types import FileInfo

from fulltape.api.access import OPEN_TO_ALL
from fulltape.api.problems import no_such_path

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
        file_system=_Inside(directory),
        exception_handlers=_NOT_THERE,
        html_mode=path == "/",
        name=f"static:{path}",
        cache_control=cache_control,
        opt=OPEN_TO_ALL,
    )


class _Inside(BaseLocalFileSystem):
    """The plain files of a folder, and links to such: none whose place is outside of it, however it is named."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    async def info(self, path: PathType, **_: Any) -> FileInfo:
        """Return what is known of a file or folder; FileNotFoundError for what is not to be sent."""
        return await FileSystemAdapter.parse_stat_result(path, await asyncio.to_thread(self._look, path))

    def _look(self, path: PathType) -> os.stat_result:
        real = Path(os.path.realpath(path))
        try:
            found = real.stat()
        except OSError:  # links in a circle, or a name that is too long: nothing is there
            raise FileNotFoundError from None
        # Opening a pipe would keep a thread until somebody writes to it.
        is_served = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
        if not is_served or not real.is_relative_to(self._folder):
            raise FileNotFoundError
        return found


# Litestar's own words hold the path on this machine.
_NOT_THERE: ExceptionHandlersMap = {NotFoundException: no_such_path, NotAuthorizedException: no_such_path}


@get("/", opt=OPEN_TO_ALL, include_in_schema=False, sync_to_thread=False, media_type=MediaType.HTML)
def _not_built(request: Request[Any, Any, Any]) -> Response[str]:
    return Response(_NOT_BUILT, media_type=MediaType.HTML, headers={"Cache-Control": "no-store"})
