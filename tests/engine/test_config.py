from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from fulltape.engine.config import Config, VenueConfig, credentials, sample
from fulltape.errors import ConfigError
from fulltape.venues.base import Channel, Credentials
from fulltape.venues.registry import venue


def test_the_sample_is_the_defaults() -> None:
    assert Config.parse(sample()) == Config()
    assert Config.parse("") == Config()


def test_the_sample_names_every_key_and_its_comments_load_too() -> None:
    text = re.sub(r'^# (\[|["a-z_.0-9]+ = )', r"\1", sample(), flags=re.MULTILINE)
    config = Config.parse(text)
    assert config.store.retention == {"quotes": 30, "stats": 90, "candles.1s": 7}
    assert config.venues["coinbase"].channels == (Channel.TRADES, Channel.TICKERS, Channel.HEARTBEATS, Channel.BOOK)
    for section in (config.server, config.store, config.capture, config.engine, config.candles, VenueConfig()):
        for name in section.__struct_fields__:
            assert re.search(rf"^{name} = |^\[store\.{name}\]", text, re.MULTILINE), name


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[venues.coinbase]\nchanels = []", "[venues.coinbase] chanels: unknown key (did you mean 'channels'?)"),
        ("[sever]\nport = 1", "[sever]: unknown key (did you mean 'server'?)"),
        (
            "[server]\nzzz = 1",
            "[server] zzz: unknown key (known: host, port, allow_remote, read_needs_token, tokens, allowed_hosts,",
        ),
        (
            "[venues.coinbase]\napi_key = 'x'",
            "[venues.coinbase] api_key: unknown key; secrets come from the environment",
        ),
        ("[venues.coinbase]\nchannels = ['tradse']", "[venues.coinbase] channels[0]: 'tradse' is none of trades, "),
        ("[venues.coinbase]\nchannels = ['tradse']", "(did you mean 'trades'?)"),
        ("[server]\nport = '8000'", "[server] port: Expected `int`, got `str`"),
        ("[server]\nport = 65536", "[server] port: Expected `int` <= 65535"),
        ("[engine]\nflush_ms = 0", "[engine] flush_ms: Expected `float` > 0"),
        ("[store.retention]\nquotes = -1", "[store] retention: Expected `float` > 0"),
        ("server = 3", "[server]: Expected `object`, got `int`"),
        ("[candles]\nintervals = ['1m', '7x']", "[candles] intervals[1]: unknown interval '7x'"),
        ("[candles]\nintervals = []", "[candles] intervals: name at least one"),
        ("[candles]\nquiet_from = 'never'", "[candles] quiet_from: unknown interval 'never'"),
        ("[server]\nhost = '0.0.0.0'", "[server] host: 0.0.0.0 is open to other machines"),
        ("[server]\nhost = 'example.org'", "[server] host: example.org is open"),
        ("[venues.coinbase]\nurl = 'http://x'", "[venues.coinbase] url: 'http://x' must begin with wss:// or ws://"),
        ("[venues.coinbase]\nrest_url = 'ftp://x'", "[venues.coinbase] rest_url: 'ftp://x' must begin with https://"),
        ("[engine]\nflush_ms = 1e400", "[engine] flush_ms: Expected `float` <= 1000000000.0"),
        ("[capture]\nkeep_gb = inf", "[capture] keep_gb: Expected `float` <= 1000000000.0"),
        ("[store]\npath = ''", "[store] path: name a file"),
        ("[venues.COINBASE]\n[venues.coinbase]", "[venues.coinbase]: the same venue as [venues.COINBASE]"),
        ("[store.retention]\ntrade = 1", "[store.retention] trade: no such table (did you mean 'trades'?)"),
        ("[store.retention]\n'quotes.1s' = 1", "[store.retention] quotes.1s: only candles can be limited by interval"),
        ("[store.retention]\n'candles.1x' = 1", "[store.retention] candles.1x: unknown interval '1x'"),
        ("[venues.coinbse]", "[venues.coinbse]: unknown venue 'coinbse' (did you mean 'COINBASE'?)"),
        (
            "[venues.coinbase]\ninstruments = ['BTCUSD']",
            "[venues.coinbase] instruments: not a COINBASE product: 'BTCUSD'",
        ),
        ("[server", "not TOML: "),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "fulltape.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(complaint)) as caught:
        Config.load(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_channel_that_a_venue_does_not_offer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    known = venue("coinbase")
    spec = msgspec.structs.replace(known.spec, channels=frozenset({Channel.TRADES}))
    monkeypatch.setattr(type(known), "spec", spec)
    with pytest.raises(ConfigError, match="COINBASE does not offer rfq; it offers trades"):
        Config.parse("[venues.coinbase]\nchannels = ['rfq']")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_hosts_need_no_permission(host: str) -> None:
    assert Config.parse(f"[server]\nhost = '{host}'").server.host == host


def test_listening_to_everybody_must_be_said_twice() -> None:
    with pytest.raises(ConfigError, match="set read_needs_token = true, or allow_remote = true"):
        Config.parse("[server]\nhost = '0.0.0.0'")
    for permission in ("allow_remote", "read_needs_token"):
        assert Config.parse(f"[server]\nhost = '0.0.0.0'\n{permission} = true").server.host == "0.0.0.0"


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory; `fulltape config sample`"):
        Config.load(tmp_path / "gone.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        Config.load(tmp_path / "f.toml")


def test_credentials_come_from_the_environment_all_or_none() -> None:
    names = ("T_KEY", "T_SECRET", "T_PASS")
    assert credentials(names, {}) is None
    assert credentials((), {}) is None
    assert credentials(names, {"T_KEY": "k", "T_SECRET": "s", "T_PASS": "p"}) == Credentials("k", "s", "p")
    with pytest.raises(ConfigError, match="but not T_SECRET, T_PASS"):
        credentials(names, {"T_KEY": "k", "T_SECRET": ""})
