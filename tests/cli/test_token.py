from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fulltape.api.tokens import Keyring, Scope, hash_of
from fulltape.cli.token import token_header

Run = Callable[..., Any]


def test_a_token_is_made_listed_and_revoked(run: Run, tmp_path: Path) -> None:
    db = str(tmp_path / "some.duckdb")
    keyring = Keyring(tmp_path / "fulltape-tokens.json")
    made = run("token", "create", "--scope", "write", "--name", "upload", "--db", db)
    secret = made.out.strip()
    assert (made.code, keyring.scope_of_hash(hash_of(secret))) == (0, Scope.WRITE)
    assert secret not in made.err

    listed = run("token", "list", "--db", db)
    assert listed.out.split()[:5] == ["name", "scope", "created", "upload", "write"]
    assert secret not in listed.out

    revoked = run("token", "revoke", "upload", "--db", db)
    assert (revoked.code, revoked.err) == (0, "token 'upload' is worthless now\n")
    assert keyring.scope_of_hash(hash_of(secret)) is None


def test_without_a_name_it_is_called_by_its_scope_once(run: Run, tmp_path: Path) -> None:
    db = str(tmp_path / "some.duckdb")
    assert run("token", "create", "--scope", "admin", "--db", db).code == 0
    again = run("token", "create", "--scope", "admin", "--db", db)
    assert (again.code, again.out) == (2, "")
    assert "there is a token named 'admin'" in again.err


def test_the_configuration_may_name_the_file(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "fulltape.toml"
    config.write_text(f"[server]\ntokens = '{tmp_path / 'mine.json'}'\n")
    run("token", "create", "--scope", "read", "--config", str(config))
    assert (tmp_path / "mine.json").exists()


def test_an_unknown_scope_is_refused_with_the_known(run: Run, tmp_path: Path) -> None:
    result = run("token", "create", "--scope", "root", "--db", str(tmp_path / "x.duckdb"))
    assert result.code == 2
    assert all(scope in result.err for scope in Scope)


def test_commands_take_their_token_from_the_environment() -> None:
    assert token_header({"FULLTAPE_TOKEN": "ft_x\n"}) == {"Authorization": "Bearer ft_x"}
    assert token_header({"FULLTAPE_TOKEN": ""}) == token_header({}) == {}
