"""How results are printed: one table, with ratios to a named row of the same run."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Result:
    """One measured figure. ``against`` names the result of the same run that ``ratio`` is taken to."""

    name: str
    rate: float
    unit: str
    note: str = ""
    against: str = ""


def machine() -> str:
    """Return what the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}"


def median_rate(work: Callable[[], int], repeats: int = 5) -> float:
    """Return the median of units a second over repeats; ``work`` returns how many units it did."""
    rates = []
    for _ in range(repeats):
        started = time.perf_counter()
        units = work()
        rates.append(units / (time.perf_counter() - started))
    return statistics.median(rates)


def best_cpu_rate(work: Callable[[], int], repeats: int = 5) -> float:
    """Return the best of units a second of processor time, which other work on the machine disturbs least."""
    rates = []
    for _ in range(repeats):
        started = time.process_time()
        units = work()
        rates.append(units / (time.process_time() - started))
    return max(rates)


def print_table(title: str, results: Sequence[Result]) -> None:
    """Print results with their ratios."""
    rates = {result.name: result.rate for result in results}
    table = Table(title=f"{title} ({machine()})", title_justify="left")
    for heading in ("what", "figure", "ratio", "note"):
        table.add_column(heading, justify="right" if heading in ("figure", "ratio") else "left")
    for result in results:
        base = rates.get(result.against)
        ratio = f"{result.rate / base:.2f} x {result.against}" if base else ""
        figure = f"{result.rate:,.0f}" if result.rate >= 100 else f"{result.rate:.3g}"
        table.add_row(result.name, f"{figure} {result.unit}", ratio, result.note)
    Console(width=150).print(table)
