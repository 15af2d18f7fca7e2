"""``backfill``: a stretch of the venues' history into a database."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from fulltape.cli.output import tell, tell_simulated
from fulltape.clock import format_rfc3339
from fulltape.errors import ConfigError, TransientError

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from fulltape.engine.config import Config
    from fulltape.engine.history.archive import Archive
    from fulltape.engine.history.backfill import Wish
    from fulltape.engine.history.pager import Source
    from fulltape.records import Instrument, InstrumentTable
    from fulltape.stores.base import Store
    from fulltape.venues.base import Venue
    from fulltape.venues.rest import RestClient

_AGE: Final = re.compile(r"([1-9]\d{0,5})([smhdw])\Z", re.ASCII)
_GO_ON: Final = "what has come is kept; the same command goes on from here"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(backfill)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A venue that answers, and what it was asked for."""

    venue: Venue
    client: RestClient
    instruments: tuple[Instrument, ...]


def backfill(
    instruments: Annotated[list[str], typer.Argument(help="Such as BTC-USD.COINBASE.", metavar="INSTRUMENT...")],
    since: Annotated[str, typer.Option("--from", help="2026-10-01, 2026-10-01T12:00:00Z, or 30d for so long ago.")],
    until: Annotated[str, typer.Option("--to", help="In the same forms; now unless told.")] = "",
    interval: Annotated[str, typer.Option("--interval", help="Bars of this length.")] = "1m",
    trades: Annotated[bool, typer.Option("--trades", help="Every trade instead of bars.")] = False,
    db: Annotated[Path | None, typer.Option("--db", help="The database; fulltape.duckdb unless told.")] = None,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="A configuration: venues' addresses and candles count.")
    ] = None,
) -> None:
    """Fetch history from the venues. Run it again after a stop: what is stored already is not asked for."""
    from fulltape.cli.running import run
    from fulltape.clock import SystemClock
    from fulltape.engine.config import Config
    from fulltape.engine.history.backfill import Wish

    config = Config.load(config_file) if config_file else Config()
    if db is not None:
        config = msgspec.structs.replace(config, store=msgspec.structs.replace(config.store, path=str(db)))
    now = SystemClock().now_ns()
    wish = Wish(0 if trades else _length_s(interval), parse_moment(since, now), parse_moment(until or "0s", now))
    run(lambda stop: fetch(config, by_venue(instruments), wish, stop))


def parse_moment(text: str, now_ns: int) -> int:
    """Return the time (ns) of a day, an RFC 3339 time or an age such as ``30d``. Raises ConfigError."""
    from fulltape.clock import SECOND_NS, parse_when

    if text == "0s":
        return now_ns
    if match := _AGE.match(text):
        return now_ns - int(match[1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}[match[2]] * SECOND_NS
    try:
        return parse_when(text)
    except ValueError as error:
        raise ConfigError(f"{error}: use 2026-10-01, 2026-10-01T12:00:00Z, or 30d for so long ago") from None


def by_venue(instruments: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return instrument ids by the name of their venue. Raises ConfigError for what is no id, or of no venue."""
    from fulltape.records.instrument import is_instrument_id
    from fulltape.venues.registry import venue

    found: dict[str, tuple[str, ...]] = {}
    for text in dict.fromkeys(instruments):
        name = text.upper()
        if not is_instrument_id(name):
            raise ConfigError(f"not an instrument: {text!r} (they look like BTC-USD.COINBASE)")
        place = venue(name.rpartition(".")[2]).spec.name
        found[place] = (*found.get(place, ()), name)
    return found


def find_instruments(offered: Sequence[Instrument], wanted: Sequence[str]) -> tuple[Instrument, ...]:
    """Return the wanted instruments of those that a venue offers. Raises ConfigError that names the nearest ones."""
    known = {instrument.id: instrument for instrument in offered}
    for name in wanted:
        if name not in known:
            near = ", ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.6))
            venue = name.rpartition(".")[2]
            raise ConfigError(f"{venue} does not offer {name}" + (f"; did you mean {near}?" if near else ""))
    return tuple(known[name] for name in wanted)


def _length_s(interval: str) -> int:
    from fulltape.records.interval import parse_interval

    try:
        return parse_interval(interval)
    except ValueError as error:
        raise ConfigError(f"--interval: {error}") from None


async def fetch(config: Config, wanted: Mapping[str, tuple[str, ...]], wish: Wish, stop: asyncio.Event) -> None:
    """Fetch a wish for instruments, which are `by_venue`, and say what came of it; setting ``stop`` ends it early.

    Raises ConfigError for what a venue does not offer, TransientError when it fails too often, `typer.Exit` when
    stopped: in each case what has come is kept.
    """
    from fulltape.cli import wiring

    async with contextlib.AsyncExitStack() as stack:
        asked = [await _ask(config, name, ids, stack) for name, ids in wanted.items()]
        simulated = {one.client.simulated for one in asked}
        if len(simulated) > 1:
            raise ConfigError("some of these venues are simulated, others are not: fetch them into two databases")
        with wiring.open_store(Path(config.store.path), simulated=simulated.pop()) as store:
            if store.identity.simulated:
                tell_simulated()
            await _fetch_into(config, store, asked, wish, stop)


async def _ask(config: Config, name: str, ids: tuple[str, ...], stack: contextlib.AsyncExitStack) -> _Asked:
    """Ask a venue for its instruments. Raises ConfigError if one of ``ids`` is not among them."""
    from random import Random

    from fulltape.cli import wiring
    from fulltape.clock import SystemClock
    from fulltape.engine.config import VenueConfig
    from fulltape.venues.registry import venue

    followed = next((one for key, one in config.venues.items() if key.upper() == name), VenueConfig())
    source = venue(name)
    client = await stack.enter_async_context(
        wiring.rest_opener(source, followed, config.store, SystemClock(), Random())()
    )
    return _Asked(source, client, find_instruments(await client.fetch_instruments(source), ids))


async def _fetch_into(config: Config, store: Store, asked: Sequence[_Asked], wish: Wish, stop: asyncio.Event) -> None:
    """Run an engine that nothing but history enters, until it is all there or ``stop`` is set."""
    from fulltape.cli import wiring
    from fulltape.clock import SystemClock
    from fulltape.engine.history.archive import Archive
    from fulltape.engine.history.pager import Source

    runner, intake = wiring.history_runner(config, store)
    await runner.restore()
    learnt = [instrument for one in asked for instrument in one.instruments]
    codes = {instrument.id: runner.pipeline.table.add(instrument) for instrument in learnt}
    venues = [
        [
            Source(one.venue, each.venue_symbol, codes[each.id], one.client.get, SystemClock())
            for each in one.instruments
        ]
        for one in asked
    ]
    running = asyncio.create_task(runner.run())
    fetching = asyncio.create_task(_fetch(Archive(runner), venues, wish, runner.pipeline.table))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({running, fetching, stopped}, return_when=asyncio.FIRST_COMPLETED)
    fetching.cancel()
    stopped.cancel()
    outcome, _ = await asyncio.gather(fetching, stopped, return_exceptions=True)
    intake.close()
    await running
    if isinstance(outcome, asyncio.CancelledError):
        tell(f"stopped: {_GO_ON}", style="yellow")
        raise typer.Exit(130)
    if isinstance(outcome, TransientError):
        raise TransientError(f"{outcome}; {_GO_ON}") from outcome
    if isinstance(outcome, BaseException):
        raise outcome


async def _fetch(archive: Archive, venues: Sequence[Sequence[Source]], wish: Wish, table: InstrumentTable) -> None:
    """Fetch from the venues at once and of each venue one instrument after the other; show how far it is."""
    from fulltape.engine.history.backfill import possible

    jobs = [[(source, possible(source, wish)) for source in sources] for sources in venues]
    with _shown() as bars:

        async def one_venue(sources: Sequence[tuple[Source, Wish]]) -> list[str]:
            return [await _fetch_one(archive, *job, table[job[0].instrument].id, bars) for job in sources]

        outcomes = await asyncio.gather(*map(one_venue, jobs), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        for line in outcome:
            tell(line)


async def _fetch_one(archive: Archive, source: Source, wish: Wish, name: str, bars: Bars) -> str:
    """Fetch for one instrument and return what came of it, in words."""
    from fulltape.engine.history.backfill import Progress, backfill
    from fulltape.records.interval import format_interval

    kind = f"bars of {format_interval(wish.interval_s)}" if wish.interval_s else "trades"
    line, rows = bars.add_task(f"{name} {kind}", total=None, rows=0), 0

    def told(progress: Progress) -> None:
        nonlocal rows
        rows = progress.rows
        bars.update(line, total=progress.total, completed=progress.done, rows=rows)

    lacking = await backfill(archive, source, wish, told)
    words = f"{name}: {rows:,} {kind} came"
    if lacking:
        first, last = (format_rfc3339(time) for time in (lacking[-1][0], lacking[0][1]))
        words += f"; {source.venue.spec.name} does not have all between {first} and {last}"
    return words


def _shown() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))
