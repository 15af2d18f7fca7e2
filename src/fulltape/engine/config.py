"""The configuration: one typed TOML file, every key optional, every mistake named with its place.

Secrets never stand in the file: a venue's keys come from the environment variables that its spec names.
"""

from __future__ import annotations

import importlib.resources
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

import msgspec

from fulltape.bus.kafka_config import KafkaConfig
from fulltape.engine.alerts.config import AlertsConfig, TargetConfig, check_alerts, check_targets
from fulltape.engine.typed_toml import read
from fulltape.engine.wishes import check_wish
from fulltape.errors import ConfigError, did_you_mean
from fulltape.records import CANDLES, STORED
from fulltape.records.interval import DEFAULT_INTERVALS, parse_interval
from fulltape.venues.base import Channel, Credentials
from fulltape.venues.registry import venue

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e9)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class ServerConfig(msgspec.Struct, frozen=True):
    """Where the dashboard and the API listen, and under which names besides loopback. Port 0 takes any free one.

    ``tokens`` is the file that holds them; ``fulltape-tokens.json`` beside the database if empty. ``compat_at_root``
    serves what is under ``/compat`` at the root as well.
    """

    host: str = "127.0.0.1"
    port: Port = 8000
    allow_remote: bool = False
    read_needs_token: bool = False
    tokens: str = ""
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    compat_at_root: bool = False


class StoreConfig(msgspec.Struct, frozen=True):
    """The database file, and how many days each table keeps (``candles.1s`` limits one interval).

    ``simulated`` marks a database of made-up prices: it takes simulated venues only, any other takes none.
    """

    path: str = "fulltape.duckdb"
    simulated: bool = False
    retention: Mapping[str, Positive] = {}


class CaptureConfig(msgspec.Struct, frozen=True):
    """Recording of raw frames. ``keep_gb`` 0 keeps every segment."""

    enabled: bool = False
    directory: str = "captures"
    rotate_mb: Positive = 128.0
    rotate_minutes: Positive = 60.0
    keep_gb: NotNegative = 20.0
    queue_mb: Positive = 64.0


class EngineConfig(msgspec.Struct, frozen=True):
    """How often the engine commits, and how long it waits for late and quiet data."""

    flush_ms: Positive = 50.0
    flush_records: Count = 5_000
    lateness_s: Annotated[int, msgspec.Meta(ge=0)] = 2
    quiet_s: Count = 5
    max_queued_frames: Count = 200_000


class CandlesConfig(msgspec.Struct, frozen=True):
    """Which candles are made. Windows shorter than ``quiet_from`` are left out when nobody traded."""

    intervals: tuple[str, ...] = DEFAULT_INTERVALS
    quiet_from: str = "1m"


class StatisticsConfig(msgspec.Struct, frozen=True):
    """Whether statistics are made, and of what.

    ``bar_...``: how many trades, base or quote units make an activity bar; 0 makes none. ``quote_age_s``: how old a
    quote may be to be compared with those of other venues, ``outlier_mads``: from how many MAD on it is an outlier.
    ``depth_every_s``: how often depth is told (0: never), within ``depth_bp`` of the mid and over ``depth_levels``.
    """

    enabled: bool = True
    bar_ticks: Annotated[int, msgspec.Meta(ge=0)] = 1_000
    bar_volume: NotNegative = 0.0
    bar_value: Annotated[float, msgspec.Meta(ge=0, le=1e15)] = 0.0
    quote_age_s: Positive = 60.0
    outlier_mads: Positive = 5.0
    depth_every_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] = 1
    depth_bp: Annotated[float, msgspec.Meta(gt=0, lt=10_000)] = 10.0
    depth_levels: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 10


class HistoryConfig(msgspec.Struct, frozen=True):
    """What of the venues' history is fetched while fulltape runs.

    ``warm_bars`` of each interval are there from the start (0: none). Trades that were missed are asked for, unless
    that was more than ``refill_hours`` ago (0: never).
    """

    warm_bars: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 500
    refill_hours: NotNegative = 24.0


class ExportsConfig(msgspec.Struct, frozen=True):
    """Files that are kept up to date: ``N_min_crypto_data.csv`` in ``csv_dir`` (empty: none) for each N of minutes.

    They hold the candles of the last ``csv_days``.
    """

    csv_dir: str = ""
    csv_minutes: tuple[Annotated[int, msgspec.Meta(ge=1, le=1_440)], ...] = (1, 2, 5)
    csv_days: Annotated[float, msgspec.Meta(gt=0, le=366)] = 7.0


class VenueConfig(msgspec.Struct, frozen=True):
    """What is followed at one venue; empty fields mean the venue's own defaults.

    ``instruments`` are wishes as in `fulltape.engine.wishes`: names and patterns. ``requests_per_s`` is how often its
    REST interface may be asked, ``silence_s`` how long a connection may be silent before it is given up.
    """

    instruments: tuple[str, ...] = ()
    channels: tuple[Channel, ...] = ()
    url: str = ""
    rest_url: str = ""
    requests_per_s: NotNegative = 0.0
    silence_s: NotNegative = 0.0
    enabled: bool = True


class Config(msgspec.Struct, frozen=True):
    """The whole configuration. Without venues fulltape follows Coinbase's main instruments."""

    server: ServerConfig = ServerConfig()
    store: StoreConfig = StoreConfig()
    capture: CaptureConfig = CaptureConfig()
    engine: EngineConfig = EngineConfig()
    candles: CandlesConfig = CandlesConfig()
    statistics: StatisticsConfig = StatisticsConfig()
    history: HistoryConfig = HistoryConfig()
    exports: ExportsConfig = ExportsConfig()
    kafka: KafkaConfig = KafkaConfig()
    alerts: AlertsConfig = AlertsConfig()
    notify: Mapping[str, TargetConfig] = {}
    venues: Mapping[str, VenueConfig] = {}

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file. Raises ConfigError that names the file, the place and what to change."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"{path}: {error.strerror}; `fulltape config sample` prints a file to start from"
            ) from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: is not UTF-8 text") from None
        try:
            return cls.parse(text)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read TOML text. Raises ConfigError that names the place and what to change."""
        config = read(text, cls)
        config.check()
        return config

    def check(self) -> None:
        """Refuse what the types allow and fulltape cannot do. Connects to nothing. Raises ConfigError."""
        if not (self.server.allow_remote or self.server.read_needs_token or _is_loopback(self.server.host)):
            raise ConfigError(
                f"[server] host: {self.server.host} is open to other machines, and nothing asks them for a token; "
                "use 127.0.0.1, or set read_needs_token = true, or allow_remote = true if a proxy in front asks them"
            )
        if not self.candles.intervals:
            raise ConfigError("[candles] intervals: name at least one, such as 1m")
        for key, interval in (
            *((f"intervals[{i}]", text) for i, text in enumerate(self.candles.intervals)),
            ("quiet_from", self.candles.quiet_from),
        ):
            try:
                parse_interval(interval)
            except ValueError as error:
                raise ConfigError(f"[candles] {key}: {error}") from None
        if self.exports.csv_dir and "1m" not in self.candles.intervals:
            raise ConfigError("[exports] csv_dir: the files are made of candles of 1m: add it to [candles] intervals")
        self.kafka.check()
        for name in self.store.retention:
            _check_retained(name)
        told = self.statistics
        check_alerts(self.alerts, statistics=told.enabled, depths=told.depth_every_s > 0)
        check_targets(self.notify, self.alerts.rules)
        if not self.store.path:
            raise ConfigError("[store] path: name a file, such as fulltape.duckdb")
        spellings: dict[str, str] = {}
        for name, followed in self.venues.items():
            _check_venue(name, followed)
            if (other := spellings.setdefault(name.upper(), name)) != name:
                raise ConfigError(f"[venues.{name}]: the same venue as [venues.{other}]: write it once")


def sample() -> str:
    """Return a commented configuration file that holds every default."""
    return importlib.resources.files("fulltape.engine").joinpath("sample.toml").read_text(encoding="utf-8")


def credentials(variables: tuple[str, ...], environment: Mapping[str, str]) -> Credentials | None:
    """Return the keys that the environment holds under ``variables``, or None if it holds none.

    Raises ConfigError when some are set and others are not.
    """
    values = [environment.get(name, "") for name in variables]
    missing = [name for name, value in zip(variables, values, strict=True) if not value]
    if len(missing) == len(variables):
        return None
    if missing:
        raise ConfigError(f"the environment sets some keys but not {', '.join(missing)}: set all or none")
    return Credentials(*values)


def _check_retained(name: str) -> None:
    kind, dot, interval = name.partition(".")
    kinds = [schema.name for schema in STORED]
    if kind not in kinds:
        raise ConfigError(f"[store.retention] {name}: no such table{did_you_mean(kind, kinds)}")
    if dot and kind != CANDLES.name:
        raise ConfigError(f"[store.retention] {name}: only candles can be limited by interval")
    if dot:
        try:
            parse_interval(interval)
        except ValueError as error:
            raise ConfigError(f"[store.retention] {name}: {error}") from None


def _check_venue(name: str, config: VenueConfig) -> None:
    place = f"[venues.{name}]"
    try:
        known = venue(name)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
    for key, url, scheme in (("url", config.url, "ws"), ("rest_url", config.rest_url, "http")):
        if url and not url.startswith((f"{scheme}://", f"{scheme}s://")):
            raise ConfigError(f"{place} {key}: {url!r} must begin with {scheme}s:// or {scheme}://")
    for channel in config.channels:
        if channel not in known.spec.channels:
            offered = ", ".join(sorted(known.spec.channels))
            raise ConfigError(f"{place} channels: {known.spec.name} does not offer {channel}; it offers {offered}")
    for wish in config.instruments:
        try:
            check_wish(wish, known)
        except ValueError as error:
            raise ConfigError(f"{place} instruments: {error}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
