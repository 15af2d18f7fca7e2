"""``sim``: simulated venues by themselves, for trying out fulltape, clients and faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fulltape.cli.output import tell, tell_simulated
from fulltape.errors import ConfigError

if TYPE_CHECKING:
    from fulltape.sim.server import SimServer

_HEAD: Final = "# Written by `fulltape sim`: every price here is made up."
_HISTORY_S: Final = 300.0
_HISTORY_OF_EACH_S: Final = 60.0  # of several venues, so that they start in a few seconds


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sim)


def sim(  # noqa: PLR0913, PLR0917 - a parameter for each option
    port: Annotated[int, typer.Option("--port", help="For WebSocket; the next one is REST. 0 takes free ones.")] = 9100,
    venues: Annotated[
        str, typer.Option("--venues", help="Which protocols to speak, separated by commas, or all.")
    ] = "coinbase",
    symbols: Annotated[list[str] | None, typer.Option("--symbol", help="Such as BTC-USD; all unless named.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same market.")] = 1,
    trades_per_s: Annotated[float, typer.Option("--trades-per-s", help="At each venue, over its instruments.")] = 50.0,
    past_days: Annotated[float, typer.Option("--past-days", help="Of bars before the start.")] = 1.0,
    faults: Annotated[str, typer.Option("--faults", help="Such as drop=0.01,delay_ms=20,hang.")] = "",
    config_out: Annotated[
        Path | None, typer.Option("--config-out", help="Write a configuration that follows these venues.")
    ] = None,
) -> None:
    """Run simulated venues on real sockets until Ctrl-C."""
    from fulltape.cli.running import run
    from fulltape.sim.faults import parse_faults
    from fulltape.sim.server import SimConfig, serve

    named = tuple(name.strip() for name in venues.lower().split(","))
    config = SimConfig(
        venues=named,
        symbols=tuple(symbols or ()),
        port=port,
        seed=seed,
        trades_per_s=trades_per_s,
        past_days=past_days,
        history_s=_HISTORY_S if named == ("coinbase",) else _HISTORY_OF_EACH_S,
        faults=parse_faults(faults),
    )
    if config_out is not None:
        _check_ours(config_out)

    def announce(server: SimServer) -> None:
        _announce(server)
        if config_out is not None:
            _write(config_out, configuration(server))
            tell(f"now run   fulltape up --config {config_out}", style="bold green")

    run(lambda stop: serve(config, stop, announce))


def configuration(server: SimServer) -> str:
    """Return a configuration that follows simulated venues, in a database of its own."""
    lines = [_HEAD, "[store]", 'path = "fulltape-sim.duckdb"', "simulated = true"]
    for name, venue in server.venues.items():
        lines += [
            "",
            f"[venues.{name}]",
            f"url = {json.dumps(venue.ws_url)}",
            f"rest_url = {json.dumps(venue.rest_url)}",
        ]
    return "\n".join(lines) + "\n"


def _check_ours(path: Path) -> None:
    """Raise ConfigError rather than write over what somebody else wrote."""
    if path.exists() and not (path.is_file() and path.read_bytes().startswith(_HEAD.encode())):
        raise ConfigError(f"{path}: was not written by `fulltape sim`: name another file")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def _announce(server: SimServer) -> None:
    tell_simulated()
    for name, venue in server.venues.items():
        tell(f"{name}\n  WebSocket {venue.ws_url}\n  REST      {venue.rest_url}")
    tell(f"faults    token {server.token}")
