"""``replay``: a database out of recordings, through the very code that live data goes through."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fulltape.cli.output import tell, tell_simulated
from fulltape.errors import ConfigError, MalformedFrame

if TYPE_CHECKING:
    from fulltape.capture.line import Line
    from fulltape.capture.replayer import ReplayReport, ReplaySource
    from fulltape.engine.config import Config
    from fulltape.records.status import EngineStatus
    from fulltape.stores.base import Store

_SHOWN_PROBLEMS = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)


def replay(
    files: Annotated[list[str], typer.Argument(help="Recordings: files, folders or patterns.", metavar="FILE...")],
    db: Annotated[Path, typer.Option("--db", help="The database to write; made if it does not exist.")],
    speed: Annotated[str, typer.Option("--speed", help="max, or a multiple of the recorded pace: 1, 10 ...")] = "max",
    venue: Annotated[str | None, typer.Option("--venue", help="Whose recording it is, if it does not say.")] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="A configuration: its candles and engine sections count.")
    ] = None,
) -> None:
    """Replay recordings into a database."""
    from fulltape.capture.reader import are_simulated, find_recordings
    from fulltape.cli import wiring
    from fulltape.cli.running import run
    from fulltape.engine.config import Config

    config = Config.load(config_file) if config_file else Config()
    paths = find_recordings(files)
    source = wiring.replay_source(paths, venue_name=venue, speed=parse_speed(speed))

    async def work(stop: asyncio.Event) -> None:
        with wiring.open_store(db, simulated=are_simulated(paths)) as store:
            report, status = await replay_into(config, source, store, stop)
            _tell_outcome(report, status, is_simulated=store.identity.simulated)

    run(work)


def parse_speed(text: str) -> float | None:
    """Return a multiple of the recorded pace, None for ``max``. Raises ConfigError for anything else."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ConfigError(f"--speed {text}: use max, or a number above 0 such as 1 or 10")
    return speed


async def replay_into(
    config: Config, source: ReplaySource, store: Store, stop: asyncio.Event
) -> tuple[ReplayReport, EngineStatus]:
    """Replay into ``store`` until the recording ends or ``stop`` is set; what was fed until then is committed."""
    from fulltape.capture.reader import Problem
    from fulltape.capture.replayer import Replayer
    from fulltape.cli import wiring
    from fulltape.clock import SystemClock
    from fulltape.records.frames import Listing

    def take_http(path: Path, line: Line) -> bytes | None:
        try:
            instruments = wiring.recorded_instruments(line)
        except MalformedFrame as error:
            replayer.report.add(Problem(Path(line.url), 0, "bad answer", str(error)))
            return None
        if instruments:
            intake.listing(Listing(tuple(instruments), line.ingest_time))
        return wiring.recorded_book(path, line)

    runner, intake = wiring.replay_runner(config, store)
    replayer = Replayer(source, intake, take_http, clock=SystemClock())
    await runner.restore()
    committing = asyncio.create_task(runner.run())
    feeding = asyncio.create_task(replayer.run())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({committing, feeding, stopped}, return_when=asyncio.FIRST_COMPLETED)
    feeding.cancel()
    stopped.cancel()
    await asyncio.gather(feeding, stopped, return_exceptions=True)
    intake.close()
    await committing
    return replayer.report, runner.status(replayer.report.last_time)


def _tell_outcome(report: ReplayReport, status: EngineStatus, *, is_simulated: bool) -> None:
    for problem in list(dict.fromkeys(map(str, report.problems)))[:_SHOWN_PROBLEMS]:
        tell(problem, style="yellow")
    if report.unusable:
        counts = ", ".join(f"{reason}: {count:,}" for reason, count in report.unusable.items())
        tell(f"left out: {counts}", style="yellow")
    if not report.frames:
        raise ConfigError(_why_nothing(report))
    if is_simulated:
        tell_simulated()
    made = ", ".join(f"{count:,} {kind}" for kind, count in status.records.items())
    tell(f"{report.frames:,} frames became {made or 'no records'} (counted each time they changed)")


def _why_nothing(report: ReplayReport) -> str:
    from fulltape.venues.registry import VENUES

    if "unknown venue" not in report.unusable:
        return "the recordings hold no frame that was received: there is nothing to replay"
    return f"no frame of a venue that fulltape knows: if it is one of {', '.join(sorted(VENUES))}, name it with --venue"
