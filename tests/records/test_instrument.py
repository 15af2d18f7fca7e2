"""Instruments and the table of their codes."""

from __future__ import annotations

import msgspec
import pytest
from tests.conformance.samples import BTC, ETH

from fulltape.records import InstrumentTable, instrument_id
from fulltape.records.instrument import is_instrument_id


def test_codes_count_in_order_of_first_sight_and_stay() -> None:
    table = InstrumentTable()
    assert [table.add(BTC), table.add(ETH), table.add(BTC)] == [0, 1, 0]
    assert (table.id_of(1), table.code_of(BTC.id), table[1], len(table)) == (ETH.id, 0, ETH, 2)
    assert table.ids() == (BTC.id, ETH.id)
    assert list(table) == [BTC, ETH]


def test_changes_are_told_once() -> None:
    table = InstrumentTable([BTC])
    assert table.take_changes() == {}
    table.add(ETH)
    table.add(BTC)
    assert table.take_changes() == {1: ETH}
    newer = msgspec.structs.replace(BTC, price_step=0.5)
    table.add(newer)
    assert table.take_changes() == {0: newer}
    assert table.take_changes() == {}


def test_a_venue_s_own_symbol_finds_it_also_after_a_change_of_name() -> None:
    table = InstrumentTable([BTC])
    table.add(msgspec.structs.replace(BTC, venue_symbol="XBT-USD"))
    assert table.find_symbol("COINBASE", "XBT-USD") == table.find_symbol("COINBASE", "BTC-USD") == 0
    assert table.find_symbol("KRAKEN", "BTC-USD") is None


def test_what_was_never_added_has_no_code() -> None:
    with pytest.raises(KeyError):
        InstrumentTable().code_of(BTC.id)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("BTC-USD.COINBASE", True),
        ("BTC-USDT-PERP.BITMEX", True),
        ("1INCH-USD.COINBASE", True),
        ("btc-usd.coinbase", False),
        ("BTC.COINBASE", False),
        ("BTC-USD", False),
        ("BTC-USD.COINBASE\n", False),
        ("", False),
    ],
)
def test_the_form_of_an_id(text: str, expected: bool) -> None:
    assert is_instrument_id(text) is expected


def test_an_id_is_base_quote_venue() -> None:
    assert instrument_id("BTC", "USD", "COINBASE") == BTC.id
