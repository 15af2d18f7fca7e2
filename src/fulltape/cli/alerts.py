"""``alerts list`` and ``alerts test``: what was raised, and whether a target can be told."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fulltape.cli.calling import HERE, Url
from fulltape.cli.output import Format, print_rows, tell, tell_simulated
from fulltape.errors import ConfigError, did_you_mean

ConfigFile = Annotated[Path, typer.Option("--config", help="The configuration that names the target.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Alerts of a running fulltape.", no_args_is_help=True)
    group.command("list")(show)
    group.command()(test)
    app.add_typer(group, name="alerts")


def show(
    instrument: Annotated[str | None, typer.Argument(help="Such as BTC-USD.COINBASE; all if none is named.")] = None,
    active: Annotated[bool, typer.Option("--active", help="Only those that go on.")] = False,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000, help="How many at most.")] = 50,
    url: Url = HERE,
    form: Annotated[Format, typer.Option("--format", help="How to print them.")] = Format.TABLE,
) -> None:
    """Print the newest alerts of a running fulltape, the newest first."""
    from fulltape.cli.calling import call

    query: dict[str, Any] = {"order": "desc", "limit": count} | ({"instrument": instrument} if instrument else {})
    answer = call("GET", url, "alerts/active") if active else call("GET", url, "alerts", params=query)
    rows = [row for row in answer["alerts"] if instrument is None or row["instrument"] == instrument][:count]
    if answer["simulated"]:
        tell_simulated()
    print_rows(_table(rows, form), form, sys.stdout)


def test(
    name: Annotated[str, typer.Argument(help="The target, by what follows `notify.` in the configuration.")],
    config_file: ConfigFile = Path("fulltape.toml"),
) -> None:
    """Send a test message to a target, or say what is wrong with it."""
    from fulltape.cli.wiring import target
    from fulltape.engine.config import Config

    known = Config.load(config_file).notify
    if name not in known:
        raise ConfigError(f"{config_file}: there is no [notify.{name}]{did_you_mean(name, known)}")
    told = target(name, known[name], os.environ)
    told.messenger.send("fulltape: a test", "This target will be told of alerts.")
    tell(f"{name} took the message", style="green")


def _table(rows: list[dict[str, Any]], form: Format) -> Any:
    """Return alerts as a table: on a screen what a person needs, else everything."""
    import pyarrow as pa

    from fulltape.records import ALERTS

    names = [column.name for column in ALERTS.columns]
    if form is Format.TABLE:
        names = ["ingest_time", "state", "kind", "rule", "instrument", "figure", "value", "threshold", "detail"]
        rows = [row | {"value": None if row["value"] is None else float(f"{row['value']:.6g}")} for row in rows]
    return pa.table({name: [row[name] for row in rows] for name in names})
