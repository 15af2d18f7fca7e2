"""``sim``: a simulated venue by itself, for trying out clients and faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fulltape.cli.output import tell, tell_simulated

if TYPE_CHECKING:
    from fulltape.sim.server import SimServer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sim)


def sim(
    port: Annotated[int, typer.Option("--port", help="For WebSocket; the next one is REST. 0 takes free ones.")] = 9100,
    venues: Annotated[
        str, typer.Option("--venues", help="Which protocols to speak, separated by commas, or all.")
    ] = "coinbase",
    symbols: Annotated[list[str] | None, typer.Option("--symbol", help="Such as BTC-USD; all unless named.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same market.")] = 1,
    trades_per_s: Annotated[float, typer.Option("--trades-per-s", help="Over all instruments.")] = 50.0,
    past_days: Annotated[float, typer.Option("--past-days", help="Of bars before the start.")] = 1.0,
    faults: Annotated[str, typer.Option("--faults", help="Such as drop=0.01,delay_ms=20,hang.")] = "",
) -> None:
    """Run a simulated venue on real sockets until Ctrl-C."""
    from fulltape.cli.running import run
    from fulltape.sim.faults import parse_faults
    from fulltape.sim.server import SimConfig, serve

    config = SimConfig(
        venues=tuple(venues.split(",")),
        symbols=tuple(symbols or ()),
        port=port,
        seed=seed,
        trades_per_s=trades_per_s,
        past_days=past_days,
        faults=parse_faults(faults),
    )
    run(lambda stop: serve(config, stop, _announce))


def _announce(server: SimServer) -> None:
    tell_simulated()
    for name, venue in server.venues.items():
        tell(f"{name}\n  WebSocket {venue.ws_url}\n  REST      {venue.rest_url}")
    tell(f"faults    token {server.token}")
