"""Wishes: names and patterns, what they come to, and how symbols are spread over connections."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fulltape.engine.wishes import Change, Resolver, Wishes, check_wish, place
from fulltape.operators.base import GLOBAL
from fulltape.records import Instrument
from fulltape.venues.registry import venue

COINBASE, BINANCE, KRAKEN = venue("coinbase"), venue("binance"), venue("kraken")


def coinbase(base: str, quote: str = "USD", status: str = "online") -> Instrument:
    return msgspec.structs.replace(COINBASE.instrument(f"{base}-{quote}"), status=status)


LISTED = [coinbase("BTC"), coinbase("ETH"), coinbase("BTC", "EUR"), coinbase("LOOM", status="delisted")]


def ids(resolver: Resolver, *wishes: str) -> list[str]:
    return [row.id for row in resolver.resolve(wishes).instruments]


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ("*-USD", ["BTC-USD", "ETH-USD"]),
        ("BTC-*.COINBASE", ["BTC-USD", "BTC-EUR"]),
        ("[BE]T?-USD.COINBASE", ["BTC-USD", "ETH-USD"]),
        ("ETH-USD", ["ETH-USD"]),
        ("ETH-USD.COINBASE", ["ETH-USD"]),
        ("*.BINANCE", []),
        ("*", ["BTC-USD", "ETH-USD", "BTC-EUR"]),
    ],
)
def test_a_wish_is_a_name_or_a_pattern_over_names(wish: str, found: list[str]) -> None:
    assert ids(Resolver(COINBASE, LISTED), wish) == [f"{name}.COINBASE" for name in found]


def test_the_venues_own_symbols_are_names_too() -> None:
    odd = Instrument("BTC-BIDR.BINANCE", "BINANCE", "BTCBIDR", "BTC", "BIDR")
    resolver = Resolver(BINANCE, [odd])
    for wish in ("BTCBIDR", "BTC-BIDR", "BTC-BIDR.BINANCE", "BTC*", "*BIDR"):
        assert ids(resolver, wish) == ["BTC-BIDR.BINANCE"]


def test_every_wish_that_names_nothing_is_accounted_for() -> None:
    resolved = Resolver(COINBASE, LISTED).resolve(["BTC-USDX", "LOOM-USD", "DOGE-*", "no product"])
    assert resolved.instruments == ()
    assert resolved.unknown == ("BTC-USDX (did you mean 'BTC-USD'?)", "no product")
    assert resolved.delisted == ("LOOM-USD.COINBASE",)
    assert resolved.waiting == ()


def test_without_a_list_names_are_taken_at_their_word_and_patterns_wait() -> None:
    known = Instrument("BTC-USD.KRAKEN", "KRAKEN", "BTC/USD", "BTC", "USD")
    resolver = Resolver(KRAKEN, None, [known])
    assert [row.id for row in resolver.resolve(["*-USD"]).instruments] == [known.id]
    resolved = resolver.resolve(["ETH/USD", "BTC-USD", "SOL-USD.KRAKEN", "*-EUR"])
    assert [row.venue_symbol for row in resolved.instruments] == ["ETH/USD", "BTC/USD"]
    assert resolved.waiting == ("SOL-USD.KRAKEN", "*-EUR")


def test_what_was_followed_and_is_not_listed_any_more_is_delisted() -> None:
    gone, mistyped = msgspec.structs.replace(coinbase("OLD"), price_step=0.01), coinbase("QQQ")
    resolved = Resolver(COINBASE, LISTED, (gone, mistyped)).resolve(["OLD-USD", "QQQ-USD"])
    assert (resolved.instruments, resolved.delisted) == ((), ("OLD-USD.COINBASE",))
    assert resolved.unknown == ("QQQ-USD",)


def test_where_the_list_is_not_whole_names_are_taken_at_their_word() -> None:
    class Partial(type(COINBASE)):  # type: ignore[misc]
        spec = msgspec.structs.replace(COINBASE.spec, lists_all=False)

    assert ids(Resolver(Partial(), LISTED), "NEW-USD") == ["NEW-USD.COINBASE"]


def said(*words: str) -> Wishes:
    """Return wishes after words such as ``+BTC-*.COINBASE`` and ``-*-USD.COINBASE``."""
    wishes = Wishes()
    for word in words:
        if word[0] == "+":
            wishes.add([word[1:]])
        else:
            wishes.remove([word[1:]], lambda wish: True)
    return wishes


@pytest.mark.parametrize(
    ("words", "followed"),
    [
        ((), ["BTC-USD", "ETH-USD"]),
        (("-BTC-USD.COINBASE",), ["ETH-USD"]),
        (("-*.COINBASE",), []),
        (("-*.COINBASE", "+B*-USD.COINBASE"), ["BTC-USD"]),
        (("-*.COINBASE", "+*-EUR.COINBASE", "-BTC-*.COINBASE"), []),
        (("+BTC-EUR.COINBASE", "-B*.COINBASE", "+BTC-USD.COINBASE"), ["BTC-USD", "ETH-USD"]),
        (("-*.KRAKEN", "+BTC-EUR.KRAKEN"), ["BTC-USD", "ETH-USD"]),
    ],
)
def test_the_last_word_on_an_instrument_counts(words: tuple[str, ...], followed: list[str]) -> None:
    resolved = Resolver(COINBASE, LISTED).resolve(["*-USD"], said(*words).changes)
    assert [row.id for row in resolved.instruments] == [f"{name}.COINBASE" for name in followed]
    assert resolved.unknown == ()


def test_words_that_a_later_one_covers_are_forgotten() -> None:
    wishes = said("+A-USD.V", "-B-USD.V", "+A-USD.V", "-A-*.V")
    assert wishes.changes == (Change("B-USD.V", follow=False), Change("A-*.V", follow=False))
    wishes.remove(["*.V"], lambda wish: False)
    assert not wishes.changes


def test_wishes_survive_a_restart() -> None:
    wishes, after = Wishes(), Wishes()
    assert wishes.snapshot() == {}
    wishes.add(["A-USD.V"])
    wishes.remove(["B-USD.V"], lambda wish: True)
    saved = wishes.snapshot()
    assert (list(saved), wishes.snapshot()) == ([GLOBAL], {})
    after.restore(saved)
    after.restore({})
    assert after.changes == (Change("A-USD.V", follow=True), Change("B-USD.V", follow=False))


@pytest.mark.parametrize("wish", ["BTC-USD", "BTC-USD.COINBASE", "*-USD", "BTC-*.COINBASE"])
def test_good_wishes_of_a_configuration(wish: str) -> None:
    check_wish(wish, COINBASE)
    check_wish("BTC-USDT", BINANCE)


@pytest.mark.parametrize("wish", ["", "BTC", "btc-usd", "BTC-USD.KRAKEN", "BTC USD"])
def test_bad_wishes_of_a_configuration(wish: str) -> None:
    with pytest.raises(ValueError, match="COINBASE"):
        check_wish(wish, COINBASE)


SYMBOLS = st.lists(st.sampled_from("abcdefghij"), unique=True)


@given(SYMBOLS, SYMBOLS, st.integers(1, 4))
def test_what_is_placed_stays_where_it_is(first: list[str], then: list[str], most: int) -> None:
    before = place(first, {}, most)
    after = place(then, before, most)
    for placed, wanted in ((before, first), (after, then)):
        assert sorted(symbol for held in placed.values() for symbol in held) == sorted(wanted)
        assert all(0 < len(held) <= most for held in placed.values())
    for number, held in before.items():
        assert set(held) & set(then) <= set(after.get(number, ()))
