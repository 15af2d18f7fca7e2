"""A running API over a real store and a scripted market."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import httpx
import msgspec
import uvicorn
from tests.applications import APPLICATIONS
from websockets.asyncio.client import ClientConnection, connect

from fulltape.api.app import create_app
from fulltape.api.config import ApiConfig
from fulltape.api.server import server_config
from fulltape.books.l2 import Book
from fulltape.books.levels import Seen, levels_of
from fulltape.bus.base import Bus
from fulltape.bus.memory import MemoryBus
from fulltape.bus.topics import Topics
from fulltape.clock import SECOND_NS
from fulltape.records import (
    DEAD_LETTERS,
    STORED,
    AggressorSide,
    Alert,
    AlertKind,
    AlertState,
    Candle,
    CandleSource,
    Commit,
    Coverage,
    CoverageState,
    EmptyReason,
    Instrument,
    InstrumentTable,
    Last,
    Origin,
    Quote,
    QuoteSource,
    Trade,
)
from fulltape.records.delivery import Delivery, Receipt
from fulltape.records.interval import window_start
from fulltape.records.status import (
    EngineStatus,
    FeedState,
    FeedStatus,
    LogStatus,
    RecordingStatus,
    Status,
    TargetStatus,
    Wait,
)
from fulltape.stores.base import Reader, Sandbox
from fulltape.stores.duckdb import DuckDbStore

START_NS = 1_800_000_000 * SECOND_NS
BTC = "BTC-USD.COINBASE"
ETH = "ETH-USD.COINBASE"


def feed(name: str = "COINBASE-1", state: FeedState = FeedState.LIVE, detail: str = "") -> FeedStatus:
    return FeedStatus(
        name=name,
        venue="COINBASE",
        url="wss://example.test",
        state=state,
        detail=detail,
        simulated=False,
        since=START_NS,
        frames=10,
        bytes=1_000,
        reconnects=1,
        last_frame_age_s=0.5,
        channels=("trades",),
        instruments=(BTC,),
        stale_instruments=(),
    )


def engine(commit: int = 0, error: str = "", commit_wait: Wait | None = None) -> EngineStatus:
    return EngineStatus(
        commit=commit,
        clock=START_NS,
        lag_s=0.05,
        queued_frames=3,
        commit_ms=4.0,
        frames=100,
        records={"trades": 90},
        duplicates=2,
        gaps_open=1,
        missing_trades=5,
        late_trades=4,
        rejected={"malformed_json": 1},
        ignored={"subscriptions": 1},
        error=error,
        commit_wait=commit_wait,
        id_resets=6,
        stale_candles=7,
        early_trades=8,
        alerts_not_news=3,
    )


def target(name: str = "phone", **changes: Any) -> TargetStatus:
    row = TargetStatus(name=name, messages=4, alerts=9, failures=2, too_old=1, waiting=5, detail="")
    return msgspec.structs.replace(row, **changes)


def alert(number: int, instrument: str = BTC, **changes: Any) -> Alert:
    at = START_NS + number * SECOND_NS
    row = Alert(
        instrument, "fast_move", number, AlertKind.MOVE, AlertState.RAISED, "change_5m", 3.5, 3.0, "price 64000",
        Origin.LIVE, at, at,
    )  # fmt: skip
    return msgspec.structs.replace(row, **changes)


@dataclass
class FakeFollowing:
    """What is followed and offered, in the test's hand."""

    ids: set[str] = field(default_factory=set)
    offers: tuple[Instrument, ...] = ()
    error: Exception | None = None

    def followed(self) -> frozenset[str]:
        return frozenset(self.ids)

    def offered(self, name: str) -> tuple[Instrument, ...]:
        if self.error is not None:
            raise self.error
        return self.offers

    async def add(self, wishes: Sequence[str]) -> tuple[Instrument, ...]:
        if self.error is not None:
            raise self.error
        self.ids.update(wishes)
        return tuple(row for row in self.offers if row.id in wishes)

    async def remove(self, wishes: Sequence[str]) -> tuple[Instrument, ...]:
        if self.error is not None:
            raise self.error
        self.ids.difference_update(wishes)
        return tuple(row for row in self.offers if row.id in wishes)


@dataclass
class FakeBackend:
    """A backend whose store, bus and status are in the test's hand."""

    store: DuckDbStore
    bus: Bus = field(default_factory=MemoryBus)
    table: InstrumentTable = field(default_factory=InstrumentTable)
    following: FakeFollowing = field(default_factory=FakeFollowing)
    simulated: bool = False
    feeds: tuple[FeedStatus, ...] = field(default_factory=lambda: (feed(),))
    targets: tuple[TargetStatus, ...] = ()
    error: str = ""
    commit_wait: Wait | None = None
    number: int = 0
    reader_threads: set[int] = field(default_factory=set)
    readers_opened: int = 0
    break_instruments: bool = False
    break_reader: Exception | None = None
    clock: int = START_NS
    kafka: LogStatus | None = None
    recording: RecordingStatus | None = None
    topics: Topics | None = None
    delivered: list[Delivery] = field(default_factory=list)
    books: dict[int, Book] = field(default_factory=dict)

    def reader(self) -> Reader:
        if self.break_reader is not None:
            raise self.break_reader
        self.reader_threads.add(threading.get_ident())
        self.readers_opened += 1
        return self.store.reader()

    def sandbox(self) -> Sandbox:
        return self.store.sandbox()

    def instruments(self) -> tuple[Instrument, ...]:
        if self.break_instruments:
            raise ZeroDivisionError
        return tuple(self.table)

    async def deliver(self, delivery: Delivery) -> Receipt:
        self.delivered.append(delivery)
        return Receipt(sum(len(batch) for batch in delivery.batches if batch.schema is not DEAD_LETTERS), 1)

    async def look(self, code: int, count: int) -> Seen:
        found = self.books.get(code)
        return Seen(None if found is None else levels_of(found, count), self.number, self.clock)

    def now_ns(self) -> int:
        return self.clock

    def status(self) -> Status:
        return Status(
            version="1",
            simulated=self.simulated,
            started=START_NS,
            feeds=self.feeds,
            engine=engine(self.number, self.error, self.commit_wait),
            kafka=self.kafka,
            targets=self.targets,
            recording=self.recording,
        )

    def add(self, *ids: str) -> None:
        for text in ids:
            symbol, venue = text.split(".")
            base, quote = symbol.split("-")
            self.table.add(Instrument(text, venue, symbol, base, quote))

    def build(self, *rows: msgspec.Struct, clock: int | None = None) -> Commit:
        """Make the next commit from records of any kinds."""
        self.number += 1
        by_kind = {schema.record: schema for schema in STORED}
        batches = {}
        for record, schema in by_kind.items():
            mine = [row for row in rows if isinstance(row, record)]
            if mine:
                batches[schema.name] = schema.from_rows(mine, self.table)
        changes = self.table.take_changes()
        return Commit(self.number, clock or START_NS + self.number * SECOND_NS, batches, instruments=changes)

    async def commit(self, *rows: msgspec.Struct, clock: int | None = None) -> Commit:
        """Store a commit, then publish it, as the engine does."""
        commit = self.build(*rows, clock=clock)
        await asyncio.to_thread(self.store.commit, commit)
        await self.bus.publish(commit)
        return commit


class EmptyStores:
    """Open databases without a commit. What a test leaves without one, another test gets: to open one takes long."""

    def __init__(self, folder: Path, make_database: Callable[[Path], None]) -> None:
        self._folder = folder
        self._make_database = make_database
        self._count = 0
        self._empty: list[DuckDbStore] = []

    @contextmanager
    def lend(self) -> Iterator[DuckDbStore]:
        store = self._empty.pop() if self._empty else self._open()
        try:
            yield store
        except BaseException:
            store.close()
            raise
        if _is_empty(store):
            self._empty.append(store)
        else:
            store.close()

    def close(self) -> None:
        while self._empty:
            self._empty.pop().close()

    def _open(self) -> DuckDbStore:
        self._count += 1
        path = self._folder / f"{self._count}.duckdb"
        self._make_database(path)
        return DuckDbStore.open(path, simulated=False)


def _is_empty(store: DuckDbStore) -> bool:
    try:
        left = store.restore()
    except duckdb.ConnectionException:  # the test has closed it
        return False
    return (left.commit, left.clock, len(left.instruments), left.snapshots) == (0, 0, 0, {})


@contextmanager
def backend_over(stores: EmptyStores) -> Iterator[FakeBackend]:
    """Yield a backend over a database of its own, with two instruments and nothing committed."""
    with stores.lend() as store:
        backend = FakeBackend(store)
        backend.add(BTC, ETH)
        yield backend


def trade(number: int, instrument: str = BTC, *, time: int | None = None) -> Trade:
    at = START_NS + number * SECOND_NS if time is None else time
    side = AggressorSide.BUY if number % 2 else AggressorSide.SELL
    return Trade(instrument, str(number), 100.0 + number, 0.5, side, at, at + 1_000, Origin.LIVE)


def candle(start: int, instrument: str = BTC, interval: str = "1m", *, revision: int = 0, close: float = 2.0) -> Candle:
    return Candle(
        instrument, interval, start, 1.0, 3.0, 0.5, close, 10.0, 20.0, 2.0, 7, 4.0, revision, True, CandleSource.TRADES,
        EmptyReason.NONE,
    )  # fmt: skip


def quote(number: int, instrument: str = BTC, *, time: int | None = None) -> Quote:
    at = START_NS + number * SECOND_NS if time is None else time
    return Quote(instrument, 99.0 + number, 1.0, 101.0 + number, None, at, at, QuoteSource.TICKER)


def last(number: int, instrument: str = BTC) -> Last:
    at = START_NS + number * SECOND_NS
    return Last(
        instrument, str(number), 100.0 + number, 0.5, AggressorSide.BUY, at, 99.0, 1.0, 101.0, 1.0, at,
        None, None, None, None, at, at,
    )  # fmt: skip


def stretch(
    start: int,
    end: int | None,
    instrument: str = BTC,
    *,
    state: CoverageState = CoverageState.COMPLETE,
    first_missing: str = "",
) -> Coverage:
    return Coverage(
        instrument, "trades", start, end, state, "ids", 1 if first_missing else 0, first_missing, first_missing
    )


def minute(number: int) -> int:
    return int(window_start(START_NS, 60)) + number * 60 * SECOND_NS


@dataclass
class Api:
    """The application, called in this process without a socket."""

    http: httpx.AsyncClient

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query or None)


@dataclass
class Server(Api):
    """The application on a free port of this machine."""

    port: int

    def stream(self, *, name: str = "127.0.0.1", room: int | None = None, **options: Any) -> connect:
        """Connect to the stream under a host name, wherever it leads to; ``room`` is what the kernel keeps for us."""
        where: dict[str, Any] = {"host": "127.0.0.1", "port": self.port}
        if room is not None:
            plain = socket.socket()
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            plain.connect(("127.0.0.1", self.port))  # at once: the kernel answers
            where = {"sock": plain}
        patient = {"open_timeout": 120, "ping_timeout": None, **options}
        return connect(f"ws://{name}:{self.port}/api/v1/stream", proxy=None, **where, **patient)


@asynccontextmanager
async def call(backend: FakeBackend, *, static_dir: Path | None = None, **config: Any) -> AsyncIterator[Api]:
    app = create_app(backend, static_dir=static_dir, config=ApiConfig(**config))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]
    started, stop = asyncio.Event(), asyncio.Event()

    async def live() -> None:  # in a task of its own: its cancel scope must end where it began
        async with app.lifespan():
            started.set()
            await stop.wait()

    task = asyncio.create_task(live())
    await started.wait()
    async with httpx.AsyncClient(base_url="http://localhost", transport=transport, trust_env=False) as http:
        yield Api(http)
    stop.set()
    await task
    APPLICATIONS.free(app)


@asynccontextmanager
async def serve(backend: FakeBackend, *, port: int = 0, **config: Any) -> AsyncIterator[Server]:
    api_config = ApiConfig(**config)
    app = create_app(backend, static_dir=None, config=api_config)
    server = uvicorn.Server(server_config(app, host="127.0.0.1", port=port, config=api_config))
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(120):
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False, verify=False
    ) as http:
        yield Server(http, port)
    server.should_exit = True
    async with asyncio.timeout(120):
        await task
    APPLICATIONS.free(app)


async def subscribe(socket: ClientConnection, *kinds: str, **options: Any) -> None:
    request = {"op": "subscribe", "instruments": [BTC], "kinds": list(kinds), **options}
    await socket.send(msgspec.json.encode(request).decode())


async def receive(socket: ClientConnection, kind: str | None = None) -> dict[str, Any]:
    """Return the next message, or the next of a kind."""
    async with asyncio.timeout(120):
        while True:
            message: dict[str, Any] = msgspec.json.decode(await socket.recv())
            if kind is None or message["type"] == kind:
                return message
