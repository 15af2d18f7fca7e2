"""Wiring: the one place that names concrete stores, buses and venues."""

from __future__ import annotations

import contextlib
import errno
import importlib.resources
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fulltape.engine.config import Config, VenueConfig
from fulltape.errors import ConfigError
from fulltape.venues.registry import venue

if TYPE_CHECKING:
    from fulltape.stores.base import Reader
    from fulltape.venues.base import Venue

DEFAULT_VENUE = "coinbase"


def followed_venues(config: Config) -> Iterator[tuple[Venue, VenueConfig]]:
    """Yield the enabled venues of a configuration; Coinbase if it names none."""
    for name, followed in (config.venues or {DEFAULT_VENUE: VenueConfig()}).items():
        if followed.enabled:
            yield venue(name), followed


@contextlib.contextmanager
def open_reader(path: Path) -> Iterator[tuple[Reader, bool]]:
    """Open a database that nobody else holds; yields a reader and whether its prices are simulated.

    Raises ConfigError when there is none, or another process has it.
    """
    from fulltape.stores.duckdb import DuckDbStore

    with DuckDbStore.open(path, simulated=None, read_only=True) as store:
        reader = store.reader()
        try:
            yield reader, store.identity.simulated
        finally:
            reader.close()


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
