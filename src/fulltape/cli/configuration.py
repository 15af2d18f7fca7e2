"""``config sample`` and ``config check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fulltape.cli.output import tell


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="The configuration file.", no_args_is_help=True)
    group.command()(sample)
    group.command()(check)
    app.add_typer(group, name="config")


def sample(
    profile: Annotated[str, typer.Option("--profile", help="A ready one instead, such as coinbase-grafana.")] = "",
) -> None:
    """Print a commented configuration that holds every default, or one that does what an older system did."""
    from fulltape.engine import config, profiles

    typer.echo(profiles.text(profile) if profile else config.sample(), nl=False)


def check(file: Annotated[Path, typer.Argument(help="The file to check.")] = Path("fulltape.toml")) -> None:
    """Say whether a configuration can be used here, without connecting to anything."""
    import os

    from fulltape.cli.wiring import targets
    from fulltape.engine.config import Config

    targets(Config.load(file), os.environ)
    tell(f"{file} is fine", style="green")
