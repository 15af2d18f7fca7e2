"""Wiring: the one place that names concrete stores, buses and venues."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.resources
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fulltape.api.config import ApiConfig
from fulltape.api.tokens import FILE_NAME
from fulltape.bus.memory import MemoryBus
from fulltape.capture.line import Direction, Line
from fulltape.capture.recorder import Recorder
from fulltape.capture.replayer import ReplaySource
from fulltape.capture.segments import SegmentLimits
from fulltape.clock import Clock, SystemClock
from fulltape.engine.config import CaptureConfig, Config, EngineConfig, VenueConfig, credentials
from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.runner import RecordedClock, Runner, RunnerConfig
from fulltape.engine.supervisor import Feed, Parts, Supervisor
from fulltape.errors import ConfigError
from fulltape.operators.candles import CandleConfig
from fulltape.records import Instrument
from fulltape.stores.base import Reader, Retention, Store
from fulltape.stores.duckdb import DuckDbStore
from fulltape.venues.base import RestRequest, Subscription, Venue
from fulltape.venues.registry import venue, venue_of_url
from fulltape.venues.rest import RestClient
from fulltape.venues.session import SessionConfig

if TYPE_CHECKING:
    from litestar import Litestar

    from fulltape.api.backend import Backend

DEFAULT_VENUE = "coinbase"


def open_store(path: Path, *, simulated: bool) -> DuckDbStore:
    """Open a database for writing, or make it. Raises ConfigError that says what to do."""
    return DuckDbStore.open(path, simulated=simulated)


@contextlib.contextmanager
def open_reader(path: Path) -> Iterator[tuple[Reader, bool]]:
    """Open a database that nobody else holds; yields a reader and whether its prices are simulated.

    Raises ConfigError when there is none, or another process has it.
    """
    with DuckDbStore.open(path, simulated=None, read_only=True) as store:
        reader = store.reader()
        try:
            yield reader, store.identity.simulated
        finally:
            reader.close()


def followed_venues(config: Config) -> Iterator[tuple[Venue, VenueConfig]]:
    """Yield the enabled venues of a configuration; Coinbase if it names none."""
    for name, followed in (config.venues or {DEFAULT_VENUE: VenueConfig()}).items():
        if followed.enabled:
            yield venue(name), followed


def supervisor(config: Config, store: Store, recorder: Recorder | None) -> Supervisor:
    """Put a running fulltape together. Raises ConfigError for what a venue does not offer, and if none is enabled."""
    clock, random = SystemClock(), Random()
    feeds = [_feed(*one, clock, random, recorder) for one in followed_venues(config)]
    if not feeds:
        raise ConfigError(f"every venue is disabled ({', '.join(config.venues)}): set enabled = true for one of them")
    parts = Parts(
        store=store,
        bus=MemoryBus(),
        pipeline=pipeline(config, store),
        clock=clock,
        random=random,
        feeds=feeds,
        runner=runner_config(config.engine),
        max_queued_frames=config.engine.max_queued_frames,
        retention=Retention(config.store.retention),
        recorder=recorder,
    )
    return Supervisor(parts)


def pipeline(config: Config, store: Store) -> Pipeline:
    """Return a pipeline that knows the instruments of ``store``."""
    candles = CandleConfig(
        intervals=config.candles.intervals,
        quiet_from=config.candles.quiet_from,
        lateness_s=config.engine.lateness_s,
        quiet_s=config.engine.quiet_s,
    )
    return Pipeline(store.restore().instruments, venue, candles)


def replay_source(paths: Sequence[Path], *, venue_name: str | None, speed: float | None) -> ReplaySource:
    """Return what to replay; ``venue_name`` serves where a recording does not tell. Raises ConfigError."""
    name = venue(venue_name).spec.name if venue_name else None
    return ReplaySource(paths, _venue_of_url, name, speed)


def replay_runner(config: Config, store: Store) -> tuple[Runner, Intake, Pipeline]:
    """Return what turns a recording's frames into commits: its clock is the recording's."""
    intake = Intake(config.engine.max_queued_frames)
    made = pipeline(config, store)
    return Runner(made, intake, store, MemoryBus(), RecordedClock(), runner_config(config.engine)), intake, made


def recorded_instruments(line: Line) -> list[Instrument]:
    """Return the instruments of a recorded HTTP answer, none if it answers another question.

    Raises MalformedFrame.
    """
    source = venue(line.venue)
    if urlsplit(line.url).path != source.instruments_request().path:
        return []
    return source.parse_instruments(line.payload)


def _venue_of_url(url: str) -> str | None:
    found = venue_of_url(url)
    return found.spec.name if found else None


def runner_config(config: EngineConfig) -> RunnerConfig:
    """Return how often the engine commits."""
    return RunnerConfig(flush_s=config.flush_ms / 1e3, flush_records=config.flush_records)


def recorder(config: CaptureConfig) -> Recorder | None:
    """Return a recorder of raw frames if the configuration wants one."""
    if not config.enabled:
        return None
    limits = SegmentLimits(
        rotate_bytes=int(config.rotate_mb * (1 << 20)),
        rotate_s=config.rotate_minutes * 60,
        keep_bytes=int(config.keep_gb * (1 << 30)),
    )
    return Recorder(Path(config.directory), limits, queue_bytes=int(config.queue_mb * (1 << 20)))


def tokens_path(config: Config) -> Path:
    """Return where the tokens lie: one file serves every database of a folder."""
    return Path(config.server.tokens or Path(config.store.path).parent / FILE_NAME)


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
    )
    return create_app(backend, static_dir=dashboard_directory(), config=api), api


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


def _feed(source: Venue, followed: VenueConfig, clock: Clock, random: Random, recorder: Recorder | None) -> Feed:
    spec = source.spec
    session = SessionConfig(
        name=f"{spec.name}-1",
        url=followed.url or spec.ws_url,
        subscription=Subscription(
            followed.channels or spec.default_channels, followed.instruments or spec.default_symbols
        ),
        credentials=credentials(spec.credential_variables, os.environ),
        silence_s=spec.silence_s,
    )
    rest_url = followed.rest_url or spec.rest_url
    return Feed(source, session, _fetcher(source, rest_url, clock, random, recorder))


def _fetcher(
    source: Venue, rest_url: str, clock: Clock, random: Random, recorder: Recorder | None
) -> Callable[[RestRequest], Awaitable[bytes]]:
    """Return what asks a venue's REST interface, and records the answers if there is a recorder."""
    one_at_a_time = asyncio.Lock()

    async def fetch(request: RestRequest) -> bytes:
        async with one_at_a_time, RestClient(source.spec, rest_url, clock, random) as client:
            body = await client.get(request)
        if recorder is not None:
            url = rest_url + request.path
            line = Line(
                Direction.HTTP, clock.now_ns(), body, venue=source.spec.name, url=url, simulated=client.simulated
            )
            recorder.put(line)
        return body

    return fetch
