from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fulltape.capture.reader import are_simulated
from fulltape.cli import wiring
from fulltape.cli.replay import replay_into
from fulltape.engine.config import Config, EngineConfig
from fulltape.records import STORED
from fulltape.records.codec import to_dicts
from fulltape.stores.base import Selection

Tables = dict[str, list[dict[str, Any]]]


async def tables_of(paths: Sequence[Path], db: Path, engine: EngineConfig, speed: float | None) -> Tables:
    """Replay into a new database and return every row of every table, as JSON holds them."""
    config = msgspec.structs.replace(Config(), engine=engine)
    source = wiring.replay_source(paths, venue_name=None, speed=speed)
    with wiring.open_store(db, simulated=are_simulated(paths)) as store:
        report, status = await replay_into(config, source, store, asyncio.Event())
        assert (report.unusable, status.error) == ({}, "")
        codes = store.restore().instruments
        reader = store.reader()
        tables = {schema.name: to_dicts(reader.read(Selection(schema)), codes) for schema in STORED}
        reader.close()
    decoded: Tables = json.loads(msgspec.json.encode(tables))
    return decoded


@pytest.fixture
def replayed(tmp_path: Path) -> Callable[..., Tables]:
    """Replay recordings; every call writes a database of its own."""
    count = 0

    def replay(*paths: Path, engine: EngineConfig | None = None, speed: float | None = None) -> Tables:
        nonlocal count
        count += 1
        db = tmp_path / f"{count}.duckdb"
        return asyncio.run(tables_of(paths, db, engine or EngineConfig(), speed))

    return replay
