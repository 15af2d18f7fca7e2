"""``import``: records that people bring, through the very code that live data goes through."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fulltape.cli.output import tell, tell_simulated
from fulltape.errors import ConfigError
from fulltape.imports.kinds import Kind

if TYPE_CHECKING:
    from fulltape.engine.config import Config
    from fulltape.imports.bringing import Bringing
    from fulltape.records.delivery import Delivery, Receipt
    from fulltape.stores.base import Store

_SHOWN_ERRORS: Final = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(bring)


def bring(  # noqa: PLR0913, PLR0917 - a parameter for each option
    files: Annotated[
        list[Path], typer.Argument(help="CSV, Parquet, NDJSON, JSON or Arrow files.", metavar="FILE...", dir_okay=False)
    ],
    db: Annotated[Path, typer.Option("--db", help="The database to write; made if it does not exist.")] = Path(
        "fulltape.duckdb"
    ),
    kind: Annotated[Kind, typer.Option("--kind", help="What the rows are.")] = Kind.TRADES,
    instrument: Annotated[
        str | None, typer.Option("--instrument", help="What all rows are of, if they do not say.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option("--map", help="A column by another name: event_time=w_time.", metavar="FIELD=COLUMN"),
    ] = None,
    constants: Annotated[
        list[str] | None, typer.Option("--set", help="The same for all rows: size=1.", metavar="FIELD=VALUE")
    ] = None,
    ignored: Annotated[
        list[str] | None, typer.Option("--ignore", help="A column of no interest.", metavar="COLUMN")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Write the good rows although some are bad.")] = False,
    config_file: Annotated[
        Path | None, typer.Option("--config", help="A configuration: its candles and engine sections count.")
    ] = None,
) -> None:
    """Add records from files to a database, all rows of all files or none."""
    from fulltape.cli.running import run
    from fulltape.clock import SystemClock
    from fulltape.engine.config import Config
    from fulltape.imports.bringing import Bringing
    from fulltape.imports.files import open_source
    from fulltape.imports.form import KINDS, Form, pairs

    config = Config.load(config_file) if config_file else Config()
    fixed = pairs(constants or ())
    if instrument is not None:
        fixed["instrument"] = instrument
    form = Form(KINDS[kind], SystemClock().now_ns(), pairs(columns or ()), fixed, frozenset(ignored or ()))
    brought = {file: Bringing(form, partial(open_source, file)) for file in files}
    for file, source in brought.items():
        _survey(file, source, skip_bad=skip_bad)
    run(lambda stop: _write(config, db, list(brought.values()), stop))


def _survey(file: Path, source: Bringing, *, skip_bad: bool) -> None:
    """Check every row before the database is touched. Raises ConfigError for bad ones unless they are left out."""
    survey = source.check()
    for error in survey.errors[:_SHOWN_ERRORS]:
        tell(f"{file}: {error}", style="yellow")
    if survey.bad and not skip_bad:
        raise ConfigError(
            f"{file}: {survey.bad:,} of {survey.bad + survey.good:,} rows are bad; nothing was written: mend them, or "
            "leave them out with --skip-bad"
        )
    if not survey.good:
        raise ConfigError(f"{file}: there is nothing in it to import")


def _open(db: Path, *, is_simulated: bool) -> Store:
    """Open the database; made-up prices go into none of live ones, and mark a new one.

    Raises ConfigError that names the other way in when a running fulltape has it.
    """
    from fulltape.cli import wiring

    try:
        return wiring.open_store(db, simulated=True if is_simulated else None)
    except ConfigError as error:
        if "in use by" not in str(error):
            raise
        raise ConfigError(f"{error}; or send the files to it: POST /api/v1/records, see docs/importing.md") from None


async def _write(config: Config, db: Path, brought: Sequence[Bringing], stop: asyncio.Event) -> None:
    with _open(db, is_simulated=any(one.survey.is_simulated for one in brought)) as store:
        deliveries = (delivery for one in brought for delivery in one.deliveries())
        receipt = await import_into(config, store, deliveries, stop)
        if store.identity.simulated:
            tell_simulated()
    bad = sum(one.survey.bad for one in brought)
    left_out = f", {bad:,} bad rows are in dead_letters" if bad else ""
    known = f", {receipt.duplicates:,} were there already" if receipt.duplicates else ""
    tell(f"{receipt.stored:,} records are in {db}{known}{left_out}")
    if stop.is_set():
        raise ConfigError("stopped before the end: import the same files again, what is there already is left out")


async def import_into(config: Config, store: Store, deliveries: Iterator[Delivery], stop: asyncio.Event) -> Receipt:
    """Put deliveries into ``store``, a commit each, until they end or ``stop`` is set; return what became of them."""
    from fulltape.cli import wiring
    from fulltape.records.delivery import Receipt

    runner, intake = wiring.replay_runner(config, store)
    await runner.restore()
    running = asyncio.create_task(runner.run())
    receipt = Receipt()
    try:
        while not stop.is_set() and (delivery := await asyncio.to_thread(next, deliveries, None)) is not None:
            receipt += await runner.commit(delivery)
    finally:
        intake.close()
        await running
    return receipt
