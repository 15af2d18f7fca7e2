"""Wiring: the one place that names concrete stores, buses and venues."""

from __future__ import annotations

from fulltape.cli.wiring.alerting import alerts, marks_path, target, targets
from fulltape.cli.wiring.engine import (
    history_runner,
    pipeline,
    recorder,
    replay_runner,
    runner_config,
    statistics,
    supervisor,
)
from fulltape.cli.wiring.kafka import log, topics
from fulltape.cli.wiring.recordings import recorded_book, recorded_instruments, replay_source
from fulltape.cli.wiring.server import dashboard_directory, listen, tokens_path, web_app
from fulltape.cli.wiring.stores import open_reader, open_store
from fulltape.cli.wiring.venues import DEFAULT_VENUE, addresses, feeds, followed_venues, rest_opener, venue_keys

__all__ = [
    "DEFAULT_VENUE",
    "addresses",
    "alerts",
    "dashboard_directory",
    "feeds",
    "followed_venues",
    "history_runner",
    "listen",
    "log",
    "marks_path",
    "open_reader",
    "open_store",
    "pipeline",
    "recorded_book",
    "recorded_instruments",
    "recorder",
    "replay_runner",
    "replay_source",
    "rest_opener",
    "runner_config",
    "statistics",
    "supervisor",
    "target",
    "targets",
    "tokens_path",
    "topics",
    "venue_keys",
    "web_app",
]
