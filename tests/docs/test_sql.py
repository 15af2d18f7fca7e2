"""The queries of the pages run as they stand, and the functions that are told are allowed."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator

import pytest
from tests.api.scene import EmptyStores
from tests.docs.pages import BY_HAND, DOCS, page, section, table

from fulltape.stores.base import SqlLimits
from fulltape.stores.duckdb import DuckDbStore
from fulltape.stores.sandbox import FUNCTIONS, ROW_FUNCTIONS

SQL = page(DOCS / "sql.md")
BLOCKS = [(one.name, block) for one in BY_HAND for block in one.blocks("sql")]
SENT = [
    (one.name, body) for one in BY_HAND for body in re.findall(r"/api/v1/sql[^\n]*? -d '(.*?)'", one.text, re.DOTALL)
]
INLINE = [
    (one.name, found)
    for one in BY_HAND
    for found in re.findall(r'fulltape sql[^\n]*? "((?:FROM|SELECT) \w.*?)"', one.text)
]


@pytest.fixture(scope="module")
def store(empty_stores: EmptyStores) -> Iterator[DuckDbStore]:
    with empty_stores.lend() as store:
        yield store


def test_queries_are_found_where_they_stand() -> None:
    assert {name for name, _ in BLOCKS} >= {"docs/tables.md", "docs/statistics.md"}
    assert SENT
    assert INLINE


@pytest.mark.parametrize(("place", "query"), [*BLOCKS, *INLINE])
def test_a_query_runs(place: str, query: str, store: DuckDbStore) -> None:
    assert store.reader().sql(query).column_names, place


@pytest.mark.parametrize(("place", "body"), SENT)
def test_a_query_that_is_sent_is_json_and_allowed(place: str, body: str, store: DuckDbStore) -> None:
    found = store.sandbox().run(json.loads(body)["query"], SqlLimits(), threading.Event())
    assert found.table.num_rows == 0, place


def test_every_function_that_is_told_may_be_called() -> None:
    rows = [row for row in table(section(SQL, "What may stand in a query over HTTP")) if row[0] not in {"group"}]
    spans = [span for _, cell in rows for span in re.findall(r"`([^`]+)`", cell.replace("\\|", "|"))]
    words = {word for span in spans for word in span.split() if re.fullmatch(r"[a-z]\w*\*?", word)}
    known = FUNCTIONS | ROW_FUNCTIONS
    assert len(words) > 100
    assert (
        sorted(word for word in words if not any(re.fullmatch(word.replace("*", ".*"), name) for name in known)) == []
    )
