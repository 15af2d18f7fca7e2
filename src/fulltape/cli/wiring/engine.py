"""A running engine, and pipelines for whatever it takes in."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from random import Random

from fulltape.bus.memory import MemoryBus
from fulltape.capture.recorder import Recorder
from fulltape.capture.segments import SegmentLimits
from fulltape.cli.wiring.alerting import alerts, marks_path, targets
from fulltape.cli.wiring.kafka import log, topics
from fulltape.cli.wiring.venues import feeds
from fulltape.clock import SystemClock
from fulltape.engine.alerts.marks import MarkFile
from fulltape.engine.config import CaptureConfig, Config, EngineConfig
from fulltape.engine.intake import Intake
from fulltape.engine.pipeline import Pipeline
from fulltape.engine.pipeline.statistics import StatisticConfig
from fulltape.engine.runner import LiveClock, RecordedClock, Runner, RunnerConfig
from fulltape.engine.supervisor import Parts, Supervisor
from fulltape.operators.activity_bars import ActivityBarConfig
from fulltape.operators.candle_plan import CandleConfig
from fulltape.operators.depths import DepthConfig
from fulltape.operators.quote_stats import QuoteStatConfig
from fulltape.records import Origin
from fulltape.stores.base import Retention, Store
from fulltape.venues.registry import venue


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


def pipeline(config: Config, store: Store, origin: Origin = Origin.LIVE) -> Pipeline:
    """Return a pipeline that knows the instruments of ``store``; ``origin`` tells where its frames come from."""
    candles = CandleConfig(
        intervals=config.candles.intervals,
        quiet_from=config.candles.quiet_from,
        lateness_s=config.engine.lateness_s,
        quiet_s=config.engine.quiet_s,
    )
    return Pipeline(store.restore().instruments, venue, candles, statistics(config), alerts(config, origin))


def statistics(config: Config) -> StatisticConfig | None:
    """Return which statistics to make, or None."""
    wanted = config.statistics
    if not wanted.enabled:
        return None
    bars = ActivityBarConfig(wanted.bar_ticks, wanted.bar_volume, wanted.bar_value)
    quotes = QuoteStatConfig(wanted.quote_age_s, wanted.outlier_mads)
    depth = DepthConfig(wanted.depth_every_s, wanted.depth_bp, wanted.depth_levels)
    return StatisticConfig(bars, config.engine.lateness_s, config.engine.quiet_s, quotes, depth)


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
