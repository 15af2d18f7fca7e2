"""A process that does nothing but commit, for tests that end it or let its disk run full.

``python -m tests.stores.committer DATABASE COMMITS ROWS [MAX_FILE_BYTES]`` prints the number of each commit that is in
the store. Every commit holds ROWS new trades and the newest state of a growing candle.
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

import numpy as np
from tests.conformance.samples import INSTRUMENTS, NOON, batches, candle, many_trades

from fulltape.errors import FatalError
from fulltape.records import TRADES, Batch, Commit
from fulltape.stores.duckdb import DuckDbStore


def commit(number: int, rows: int) -> Commit:
    """Return the commit of a number: always the same, with prices that hardly compress."""
    trades = many_trades(number * rows, rows)
    columns = {**trades.columns, "price": np.random.default_rng(number).random(rows)}
    growing = batches([candle(is_final=False, trades=number)])
    state = {"candles": {0: str(number).encode()}}
    return Commit(number, NOON + number, {"trades": Batch(TRADES, columns), **growing}, state, INSTRUMENTS)


def main(database: Path, commits: int, rows: int, max_file_bytes: int | None = None) -> int:
    """Commit until the number is reached; 3 after a FatalError."""
    with DuckDbStore.open(database, simulated=False) as store:
        if max_file_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that a write fails instead of ending the process
            resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_bytes, max_file_bytes))
        for number in range(store.restore().commit + 1, commits + 1):
            try:
                store.commit(commit(number, rows))
            except FatalError as error:
                print(error, file=sys.stderr)
                return 3
            print(number, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
