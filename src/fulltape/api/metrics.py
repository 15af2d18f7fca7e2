"""Prometheus metrics, computed from the status when they are asked for: there is no second set of counters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from litestar import Response, get
from litestar.datastructures import State
from litestar.di import NamedDependency
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from fulltape.api.hub import Hub
from fulltape.api.services import Services
from fulltape.records.status import (
    Delay,
    EngineStatus,
    FeedState,
    FeedStatus,
    LogState,
    LogStatus,
    RecordingStatus,
    Status,
    TargetStatus,
    Wait,
)


class StatusCollector(Collector):
    """The families of one status and hub."""

    def __init__(self, status: Status, hub: Hub, answers_kept: int, dropped: Mapping[str, int]) -> None:
        self._status = status
        self._hub = hub
        self._answers_kept = answers_kept
        self._dropped = dropped

    def collect(self) -> Iterator[Metric]:
        """Return every family."""
        build = GaugeMetricFamily("fulltape_build_info", "The version that runs.", labels=["version", "simulated"])
        build.add_metric([self._status.version, str(self._status.simulated).lower()], 1)
        yield build
        yield from _feeds(self._status.feeds)
        yield from _engine(self._status.engine)
        if self._status.kafka is not None:
            yield from _kafka(self._status.kafka)
        yield from _targets(self._status.targets)
        if self._status.recording is not None:
            yield from _recording(self._status.recording)
        yield GaugeMetricFamily("fulltape_stream_clients", "Stream clients connected.", len(self._hub.clients))
        dropped = CounterMetricFamily("fulltape_api_dropped_connections", "Connections ended.", labels=["reason"])
        for reason, count in self._dropped.items():
            dropped.add_metric([reason], count)
        yield dropped
        yield CounterMetricFamily("fulltape_api_kept_answers", "Answers sent from memory.", self._answers_kept)
        yield CounterMetricFamily("fulltape_stream_dropped_clients", "Clients closed as too slow.", self._hub.dropped)
        yield CounterMetricFamily("fulltape_stream_refused_clients", "Clients turned away.", self._hub.refused)
        yield CounterMetricFamily("fulltape_stream_sent_messages", "Messages to clients.", self._hub.messages)
        yield CounterMetricFamily("fulltape_stream_sent_bytes", "Bytes to clients.", self._hub.bytes)
        yield from _wait("fulltape_stream_wait", "From a commit to a client's socket", self._hub.client_wait())


@get("/metrics", sync_to_thread=False, include_in_schema=False)
def metrics(state: State, services: NamedDependency[Services]) -> Response[bytes]:
    """Return the metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    dropped: Mapping[str, int] = state.room.dropped if "room" in state else {}  # without a socket there is none
    registry.register(StatusCollector(services.backend.status(), services.hub, services.answers.hits, dropped))
    ProcessCollector(namespace="fulltape", registry=registry)
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _feeds(feeds: tuple[FeedStatus, ...]) -> Iterator[Metric]:
    labels = ["feed", "venue"]
    state = GaugeMetricFamily("fulltape_feed_state", "1 for the state a feed is in.", labels=[*labels, "state"])
    age = GaugeMetricFamily("fulltape_feed_last_frame_age_seconds", "Time since the last frame.", labels=labels)
    stale = GaugeMetricFamily("fulltape_feed_stale_instruments", "Instruments without news.", labels=labels)
    frames = CounterMetricFamily("fulltape_feed_received_frames", "Frames received.", labels=labels)
    size = CounterMetricFamily("fulltape_feed_received_bytes", "Bytes received.", labels=labels)
    reconnects = CounterMetricFamily("fulltape_feed_reconnects", "Connections after the first.", labels=labels)
    credits = GaugeMetricFamily(
        "fulltape_feed_credits", "Credits left today, of venues that count them.", labels=labels
    )
    for feed in feeds:
        names = [feed.name, feed.venue]
        for member in FeedState:
            state.add_metric([*names, member.value], feed.state is member)
        if feed.last_frame_age_s is not None:
            age.add_metric(names, feed.last_frame_age_s)
        stale.add_metric(names, len(feed.stale_instruments))
        if feed.credits_left is not None:
            credits.add_metric(names, feed.credits_left)
        frames.add_metric(names, feed.frames)
        size.add_metric(names, feed.bytes)
        reconnects.add_metric(names, feed.reconnects)
    yield from (state, age, stale, credits, frames, size, reconnects)


def _engine(engine: EngineStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily("fulltape_engine_up", "1 while the engine runs.", not engine.error)
    yield CounterMetricFamily("fulltape_engine_commits", "Commits in the database.", engine.commit)
    yield GaugeMetricFamily("fulltape_engine_clock_seconds", "Ingest time reached, Unix time.", engine.clock / 1e9)
    yield GaugeMetricFamily("fulltape_engine_lag_seconds", "Age of the oldest frame not committed.", engine.lag_s)
    yield GaugeMetricFamily("fulltape_engine_commit_seconds", "Duration of a commit.", engine.commit_ms / 1e3)
    yield GaugeMetricFamily("fulltape_engine_queued_frames", "Frames that wait.", engine.queued_frames)
    yield GaugeMetricFamily("fulltape_engine_open_gaps", "Holes known and not refilled.", engine.gaps_open)
    yield GaugeMetricFamily("fulltape_engine_missing_trades", "Trades in the open holes.", engine.missing_trades)
    yield CounterMetricFamily("fulltape_engine_frames", "Frames taken.", engine.frames)
    yield CounterMetricFamily("fulltape_engine_duplicates", "Records that were there already.", engine.duplicates)
    yield CounterMetricFamily("fulltape_engine_late_trades", "Trades after their window was final.", engine.late_trades)
    yield CounterMetricFamily("fulltape_engine_early_trades", "Trades dated far ahead.", engine.early_trades)
    yield CounterMetricFamily("fulltape_engine_id_resets", "Venues that began their trade ids again.", engine.id_resets)
    stale = "Candles that a late trade could not correct."
    yield CounterMetricFamily("fulltape_engine_stale_candles", stale, engine.stale_candles)
    yield CounterMetricFamily("fulltape_engine_book_resyncs", "Books that had to start over.", engine.book_resyncs)
    checksums = {"verified": engine.checksums_verified, "failed": engine.checksums_failed}
    yield _by("fulltape_engine_book_checksums", "Checksums of books compared.", "result", checksums)
    not_news = engine.alerts_not_news
    yield CounterMetricFamily(
        "fulltape_engine_late_alerts", "Rows past a rule's threshold that were no news.", not_news
    )
    yield from _delays(engine.delays)
    yield from _wait("fulltape_engine_commit_wait", "From receipt to commit", engine.commit_wait)
    yield _by("fulltape_engine_records", "Records committed.", "kind", engine.records)
    yield _by("fulltape_engine_rejected_frames", "Frames that were no records.", "reason", engine.rejected)
    yield _by("fulltape_engine_ignored_frames", "Frames of types not used.", "type", engine.ignored)


def _kafka(kafka: LogStatus) -> Iterator[Metric]:
    state = GaugeMetricFamily("fulltape_kafka_state", "1 for the state the publisher is in.", labels=["state"])
    for member in LogState:
        state.add_metric([member.value], kafka.state is member)
    yield state
    if kafka.lag_commits is not None:
        yield GaugeMetricFamily("fulltape_kafka_lag_commits", "Commits not published yet.", kafka.lag_commits)
    yield _by("fulltape_kafka_records", "Records published.", "kind", kafka.records)
    yield CounterMetricFamily("fulltape_kafka_transactions", "Transactions committed.", kafka.transactions)
    yield CounterMetricFamily("fulltape_kafka_failures", "Times that nobody answered, or refused.", kafka.failures)
    yield CounterMetricFamily("fulltape_kafka_too_long_records", "Records too long for a message.", kafka.too_long)


def _recording(recording: RecordingStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily("fulltape_recording_up", "1 unless the disk refuses raw frames.", not recording.detail)
    yield CounterMetricFamily("fulltape_recording_lines", "Lines of raw frames written.", recording.lines)
    yield CounterMetricFamily("fulltape_recording_bytes", "Bytes of raw frames written.", recording.bytes)
    yield CounterMetricFamily("fulltape_recording_dropped_lines", "Lines without room.", recording.dropped)


def _delays(delays: tuple[Delay, ...]) -> Iterator[Metric]:
    labels = ["feed", "venue"]
    skew = GaugeMetricFamily("fulltape_feed_clock_skew_seconds", "Our clock less the venue's.", labels=labels)
    p50 = GaugeMetricFamily("fulltape_feed_delay_p50_seconds", "Median way of a trade beyond skew.", labels=labels)
    p99 = GaugeMetricFamily("fulltape_feed_delay_p99_seconds", "Slowest way of 99 % of trades.", labels=labels)
    for delay in delays:
        names = [delay.connection, delay.venue]
        skew.add_metric(names, delay.clock_skew_s)
        p50.add_metric(names, delay.p50_s)
        p99.add_metric(names, delay.p99_s)
    yield from (skew, p50, p99)


def _wait(name: str, text: str, wait: Wait | None) -> Iterator[Metric]:
    if wait is not None:
        yield GaugeMetricFamily(f"{name}_p50_seconds", f"{text}, half of all at most.", wait.p50_s)
        yield GaugeMetricFamily(f"{name}_p99_seconds", f"{text}, 99 of 100 at most.", wait.p99_s)


def _targets(targets: tuple[TargetStatus, ...]) -> Iterator[Metric]:
    labels = ["target"]
    messages = CounterMetricFamily("fulltape_notify_messages", "Messages sent.", labels=labels)
    alerts = CounterMetricFamily("fulltape_notify_alerts", "Alerts in the messages sent.", labels=labels)
    failures = CounterMetricFamily("fulltape_notify_failures", "Times that sending failed.", labels=labels)
    too_old = CounterMetricFamily("fulltape_notify_old_alerts", "Alerts too old to be sent.", labels=labels)
    waiting = GaugeMetricFamily("fulltape_notify_waiting_alerts", "Alerts to be sent.", labels=labels)
    for target in targets:
        messages.add_metric([target.name], target.messages)
        alerts.add_metric([target.name], target.alerts)
        failures.add_metric([target.name], target.failures)
        too_old.add_metric([target.name], target.too_old)
        waiting.add_metric([target.name], target.waiting)
    yield from (messages, alerts, failures, too_old, waiting)


def _by(name: str, text: str, label: str, counts: Mapping[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, count in counts.items():
        family.add_metric([key], count)
    return family
