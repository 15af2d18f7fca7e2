"""Every stage in one run: `python -m bench`, or `make bench`."""

from __future__ import annotations

from bench import candles, decode, end_to_end, fanout, sql, store
from bench.report import print_table


def main() -> None:
    """Measure stage by stage; each prints its table when it is done."""
    for name, stage in (
        ("frames -> columns", decode.run),
        ("trades -> candles", candles.run),
        ("trades -> statistics", statistics.run),
        ("commits -> DuckDB", store.run),
        ("commits beside SQL", sql.run),
        ("frames -> committed", end_to_end.run),
        ("frame -> stream client", fanout.run),
    ):
        print_table(name, stage())


if __name__ == "__main__":
    main()
