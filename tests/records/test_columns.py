"""How a record's annotations become columns."""

from __future__ import annotations

import msgspec
import pytest

from fulltape.records.columns import InstrumentId, Physical, Price, TradeId, columns_of
from fulltape.records.enums import BookSide


class Sample(msgspec.Struct):
    instrument: InstrumentId
    trade_id: TradeId
    price: Price | None
    side: BookSide
    count: int | None
    note: str


class Wrong(msgspec.Struct):
    prices: list[float]


def test_columns_follow_the_annotations() -> None:
    columns = columns_of(Sample)
    assert [(c.name, c.physical, c.nullable) for c in columns] == [
        ("instrument", Physical.INSTRUMENT, False),
        ("trade_id", Physical.ID128, False),
        ("price", Physical.FLOAT, True),
        ("side", Physical.ENUM, False),
        ("count", Physical.INT, True),
        ("note", Physical.TEXT, False),
    ]
    assert columns[1].names == ("trade_id", "trade_id_high")
    assert columns[3].choices is BookSide


def test_an_annotation_without_a_column_form_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="field 'prices' has no column form"):
        columns_of(Wrong)
