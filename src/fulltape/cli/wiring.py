"""Wiring: the one place that names concrete stores, buses and venues."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.resources
import itertools
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import msgspec

from fulltape.api.config import ApiConfig
from fulltape.api.tokens import FILE_NAME
from fulltape.bus.entries import Shape
from fulltape.bus.kafka_config import KafkaConfig, client_settings
from fulltape.bus.memory import MemoryBus
from fulltape.capture.line import Direction, Line
from fulltape.capture.reader import read_recording
from fulltape.capture.recorder import Recorder
from fulltape.capture.replayer import ReplaySource
from fulltape.capture.segments import SegmentLimits
from fulltape.clock import Clock, SystemClock
from fulltape.engine.alerts.config import TargetConfig, active_rules
from fulltape.engine.alerts.marks import MarkFile
from fulltape.engine.alerts.notifier import Target
from fulltape.engine.config import CaptureConfig, Config, EngineConfig, StoreConfig, VenueConfig, credentials
from fulltape.engine.feed import Feed
from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.pipeline.statistics import StatisticConfig
from fulltape.engine.pipeline.symbols import AnySymbols
from fulltape.engine.publishing import LogPart
from fulltape.engine.runner import LiveClock, RecordedClock, Runner, RunnerConfig
from fulltape.engine.supervisor import Parts, Supervisor
from fulltape.errors import ConfigError
from fulltape.operators.activity_bars import ActivityBarConfig
from fulltape.operators.alerts import AlertConfig, AlertRule
from fulltape.operators.candles import CandleConfig
from fulltape.operators.depths import DepthConfig
from fulltape.operators.quote_stats import QuoteStatConfig
from fulltape.records import AlertKind, Instrument, InstrumentTable, Origin
from fulltape.records.frames import Connection
from fulltape.stores.base import Reader, Retention, Store
from fulltape.stores.duckdb import DuckDbStore
from fulltape.venues.base import (
    Channel,
    Credentials,
    PolledVenue,
    RestLimits,
    RestRequest,
    Subscription,
    Venue,
    VenueSpec,
    answer_frame,
)
from fulltape.venues.credits import CreditFile
from fulltape.venues.poller import Poller, Purse
from fulltape.venues.registry import venue, venues_of_frame, venues_of_url
from fulltape.venues.rest import RestClient
from fulltape.venues.session import SessionConfig

if TYPE_CHECKING:
    from litestar import Litestar

    from fulltape.api.backend import Backend
    from fulltape.bus.kafka_topics import KafkaTopics

DEFAULT_VENUE = "coinbase"
_LOOKED_AT = 1_000  # lines of a recording


def open_store(path: Path, *, simulated: bool | None) -> DuckDbStore:
    """Open a database for writing, or make it; None takes one as it is. Raises ConfigError that says what to do."""
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
    parts = Parts(
        store=store,
        bus=MemoryBus(),
        pipeline=pipeline(config, store),
        clock=SystemClock(),
        random=Random(),
        feeds=feeds(config, recorder),
        runner=runner_config(config.engine),
        max_queued_frames=config.engine.max_queued_frames,
        retention=Retention(config.store.retention),
        recorder=recorder,
        history=config.history,
        exports=config.exports,
        log=log(config.kafka),
        topics=topics(config.kafka) if config.kafka.bootstrap else None,
    )
    if told := targets(config, os.environ):
        parts = replace(parts, targets=told, marks=MarkFile(marks_path(config)))
    return Supervisor(parts)


def log(config: KafkaConfig) -> LogPart | None:
    """Return where commits are published, None without brokers. Raises ConfigError if a secret is missing."""
    if not config.bootstrap:
        return None
    with _needing_confluent():
        from fulltape.bus.kafka import KafkaLog

    shapes = {kind: config.shapes.get(kind, Shape.RECORD) for kind in config.kinds}
    return LogPart(KafkaLog(config, client_settings(config, os.environ)), config.bootstrap, shapes, config.backlog)


def topics(config: KafkaConfig) -> KafkaTopics:
    """Return what looks at topics. Raises ConfigError if a secret is missing."""
    with _needing_confluent():
        from fulltape.bus.kafka_topics import KafkaTopics

    return KafkaTopics(config, client_settings(config, os.environ))


@contextlib.contextmanager
def _needing_confluent() -> Iterator[None]:
    """Name the extra where confluent-kafka is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "confluent_kafka":
            raise
        raise ConfigError("Kafka needs confluent-kafka: install it with `pip install 'fulltape[kafka]'`") from None


def marks_path(config: Config) -> Path:
    """Return where it is kept up to where targets have been told of the alerts of a database."""
    return Path(config.store.path).with_suffix(".told.json")


def targets(config: Config, environment: Mapping[str, str]) -> list[Target]:
    """Return who is told of alerts. Raises ConfigError, without the address, for one that is missing or unusable."""
    return [target(name, one, environment) for name, one in config.notify.items() if one.enabled]


def target(name: str, config: TargetConfig, environment: Mapping[str, str]) -> Target:
    """Return one target. Connects to nothing. Raises ConfigError as `targets` does."""
    from fulltape.engine.alerts.messenger import AppriseMessenger

    variable = config.url_variable
    url = environment.get(variable, "").strip()
    if not url:
        raise ConfigError(
            f"[notify.{name}]: the environment variable {variable} is not set: put the target's Apprise address into "
            "it, or set enabled = false"
        )
    try:
        return Target(name, config, AppriseMessenger(url))
    except ConfigError as error:
        raise ConfigError(f"[notify.{name}]: the environment variable {variable} {error}") from None


def feeds(config: Config, recorder: Recorder | None) -> list[Feed]:
    """Return how the venues of a configuration are followed. Raises ConfigError as `supervisor` does."""
    clock, random = SystemClock(), Random()
    made = [
        feed
        for source, followed in followed_venues(config)
        for feed in _feeds(source, followed, config.store, clock, random, recorder)
    ]
    if not made:
        raise ConfigError(f"every venue is disabled ({', '.join(config.venues)}): set enabled = true for one of them")
    return made


def pipeline(config: Config, store: Store, origin: Origin = Origin.LIVE) -> Pipeline:
    """Return a pipeline that knows the instruments of ``store``; ``origin`` tells where its frames come from."""
    candles = CandleConfig(
        intervals=config.candles.intervals,
        quiet_from=config.candles.quiet_from,
        lateness_s=config.engine.lateness_s,
        quiet_s=config.engine.quiet_s,
    )
    return Pipeline(store.restore().instruments, venue, candles, statistics(config), alerts(config, origin))


def alerts(config: Config, origin: Origin) -> AlertConfig:
    """Return which alerts to raise."""
    made = config.statistics
    rules = active_rules(config.alerts, statistics=made.enabled, depths=made.depth_every_s > 0)
    return AlertConfig(
        rules=tuple(
            AlertRule(
                name=name,
                figure=rule.figure,
                kind=AlertKind[rule.kind.name],
                above=rule.above,
                below=rule.below,
                beyond=rule.beyond,
                clear=rule.clear,
                instruments=rule.instruments,
                for_s=rule.for_s,
                cooldown_s=rule.cooldown_s,
            )
            for name, rule in rules.items()
        ),
        news_s=config.alerts.news_s,
        depth_every_s=made.depth_every_s,
        origin=origin,
    )


def statistics(config: Config) -> StatisticConfig | None:
    """Return which statistics to make, or None."""
    wanted = config.statistics
    if not wanted.enabled:
        return None
    bars = ActivityBarConfig(wanted.bar_ticks, wanted.bar_volume, wanted.bar_value)
    quotes = QuoteStatConfig(wanted.quote_age_s, wanted.outlier_mads)
    depth = DepthConfig(wanted.depth_every_s, wanted.depth_bp, wanted.depth_levels)
    return StatisticConfig(bars, config.engine.lateness_s, config.engine.quiet_s, quotes, depth)


def replay_source(paths: Sequence[Path], *, venue_name: str | None, speed: float | None) -> ReplaySource:
    """Return what to replay; ``venue_name`` serves where a recording does not tell. Raises ConfigError."""
    name = venue(venue_name).spec.name if venue_name else None
    return ReplaySource(paths, _venues_of_url, _venues_of_frame, name, speed)


def replay_runner(config: Config, store: Store) -> tuple[Runner, Intake]:
    """Return what turns a recording's frames into commits: its clock is the recording's."""
    intake = Intake(config.engine.max_queued_frames)
    made = pipeline(config, store, Origin.REPLAY)
    return Runner(made, intake, store, MemoryBus(), RecordedClock(), runner_config(config.engine)), intake


def history_runner(config: Config, store: Store) -> tuple[Runner, Intake]:
    """Return what turns venues' history into commits, without following anything live."""
    intake = Intake(config.engine.max_queued_frames)
    made = pipeline(config, store, Origin.REFILL)
    return Runner(made, intake, store, MemoryBus(), LiveClock(SystemClock()), runner_config(config.engine)), intake


def recorded_instruments(line: Line) -> list[Instrument]:
    """Return the instruments of a recorded HTTP answer, none if it answers another question.

    Raises MalformedFrame.
    """
    source = venue(line.venue)
    if urlsplit(line.url).path != source.instruments_request().path:
        return []
    return source.parse_instruments(line.payload)


def recorded_book(path: Path, line: Line) -> bytes | None:
    """Return the frame of a recorded HTTP answer that is a book, where the stream needs one, else None.

    An answer without an address is the book of the only instrument in the recording at ``path``.
    """
    source, url = venue(line.venue), urlsplit(line.url)
    if not source.spec.books_by_rest:
        return None
    if not url.path and (symbol := _only_symbol(path, source)) is not None:
        return answer_frame(source.book_request(symbol), line.payload)
    if not url.path.startswith(source.book_request("").path.rstrip("/")):
        return None
    return f"GET {url.path}?{url.query}\n".encode() + line.payload


def _only_symbol(path: Path, source: Venue) -> str | None:
    """Return the symbol that all frames at the beginning of a recording are of, None if there are several."""
    table = InstrumentTable()
    symbols = AnySymbols(table, source, lambda one, symbol: one.instrument(symbol))
    parser = source.parser(symbols, Connection("", source.spec.name, replay=True))
    lines = itertools.islice(read_recording(path, lambda _: None), _LOOKED_AT)
    frames = [line for line in lines if line.direction is Direction.RECV]
    parser.parse([line.payload for line in frames], [line.ingest_time for line in frames])
    return table[0].venue_symbol if len(table) == 1 else None


def _venues_of_url(url: str) -> list[str]:
    return [one.spec.name for one in venues_of_url(url)]


def _venues_of_frame(payload: bytes) -> list[str]:
    return [one.spec.name for one in venues_of_frame(payload)]


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
        compat_at_root=server.compat_at_root,
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


def venue_keys(source: Venue, *, simulated: bool) -> Credentials | None:
    """Return the keys for a venue, None if there are none. Real ones never go to a simulated venue.

    One that offers nothing without a key gets made-up ones when it is simulated.
    """
    if simulated:
        return Credentials("simulated", "simulated") if source.spec.keyed_channels == source.spec.channels else None
    return credentials(source.spec.credential_variables, os.environ)


def rest_opener(
    source: Venue, followed: VenueConfig, store: StoreConfig, clock: Clock, random: Random
) -> Callable[[], RestClient]:
    """Return what makes clients of a venue's REST interface. All of them, in every process, share one day's credits.

    Raises ConfigError.
    """
    keys, counted = venue_keys(source, simulated=store.simulated), _credits(source, store, clock)
    url, spec = followed.rest_url or source.spec.rest_url, source.spec
    if followed.requests_per_s:
        limits = RestLimits(followed.requests_per_s, max(1, int(followed.requests_per_s)))
        spec = msgspec.structs.replace(spec, rest_limits=limits)
    return lambda: RestClient(spec, url, clock, random, credentials=keys, credits=counted)


def _credits(source: Venue, store: StoreConfig, clock: Clock) -> CreditFile | None:
    polling = source.spec.polling
    if polling is None:
        return None
    name = f"{source.spec.name.lower()}{'-sim' if store.simulated else ''}.credits.json"
    return CreditFile(Path(store.path).parent / name, polling.credits_per_day, clock)


def addresses(spec: VenueSpec, followed: VenueConfig) -> dict[str, tuple[Channel, ...]]:
    """Return the channels to subscribe to at each address, for a connection each.

    Where another host is configured, channels with an address of their own are on that host under their own path.
    """
    main = followed.url or spec.ws_url
    found: dict[str, tuple[Channel, ...]] = {}
    for channel in followed.channels or spec.default_channels:
        url = spec.channel_urls.get(channel, main)
        if channel in spec.channel_urls and followed.url:
            url = urlunsplit(urlsplit(followed.url)._replace(path=urlsplit(url).path))
        found[url] = (*found.get(url, ()), channel)
    return found


def _feeds(
    source: Venue, followed: VenueConfig, store: StoreConfig, clock: Clock, random: Random, recorder: Recorder | None
) -> Iterator[Feed]:
    for number, (url, channels) in enumerate(addresses(source.spec, followed).items(), start=1):
        own = msgspec.structs.replace(followed, url=url, channels=channels)
        yield _feed(source, own, f"{source.spec.name}-{number}", store, clock, random, recorder)


def _feed(
    source: Venue,
    followed: VenueConfig,
    name: str,
    store: StoreConfig,
    clock: Clock,
    random: Random,
    recorder: Recorder | None,
) -> Feed:
    spec = source.spec
    rest_url = followed.rest_url or spec.rest_url
    session = SessionConfig(
        name=name,
        url=rest_url if spec.polling else followed.url,
        subscription=Subscription(followed.channels, followed.instruments or spec.default_symbols),
        credentials=venue_keys(source, simulated=store.simulated),
        silence_s=followed.silence_s or spec.silence_s,
    )
    opened = rest_opener(source, followed, store, clock, random)
    fetch = _fetcher(source, rest_url, opened, clock, recorder)
    counted = _credits(source, store, clock)
    if not isinstance(source, PolledVenue) or counted is None:
        return Feed(source, session, fetch, history=opened)
    purse = Purse(opened, counted)
    return Feed(source, session, fetch, lambda one, sink: Poller(source, one, purse, sink, clock, random))


def _fetcher(
    source: Venue, rest_url: str, opened: Callable[[], RestClient], clock: Clock, recorder: Recorder | None
) -> Callable[[RestRequest], Awaitable[bytes]]:
    """Return what asks a venue's REST interface, and records the answers if there is a recorder."""
    one_at_a_time = asyncio.Lock()

    async def fetch(request: RestRequest) -> bytes:
        async with one_at_a_time, opened() as client:
            body = await client.get(request)
        if recorder is not None:
            url = rest_url + request.path
            line = Line(
                Direction.HTTP, clock.now_ns(), body, venue=source.spec.name, url=url, simulated=client.simulated
            )
            recorder.put(line)
        return body

    return fetch
