"""``token create``, ``token list`` and ``token revoke``: who may write, and read where reading is closed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from fulltape.api.tokens import Scope
from fulltape.cli.output import tell

if TYPE_CHECKING:
    from fulltape.api.tokens import TokenFile

VARIABLE: Final = "FULLTAPE_TOKEN"
"""The environment variable from which the commands that talk to a running fulltape take their token."""

Database = Annotated[Path | None, typer.Option("--db", help="The database; fulltape.duckdb unless told.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="The configuration that fulltape runs with.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Tokens for the API.", no_args_is_help=True)
    group.command()(create)
    group.command("list")(show)
    group.command()(revoke)
    app.add_typer(group, name="token")


def token_header(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the header with the environment's token for a running fulltape, none if it has no token."""
    secret = environment.get(VARIABLE, "").strip()
    return {"Authorization": f"Bearer {secret}"} if secret else {}


def create(
    scope: Annotated[Scope, typer.Option("--scope", help="What it allows; each includes those before it.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call it; by its scope unless told.")] = None,
    db: Database = None,
    config_file: ConfigFile = None,
) -> None:
    """Make a token and print its secret, which nobody can see again."""
    from fulltape.api.tokens import Token, hash_of, new_secret
    from fulltape.clock import SystemClock, format_rfc3339

    file = _file(db, config_file)
    secret = new_secret()
    token = Token(name or str(scope), scope, hash_of(secret), format_rfc3339(SystemClock().now_ns()))
    file.add(token)
    typer.echo(secret)
    tell(
        f"token {token.name!r} of scope {scope} is in {file.path} as a hash: its secret is shown only this once. "
        f"Send it as `Authorization: Bearer ...`; commands take it from {VARIABLE}."
    )


def show(db: Database = None, config_file: ConfigFile = None) -> None:
    """Print every token's name, scope and age; secrets are not kept."""
    from rich.table import Table

    from fulltape.cli.output import print_whole

    table = Table("name", "scope", "created", box=None)
    for token in _file(db, config_file).load():
        table.add_row(token.name, token.scope, token.created)
    print_whole(table, sys.stdout)


def revoke(
    name: Annotated[str, typer.Argument(help="The token's name.")],
    db: Database = None,
    config_file: ConfigFile = None,
) -> None:
    """Make a token worthless, at once, for a running fulltape too."""
    file = _file(db, config_file)
    file.remove(name)
    tell(f"token {name!r} is worthless now")


def _file(db: Path | None, config_file: Path | None) -> TokenFile:
    import msgspec

    from fulltape.api.tokens import TokenFile
    from fulltape.cli.wiring import tokens_path
    from fulltape.engine.config import Config

    config = Config.load(config_file) if config_file else Config()
    if db is not None:
        config = msgspec.structs.replace(config, store=msgspec.structs.replace(config.store, path=str(db)))
    return TokenFile(tokens_path(config))
