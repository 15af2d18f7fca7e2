"""Figures in the pages that are settings or limits of the program are those."""

from __future__ import annotations

import re
from typing import Final

import pytest
from tests.docs.pages import DOCS, page

from fulltape.api.client import JOIN_FROM
from fulltape.api.config import ApiConfig
from fulltape.api.live_indicators import MOST_HISTORY
from fulltape.api.paging import DEFAULT_LIMIT, MAX_LIMIT
from fulltape.api.rest.bringing import MAX_BODY_BYTES
from fulltape.api.rest.ranges import MOST_TRADES
from fulltape.api.rolled import MOST_ROWS
from fulltape.clock import SECOND_NS
from fulltape.engine.config import Config
from fulltape.imports.files import CHUNK_ROWS
from fulltape.operators.cascade import EMPTY_FOR_NS
from fulltape.operators.quotes import ASK_AGAIN_NS
from fulltape.sim.server import SimConfig
from fulltape.stores.base import MAX_QUERY
from fulltape.stores.rehearsing import MEMORY

API, CONFIG, SIM = ApiConfig(), Config(), SimConfig()
KIB, MIB = 1 << 10, 1 << 20
DAY_NS = 86_400 * SECOND_NS
WORDS: Final = {"eight": 8}

LIMITS: Final = [
    ("api", r"there are more than (\S+) clients", API.max_clients),
    ("api", r"or (\S+) with one token or from", API.max_clients_each),
    ("api", r"sends more than (\S+) messages and pings at once", API.frame_burst),
    ("api", r"pings at once, or (\S+) a second for long", API.frames_per_s),
    ("api", r"asks more than (\S+) times a second on average", API.requests_per_s),
    ("api", r"on average, or (\S+) times at once", API.request_burst),
    ("api", r"document: (\S+) connections are open", API.max_connections),
    ("api", r"kept in memory \((\S+) MiB\)", API.answers_bytes / MIB),
    ("api", r"\(records\) or (\S+) KiB \(everything else\)", API.max_body_bytes / KIB),
    ("api", r"a body is longer than (\S+) MiB", MAX_BODY_BYTES / MIB),
    ("api", r"behind the `\?` is longer than (\S+) KiB", API.max_query_bytes / KIB),
    ("api", r"a message of more than (\S+) KiB from the client", API.max_message_bytes / KIB),
    ("api", r'"trades": \[the newest (\S+) of each instrument', API.snapshot_trades),
    ("api", r'"candles": \[the newest (\S+) of each', API.snapshot_candles),
    ("api", r'"alerts": \[the newest (\S+),', API.snapshot_alerts),
    ("api", r"If that is more than (\S+) records", API.resume_records),
    ("api", r"When (\S+) commits or more wait", JOIN_FROM),
    ("api", r"all clients together may follow (\S+)\.", API.max_indicators),
    ("api", r"What looks back more than (\S+) candles", MOST_HISTORY),
    ("api", r"made of (\S+) stored candles", MOST_ROWS),
    ("api", r"`limit` defaults to (\S+) and", DEFAULT_LIMIT),
    ("api", r"and is at most (\S+)\. `next`", MAX_LIMIT),
    ("api", r"of up to (\S+) trades: histograms", MOST_TRADES),
    ("sql", r"\| time \| (\S+) s \|", API.sql_timeout_s),
    ("sql", r"\| rows, bytes \| (\S+) rows", API.sql_rows),
    ("sql", r"rows, (\S+) MiB: what is beyond", API.sql_bytes / MIB),
    ("sql", r"\| waiting \| (\S+) queries", API.sql_waiting),
    ("sql", r"of a processor, (\S+) MiB, in a process", MEMORY / MIB),
    ("sql", r"\| length \| (\S+) characters", MAX_QUERY),
    ("operations", r"after (\S+) s without a whole request", API.request_within_s),
    ("operations", r"not taken for (\S+) s is dropped", API.take_within_s),
    ("operations", r"wait to be taken may hold (\S+) MiB", API.max_unsent_bytes / MIB),
    ("operations", r"when (\S+) are open", API.max_connections),
    ("operations", r"must subscribe within (\S+) s", API.subscribe_within_s),
    ("importing", r"in commits of (\S+) rows", CHUNK_ROWS),
    ("importing", r"they hold at most (\S+) MiB", MAX_BODY_BYTES / MIB),
    ("architecture", r"what has arrived every (\S+) ms", CONFIG.engine.flush_ms),
    ("architecture", r"or sooner when (\S+) records wait", CONFIG.engine.flush_records),
    ("alerts", r"`\[alerts\] news_s` \((\S+)\)", CONFIG.alerts.news_s),
    ("simulator", r"the newest (\S+) trades of each product", SIM.kept_trades),
    ("simulator", r"`trades_per_s` at each venue, (\S+) unless", SIM.trades_per_s),
    ("simulator", r"leaves more than (\S+) MiB unread", SIM.write_limit / MIB),
    ("tables", r"on, for (\S+) days after a trade", EMPTY_FOR_NS / DAY_NS),
    ("venues/README", r"it asks at most every (\S+) s", ASK_AGAIN_NS / SECOND_NS),
]


@pytest.mark.parametrize(("name", "pattern", "expected"), LIMITS, ids=[f"{one}: {text}" for one, text, _ in LIMITS])
def test_a_figure_is_the_program_s(name: str, pattern: str, expected: float) -> None:
    told = re.findall(pattern, " ".join(page(DOCS / f"{name}.md").text.split()))
    assert told, "the page no longer says it so: say here how"
    assert [WORDS.get(one) or float(one.replace(",", "")) for one in told] == [expected] * len(told)
