"""A program that reads and plans SQL of strangers where it does no harm; `fulltape.stores.rehearsal` runs it.

It imports nothing of fulltape, so that it starts in a moment. Orders come as lines of JSON, answers go the same way.
"""

from __future__ import annotations

import math
import os
import resource
import sys
from typing import Final

import duckdb
import msgspec
import psutil

CPU_S: Final = 1
"""What reading or planning one query may take of a processor (s)."""
MEMORY: Final = 512 << 20
"""What this process may grow by (bytes)."""
_NICENESS: Final = 10


class Order(msgspec.Struct, frozen=True):
    """Read a query, then give its syntax tree; or plan it. The first order of all carries what to make ready."""

    query: str = ""
    plan: bool = False
    config: dict[str, str] = {}
    statements: list[str] = []


class Answer(msgspec.Struct, frozen=True):
    """The tree or the plan as JSON, or why there is none."""

    text: str
    is_error: bool = False


def follow(order: Order, connection: duckdb.DuckDBPyConnection) -> Answer:
    """Return the answer to one order."""
    try:
        for statement in order.statements:
            connection.execute(statement)
        if order.plan:
            rows = connection.execute(f"EXPLAIN (FORMAT json) {order.query}").fetchall()
            return Answer(rows[0][1])
        ((tree,),) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [order.query]).fetchall()
        return Answer(tree)
    except (duckdb.FatalException, duckdb.InternalException, duckdb.OutOfMemoryException):
        raise  # this process is of no use any more
    except duckdb.Error as error:
        return Answer(str(error), is_error=True)


def _limit_memory() -> None:
    most = psutil.Process().memory_info().vms + MEMORY
    if sys.platform == "linux":  # elsewhere the address space is no measure
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _limit_time() -> None:
    """Have the kernel end this process when it has taken its time from now on."""
    used = math.ceil(sum(os.times()[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used + CPU_S, resource.RLIM_INFINITY))


def main() -> None:
    """Follow orders until nobody gives any."""
    os.nice(_NICENESS)
    read, write = msgspec.json.Decoder(Order).decode, msgspec.json.Encoder().encode
    first = read(sys.stdin.buffer.readline())
    connection = duckdb.connect(config={**first.config, "threads": 1})
    follow(first, connection)
    _limit_memory()
    for line in sys.stdin.buffer:
        _limit_time()
        sys.stdout.buffer.write(write(follow(read(line), connection)) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
