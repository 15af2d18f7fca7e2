"""The form of each kind is documented as it is checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fulltape.imports.files import MEDIA_TYPES
from fulltape.imports.form import KINDS, is_optional
from fulltape.imports.kinds import Kind
from fulltape.records.columns import Physical

DOCUMENT = (Path(__file__).parents[2] / "docs" / "importing.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| (.+) \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_column_is_documented(kind: Kind) -> None:
    schema = KINDS[kind]
    rows = ROW.findall(dict(SECTION.findall(DOCUMENT))[kind])
    assert [name for name, _, _ in rows] == [column.name for column in schema.columns]
    for column, (_, values, otherwise) in zip(schema.columns, rows, strict=True):
        assert otherwise.startswith("refused") is not is_optional(schema, column), column.name
        if column.physical is Physical.ENUM:
            assert column.choices is not None
            assert values == ", ".join(f"`{name}`" for name in column.choices.__members__)


def test_every_media_type_is_documented() -> None:
    assert all(f"`{media_type}`" in DOCUMENT for media_type in MEDIA_TYPES)
