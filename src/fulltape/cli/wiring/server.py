"""What serves the API and the dashboard."""

from __future__ import annotations

import errno
import importlib.resources
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from fulltape.api.config import ApiConfig
from fulltape.api.tokens import FILE_NAME
from fulltape.engine.config import Config
from fulltape.errors import ConfigError

if TYPE_CHECKING:
    from litestar import Litestar

    from fulltape.api.backend import Backend


def web_app(backend: Backend, config: Config) -> tuple[Litestar, ApiConfig]:
    """Return the application that serves the API and the dashboard, and what it was told.

    Raises ConfigError for a file of tokens that is none.
    """
    from fulltape.api.app import create_app

    server = config.server
    api = ApiConfig(
        allowed_hosts=server.allowed_hosts,
        allowed_origins=server.allowed_origins,
        tokens=tokens_path(config),
        read_needs_token=server.read_needs_token,
        compat_at_root=server.compat_at_root,
    )
    return create_app(backend, static_dir=dashboard_directory(), config=api), api


def tokens_path(config: Config) -> Path:
    """Return where the tokens lie: one file serves every database of a folder."""
    return Path(config.server.tokens or Path(config.store.path).parent / FILE_NAME)


def dashboard_directory() -> Path | None:
    """Return where the built dashboard lies, or None if it has not been built."""
    path = Path(str(importlib.resources.files("fulltape"))) / "web" / "dist"
    return path if (path / "index.html").is_file() else None


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises ConfigError that says what to do when the port cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"port {port} is in use: stop what runs there, or choose another with --port") from None
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listening
