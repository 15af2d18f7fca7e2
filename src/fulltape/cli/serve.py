"""``up`` and ``record``: everything in one process, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from fulltape.cli.output import tell, tell_simulated
from fulltape.errors import ConfigError

if TYPE_CHECKING:
    from fulltape.engine.config import Config

_ANSWER_S = 5.0
_SLOW_S = 2.0
_OTHER_FILES = 300  # the database and what it spills, recordings, the sockets of venues

ConfigFile = Annotated[Path | None, typer.Option("--config", help="A configuration file.")]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65_535, help="For the dashboard; 8000 unless told.")]
Database = Annotated[Path | None, typer.Option("--db", help="The database; fulltape.duckdb unless told.")]
Live = Annotated[bool, typer.Option("--live", help="Never simulate, however long the venue is silent.")]
Kafka = Annotated[str, typer.Option("--kafka", help="Publish to these brokers, such as 127.0.0.1:9092.")]
Sim = Annotated[bool, typer.Option("--sim", help="Follow the simulated venue.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(record)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start: with a simulated venue beside it, or with one if no venue answers."""

    config: Config
    simulate: bool
    may_simulate: bool
    file: Path | None = None
    """Where the configuration was read from, and is read again on SIGHUP."""


def up(
    config_file: ConfigFile = None,
    port: Port = None,
    db: Database = None,
    live: Live = False,
    sim: Sim = False,
    kafka: Kafka = "",
) -> None:
    """Capture, store and show: follow the venues until Ctrl-C."""
    chosen = plan(config_file, port, db, live=live, sim=sim)
    _start(replace(chosen, config=with_brokers(chosen.config, kafka)))


def record(
    directory: Annotated[Path, typer.Option("--directory", help="Where the raw frames go.")] = Path("captures"),
    config_file: ConfigFile = None,
    port: Port = None,
    db: Database = None,
    sim: Sim = False,
) -> None:
    """Do what `up` does, and keep the raw frames for `replay`."""
    chosen = plan(config_file, port, db, live=not sim, sim=sim)
    capture = msgspec.structs.replace(chosen.config.capture, enabled=True, directory=str(directory))
    config = msgspec.structs.replace(chosen.config, capture=capture)
    _start(replace(chosen, config=config))


def plan(config_file: Path | None, port: int | None, db: Path | None, *, live: bool, sim: bool) -> Plan:
    """Return what the options ask for. Raises ConfigError for a contradiction or a bad configuration."""
    from fulltape.engine.config import Config

    if live and sim:
        raise ConfigError("--live and --sim contradict each other: leave one out")
    if config_file is not None and sim:
        raise ConfigError("a configuration names real venues: leave out --config or --sim")
    config = Config.load(config_file) if config_file else Config()
    if port is not None:
        config = msgspec.structs.replace(config, server=msgspec.structs.replace(config.server, port=port))
    if db is None and sim:
        db = simulated_path(config.store.path)
    if db is not None:
        config = msgspec.structs.replace(config, store=msgspec.structs.replace(config.store, path=str(db)))
    return Plan(config, sim, may_simulate=not (live or sim or config_file), file=config_file)


def with_brokers(config: Config, servers: str) -> Config:
    """Return the configuration with other Kafka brokers, named with commas between; as it is if none is named."""
    if not servers:
        return config
    bootstrap = tuple(one.strip() for one in servers.split(","))
    changed = msgspec.structs.replace(config, kafka=msgspec.structs.replace(config.kafka, bootstrap=bootstrap))
    changed.check()
    return changed


def simulated_path(path: str) -> Path:
    """Return where simulated prices go instead: ``fulltape.duckdb`` becomes ``fulltape-sim.duckdb``."""
    return Path(path).with_stem(Path(path).stem + "-sim")


def _start(chosen: Plan) -> None:
    from fulltape.cli.running import heeding_ctrl_c, run
    from fulltape.cli.warmup import warm_up
    from fulltape.cli.wiring import listen

    server = chosen.config.server
    # First of all: a port in use is told before anything is touched.
    with contextlib.closing(listen(server.host, server.port)) as listening:
        notice = threading.Timer(_SLOW_S, tell, ["Compiling the kernels, once after each installation ..."])
        notice.daemon = True
        notice.start()
        try:
            with heeding_ctrl_c():
                warm_up(chosen.config)
        finally:
            notice.cancel()
        run(lambda stop: serve(chosen, listening, stop))


async def serve(chosen: Plan, listening: socket.socket, stop: asyncio.Event) -> None:
    """Start everything and run until ``stop``. Raises FulltapeError when it cannot, or must not go on."""
    async with _sources(chosen, stop) as config:
        if not stop.is_set():
            await _run(config, chosen.file, listening, stop)


@contextlib.asynccontextmanager
async def _sources(chosen: Plan, stop: asyncio.Event) -> AsyncIterator[Config]:
    """Yield the configuration to run, with the simulated venue beside it if that is what is followed."""
    from fulltape.sim.server import SimConfig, SimServer

    config, simulate = chosen.config, chosen.simulate
    if chosen.may_simulate and not await _anybody_answers(config, stop):
        simulate = True
        store = msgspec.structs.replace(config.store, path=str(simulated_path(config.store.path)))
        config = msgspec.structs.replace(config, store=store)
    if not simulate:
        yield config
        return
    async with SimServer(SimConfig()) as venue:
        yield _follow_simulated(config, venue.ws_url, venue.rest_url)


def _follow_simulated(config: Config, ws_url: str, rest_url: str) -> Config:
    from fulltape.cli.wiring import DEFAULT_VENUE
    from fulltape.engine.config import VenueConfig

    return msgspec.structs.replace(
        config,
        store=msgspec.structs.replace(config.store, simulated=True),
        venues={DEFAULT_VENUE: VenueConfig(url=ws_url, rest_url=rest_url)},
    )


async def _anybody_answers(config: Config, stop: asyncio.Event) -> bool:
    from random import Random

    from fulltape.cli.probe import answers
    from fulltape.cli.wiring import followed_venues
    from fulltape.clock import SystemClock

    asking = [
        asyncio.create_task(answers(venue, followed, clock=SystemClock(), random=Random(), timeout_s=_ANSWER_S))
        for venue, followed in followed_venues(config)
    ]
    stopped = asyncio.create_task(stop.wait())
    try:
        for answer in asyncio.as_completed([*asking, stopped]):
            if await answer:
                return True
            if all(task.done() for task in asking):
                break
    finally:
        for task in (*asking, stopped):
            task.cancel()
        await asyncio.gather(*asking, stopped, return_exceptions=True)
    tell(
        f"No venue answers within {_ANSWER_S:g} s. Starting the simulated venue instead (--live waits for a real one)."
    )
    return False


async def _run(config: Config, file: Path | None, listening: socket.socket, stop: asyncio.Event) -> None:
    from fulltape.api.server import server_config
    from fulltape.cli import wiring
    from fulltape.cli.reloading import Reloader, reloading_on_hangup
    from fulltape.cli.running import more_files
    from fulltape.cli.web import WebServer

    def announce() -> None:
        if config.store.simulated:
            tell_simulated()
        host, port = listening.getsockname()[:2]
        tell(
            f"fulltape runs: http://{host}:{port}   database {config.store.path}   Ctrl-C stops it", style="bold green"
        )

    with wiring.open_store(Path(config.store.path), simulated=config.store.simulated) as store:
        recorder = wiring.recorder(config.capture)
        engine = wiring.supervisor(config, store, recorder)
        app, api = wiring.web_app(engine, config)
        if (files := more_files(api.max_connections + _OTHER_FILES)) < api.max_connections + _OTHER_FILES:
            tell(f"Only {files} files may be open at once: raise `ulimit -n`, or many clients keep new ones out.")
        web = WebServer(server_config(app, host=config.server.host, port=0, config=api), announce)
        reloader = Reloader(file, config, lambda changed: engine.renew(wiring.feeds(changed, recorder)))
        running = asyncio.create_task(engine.run())
        serving = asyncio.create_task(web.serve(sockets=[listening]))
        stopped = asyncio.create_task(stop.wait())
        with reloading_on_hangup(reloader):
            await asyncio.wait({running, serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        web.should_exit = True
        running.cancel()
        stopped.cancel()
        for result in await asyncio.gather(running, serving, stopped, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
