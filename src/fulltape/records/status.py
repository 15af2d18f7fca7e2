"""What fulltape says of itself: feeds, engine, store. Read by the API, the metrics and the command line."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec


class FeedState(enum.StrEnum):
    """The light of a feed."""

    CONNECTING = "connecting"  # amber: no connection yet, or subscribing
    LIVE = "live"  # green: acknowledged, and frames arrive
    STALE = "stale"  # red: connected, but silent for longer than the venue ever is
    DOWN = "down"  # red: disconnected; trying again
    REFUSED = "refused"  # red: the venue said no, and trying again the same way is pointless
    REPLAYING = "replaying"  # blue: frames come from a recording
    ENDED = "ended"  # grey: the recording is over


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One connection. Ages are seconds; ``detail`` says in words what is wrong and what is being done."""

    name: str
    venue: str
    url: str
    state: FeedState
    detail: str
    simulated: bool
    since: int
    frames: int
    bytes: int
    reconnects: int
    last_frame_age_s: float | None
    channels: tuple[str, ...]
    instruments: tuple[str, ...]
    stale_instruments: tuple[str, ...]
    credits_left: int | None = None
    """What the venue still lets us ask today; None for one that does not count."""


class FollowingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of one venue, and what of it cannot be had. ``listed`` counts the instruments that it offers."""

    venue: str
    wanted: tuple[str, ...]
    removed: tuple[str, ...]
    """What was given up at run time although something names it."""
    followed: int
    waiting: tuple[str, ...]
    """What cannot be told before the venue has sent its list of instruments."""
    unknown: tuple[str, ...]
    delisted: tuple[str, ...]
    listed: int | None
    """None while there is no list."""
    detail: str
    """Why there is no list, or empty."""


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """How trades of one connection came in the last minute, by ingest time less event time (s).

    ``clock_skew_s`` is its 1st percentile: how far our clock is ahead of the venue's, together with the shortest way
    that the news takes; below 0 the venue's clock is ahead. ``p50_s`` and ``p99_s`` are what trades took beyond that.
    """

    connection: str
    venue: str
    clock_skew_s: float
    p50_s: float
    p99_s: float


class Wait(msgspec.Struct, frozen=True):
    """How long (s) a step on the way takes: half of what passed it took at most ``p50_s``, 99 of 100 ``p99_s``."""

    p50_s: float
    p99_s: float


class EngineStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The engine's counters since it started. ``lag_s`` is the age of the oldest frame not yet committed."""

    commit: int
    clock: int
    lag_s: float
    queued_frames: int
    commit_ms: float
    frames: int
    records: Mapping[str, int]
    duplicates: int
    gaps_open: int
    missing_trades: int
    late_trades: int
    rejected: Mapping[str, int]
    ignored: Mapping[str, int]
    error: str
    """Why the engine stopped, or empty."""
    book_resyncs: int = 0
    """Snapshots asked for because a book missed messages, was crossed or had another checksum than the venue's."""
    checksums_verified: int = 0
    checksums_failed: int = 0
    delays: tuple[Delay, ...] = ()
    commit_wait: Wait | None = None
    """From the receipt of frames to their commit, of the last minute; None before the first one."""
    id_resets: int = 0
    """How many times a venue began its trade ids again."""
    early_trades: int = 0
    """Trades dated far ahead: windows count them when their time has come."""
    stale_candles: int = 0
    """Candles left as they were after a late trade, because their other trades are no longer stored."""
    alerts_not_news: int = 0
    """Rows that were past a rule's threshold, but came too late to be news."""


class TargetStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of alerts, and what became of them since the start. ``detail`` says why it is not told now."""

    name: str
    messages: int
    """How many messages were sent."""
    alerts: int
    """How many alerts were in them."""
    failures: int
    """How many times sending failed; it is tried again."""
    too_old: int
    """Alerts that were not sent because they had become too old."""
    waiting: int
    detail: str


class LogState(enum.StrEnum):
    """What the publisher of commits does."""

    OPENING = "opening"  # no answer yet
    CATCHING_UP = "catching_up"  # publishes what the store holds
    LIVE = "live"  # publishes commits as they are made
    WAITING = "waiting"  # nobody answers; trying again
    REFUSED = "refused"  # another database's topics, or not allowed: somebody must change something


class LogStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far the topics outside are; counters are those since the start.

    ``commit`` is the newest one that is published, None while that is not known; ``lag_commits`` how many are not.
    """

    servers: tuple[str, ...]
    state: LogState
    commit: int | None
    lag_commits: int | None
    records: Mapping[str, int]
    transactions: int
    failures: int
    too_long: int
    """Records that were left out because they are longer than a message may be."""
    detail: str
    """What is wrong, or empty."""


class RecordingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the lines of raw frames; counters are those since the start, ``bytes`` as compressed."""

    lines: int
    bytes: int
    dropped: int
    """Lines that found no room, in memory or on the disk."""
    detail: str
    """Why nothing is recorded now, or empty."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `GET /api/v1/status` says."""

    version: str
    simulated: bool
    started: int
    feeds: tuple[FeedStatus, ...]
    engine: EngineStatus
    following: tuple[FollowingStatus, ...] = ()
    kafka: LogStatus | None = None
    """None while nothing is published there."""
    targets: tuple[TargetStatus, ...] = ()
    recording: RecordingStatus | None = None
    """None while raw frames are not recorded."""
