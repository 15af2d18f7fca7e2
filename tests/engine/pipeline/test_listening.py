"""Who listens: by the venue's word, by the trades of a recording, and until when."""

from __future__ import annotations

from fulltape.engine.pipeline.listening import Confirmed, Listening
from fulltape.operators.coverage import TRADES_CHANNEL
from fulltape.records.events import Unanswered

A, B = "COINBASE-1", "COINBASE-2"
BTC, ETH = 0, 1
NONE = frozenset[int]()


def asked(*connections: str) -> Listening:
    listening = Listening()
    for connection in connections or (A,):
        listening.ask(connection, {"BTC-USD": BTC, "ETH-USD": ETH}, has_trades=True)
    return listening


def trades(*codes: int) -> dict[str, frozenset[int]]:
    return {TRADES_CHANNEL: frozenset(codes)}


def test_the_venues_word_is_the_whole_list() -> None:
    listening = asked()
    assert listening.confirm(A, trades(BTC)) == Confirmed(trades(BTC), frozenset({BTC}), NONE)
    assert listening.confirm(A, trades(ETH)) == Confirmed(trades(ETH), frozenset({ETH}), frozenset({BTC}))
    assert listening.received() == {ETH}


def test_what_is_received_ends_with_the_venues_word_and_the_rest_at_once() -> None:
    listening = asked()
    listening.confirm(A, trades(BTC))
    listening.give_up(A, {BTC, ETH})
    assert listening.take_left() == {ETH}
    assert listening.take_left() == set()
    assert listening.end(A) == (frozenset({BTC}), {BTC})
    assert listening.received() == set()


def test_who_asks_again_has_not_given_up() -> None:
    listening = asked()
    listening.confirm(A, trades(BTC))
    listening.give_up(A, {BTC, ETH})
    listening.ask(A, {"BTC-USD": BTC, "ETH-USD": ETH}, has_trades=True)
    assert listening.take_left() == set()
    assert listening.end(A) == (frozenset({BTC}), set())


def test_only_what_some_connection_was_asked_for_is_kept() -> None:
    listening = Listening()
    listening.ask(A, {"BTC-USD": BTC}, has_trades=True)
    listening.keep_only([A, B], (BTC, ETH))
    assert listening.take_left() == {ETH}


def test_trades_of_a_recording_stand_for_a_word_until_one_comes() -> None:
    listening = Listening()
    assert listening.show(A, BTC) == frozenset({BTC})
    assert listening.show(A, BTC) is None
    assert listening.show(A, ETH) == frozenset({BTC, ETH})
    assert not listening.is_confirming(A)
    assert listening.confirm(A, {"book": frozenset({BTC})}).channels == {"book": {BTC}, **trades(BTC, ETH)}
    assert listening.is_confirming(A)
    assert listening.show(A, 7) is None
    listening.end(A)
    listening.renew(A)
    assert listening.show(A, BTC) == frozenset({BTC})


def test_what_nobody_receives_by_the_end_of_the_step_is_told_once() -> None:
    listening = asked(A, B)
    listening.confirm(B, trades(ETH))
    assert listening.take_unanswered(5) == [Unanswered(5, frozenset({BTC}))]
    assert listening.take_unanswered(6) == []
    quotes_only = Listening()
    quotes_only.ask(A, {"BTC-USD": BTC}, has_trades=False)
    assert quotes_only.take_unanswered(5) == []
