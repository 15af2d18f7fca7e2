"""Frames of a venue, and a pipeline with everything it has committed in plain memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from fulltape.clock import format_rfc3339
from fulltape.engine.pipeline import Outcome, Pipeline
from fulltape.engine.pipeline.statistics import StatisticConfig
from fulltape.operators.candle_plan import CandleConfig
from fulltape.records import CANDLES, TRADES, WINDOWS, Batch, Candle, InstrumentTable, Schema
from fulltape.records.frames import Chunk, Connection, EventKind, Item, SessionEvent
from fulltape.venues.coinbase import Coinbase

SECOND = 10**9
NOON = 1_618_660_800 * SECOND
CONNECTION = Connection("COINBASE-1", "COINBASE")
COINBASE = Coinbase()
MINUTES = CandleConfig(("1m",), quiet_from="1m")


def match(trade_id: int, time: int = NOON, *, symbol: str = "BTC-USD", price: str = "100", **fields: Any) -> bytes:
    """Return a trade as Coinbase sends it; ``side`` is the maker's."""
    frame = {
        "type": "match",
        "trade_id": trade_id,
        "maker_order_id": "2a0d",
        "taker_order_id": "3c82",
        "side": "sell",
        "size": "0.5",
        "price": price,
        "product_id": symbol,
        "sequence": trade_id,
        "time": format_rfc3339(time),
    }
    return msgspec.json.encode({**frame, **fields})


def beat(trade_id: int, time: int = NOON, symbol: str = "BTC-USD") -> bytes:
    """Return a heartbeat that names the last trade."""
    text = format_rfc3339(time)
    frame = {"type": "heartbeat", "sequence": 1, "last_trade_id": trade_id, "product_id": symbol, "time": text}
    return msgspec.json.encode(frame)


def confirmed(*symbols: str, channel: str = "matches") -> bytes:
    """Return the venue's confirmation of a subscription."""
    return msgspec.json.encode(
        {"type": "subscriptions", "channels": [{"name": channel, "product_ids": symbols or ("BTC-USD",)}]}
    )


def chunk(*payloads: bytes, at: int = NOON, connection: Connection = CONNECTION) -> Chunk:
    """Return frames that came together."""
    return Chunk(connection, list(payloads), [at] * len(payloads))


def up(at: int = NOON, connection: Connection = CONNECTION) -> SessionEvent:
    return SessionEvent(connection, EventKind.CONNECTED, at)


def down(at: int = NOON, connection: Connection = CONNECTION) -> SessionEvent:
    return SessionEvent(connection, EventKind.DISCONNECTED, at, "reset by peer")


class Machine:
    """A pipeline, and what came out of it: every batch by kind, candles by key, snapshots as a store keeps them."""

    def __init__(
        self,
        candles: CandleConfig = MINUTES,
        table: InstrumentTable | None = None,
        statistics: StatisticConfig | None = None,
    ) -> None:
        self.table = table or InstrumentTable()
        self._candles = candles
        self._statistics = statistics
        self.pipeline = Pipeline(self.table, lambda name: COINBASE, candles, statistics)
        self.batches: dict[str, list[Batch]] = {}
        self.snapshots: dict[str, dict[int, bytes]] = {}

    def step(self, *items: Item, clock: int = NOON) -> Outcome:
        """Run one step and keep what it makes."""
        outcome = self.pipeline.step(items, clock, Kept(self))
        for name, batch in outcome.batches.items():
            self.batches.setdefault(name, []).append(batch)
        for name, states in outcome.snapshots.items():
            self.snapshots.setdefault(name, {}).update(states)
        return outcome

    def restarted(self, clock: int) -> Machine:
        """Return a machine that goes on from what this one has kept."""
        other = Machine(self._candles, InstrumentTable(self.table), self._statistics)
        other.batches = {name: list(batches) for name, batches in self.batches.items()}
        other.snapshots = {name: dict(states) for name, states in self.snapshots.items()}
        other.pipeline.restore(self.snapshots, clock)
        return other

    def rows(self, kind: str) -> list[Any]:
        """Return every row of a kind; of kinds with one row a key, the last of each."""
        batches = self.batches.get(kind)
        if not batches:
            return []
        schema = batches[0].schema
        rows = [row for batch in batches for row in batch.rows(self.table)]
        return list({_key(row, schema.key): row for row in rows}.values()) if schema.latest else rows

    def candles(self) -> Mapping[tuple[str, str, int], Candle]:
        """Return candles by (instrument, interval, start)."""
        return {(row.instrument, row.interval, row.start): row for row in self.rows(CANDLES.name)}


class Kept:
    """What a machine has kept, as a history tells it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def trades(self, instrument: int, start: int, end: int) -> Batch:
        """Return the kept trades."""
        found = Batch.concat([TRADES.empty(), *self._machine.batches.get(TRADES.name, [])])
        time = found["event_time"]
        return found.take((found["instrument"] == instrument) & (time >= start) & (time < end))

    def candles(self, instrument: int, interval_s: int, start: int, end: int) -> Batch:
        """Return the kept candles."""
        found = CANDLES.from_rows(self._machine.rows(CANDLES.name), self._machine.table)
        inside = (found["start"] >= start) & (found["start"] < end)
        return found.take(inside & (found["instrument"] == instrument) & (found["interval"] == interval_s))

    def windows(self, instrument: int, start: int, end: int) -> Batch:
        """Return the kept windows."""
        found = WINDOWS.from_rows(self._machine.rows(WINDOWS.name), self._machine.table)
        inside = (found["start"] >= start) & (found["start"] < end)
        return found.take(inside & (found["instrument"] == instrument))

    def records(self, schema: Schema, instrument: int, start: int, end: int) -> Batch:
        """Return the kept records of a kind."""
        found = Batch.concat([schema.empty(), *self._machine.batches.get(schema.name, [])])
        time = found[schema.time]
        return found.take((found["instrument"] == instrument) & (time >= start) & (time < end))


def _key(row: Any, names: Iterable[str]) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in names)
