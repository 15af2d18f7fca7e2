"""The file of tokens and the keyring that follows it."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.disk import full_disk

from fulltape.api.tokens import Keyring, Scope, Token, TokenFile, hash_of, new_secret
from fulltape.errors import ConfigError


def token(name: str, secret: str, scope: Scope = Scope.WRITE) -> Token:
    return Token(name, scope, hash_of(secret), "2026-11-20T00:00:00.000000000Z")


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


def test_each_scope_covers_those_before_it() -> None:
    covered = {scope: [wanted for wanted in Scope if scope.covers(wanted)] for scope in Scope}
    assert covered == {
        Scope.READ: [Scope.READ],
        Scope.WRITE: [Scope.READ, Scope.WRITE],
        Scope.ADMIN: [Scope.READ, Scope.WRITE, Scope.ADMIN],
    }


def test_secrets_differ_and_are_not_kept(file: TokenFile) -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert all(secret.startswith("ft_") and len(secret) == 46 for secret in secrets)
    secret = secrets.pop()
    file.add(token("one", secret))
    assert secret not in file.path.read_text()
    assert secret.removeprefix("ft_") not in file.path.read_text()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_running_keyring_follows_the_file(file: TokenFile) -> None:
    keyring = Keyring(file.path)
    assert keyring.scope_of_hash(hash_of("a")) is None
    file.add(token("a", "a", Scope.READ))
    file.add(token("b", "b", Scope.ADMIN))
    assert [keyring.scope_of_hash(hash_of(secret)) for secret in ("a", "b", "c", "", "ä\udcff")] == [
        Scope.READ, Scope.ADMIN, None, None, None
    ]  # fmt: skip
    file.remove("a")
    assert [keyring.scope_of_hash(hash_of(secret)) for secret in ("a", "b")] == [None, Scope.ADMIN]
    file.path.unlink()
    assert keyring.scope_of_hash(hash_of("b")) is None


def test_without_a_file_no_secret_opens_anything() -> None:
    assert Keyring(None).scope_of_hash(hash_of("")) is None


def test_names_are_taken_once(file: TokenFile) -> None:
    file.add(token("upload", "a"))
    with pytest.raises(ConfigError, match="there is a token named 'upload': choose another name, or revoke it"):
        file.add(token("upload", "b"))
    with pytest.raises(ConfigError, match=r"no token named 'uplaod' \(did you mean 'upload'\?\)"):
        file.remove("uplaod")
    assert [known.name for known in file.load()] == ["upload"]


def test_none_is_lost_when_many_are_made_at_once(file: TokenFile) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: file.add(token(f"t{n}", str(n))), range(24)))
    assert {known.name for known in file.load()} == {f"t{n}" for n in range(24)}


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"{}", b"[1]", b'[{"name": "a"}]', b"\xff", token("a", "a").sha256.encode(),
     b'[{"name": "a", "scope": "root", "sha256": "' + b"0" * 64 + b'", "created": ""}]',
     b'[{"name": "a", "scope": "admin", "sha256": "\xc3\xa4", "created": ""}]'],
)  # fmt: skip
def test_a_file_that_is_none_opens_nothing(content: bytes, file: TokenFile, caplog: pytest.LogCaptureFixture) -> None:
    file.add(token("a", "a"))
    keyring = Keyring(file.path)
    file.path.write_bytes(content)
    with pytest.raises(ConfigError, match="not a file of tokens"):
        Keyring(file.path)
    assert keyring.scope_of_hash(hash_of("a")) is None
    assert keyring.scope_of_hash(hash_of("a")) is None
    assert [record.levelname for record in caplog.records] == ["ERROR"]  # said once, not with every request


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gone: No such file or directory"):
        TokenFile(tmp_path / "gone" / "tokens.json").add(token("a", "a"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigError, match="folder: Is a directory"):
        TokenFile(tmp_path / "folder").load()
    blocked = TokenFile(tmp_path / "tokens.json")
    (tmp_path / ".tokens.json.partial").mkdir()
    with pytest.raises(ConfigError, match="cannot be written: Is a directory"):
        blocked.add(token("a", "a"))


def test_on_a_full_disk_the_tokens_stay_as_they_were(file: TokenFile) -> None:
    file.add(token("a", "a"))
    keyring = Keyring(file.path)
    with full_disk():
        with pytest.raises(ConfigError, match="cannot be written: File too large"):
            file.add(token("b", "b"))
        with pytest.raises(ConfigError, match="cannot be written: File too large"):
            file.remove("a")
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name]
    assert (keyring.scope_of_hash(hash_of("a")), keyring.scope_of_hash(hash_of("b"))) == (Scope.WRITE, None)
    file.remove("a")
    assert keyring.scope_of_hash(hash_of("a")) is None
