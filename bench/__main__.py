"""Every stage in one run: `python -m bench`, or `make bench`."""

from __future__ import annotations

from bench import candles, decode, decode_venues, end_to_end, fanout, sql, statistics, store
from bench.report import print_table


def main() -> None:
    """Measure stage by stage; each prints its table when it is done."""
    for name, stage in (
        ("frames -> columns", decode.run),
        ("every venue's frames -> columns", decode_venues.run),
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
