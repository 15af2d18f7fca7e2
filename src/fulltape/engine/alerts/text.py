"""Alerts in words, for messages and for the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fulltape.clock import format_rfc3339
from fulltape.operators.figures import FIGURES
from fulltape.records import Alert, AlertState

SIMULATED: Final = "SIMULATED prices: made up, not a market's"
_MOST_LINES: Final = 20


def title_of(alerts: Sequence[Alert], *, simulated: bool) -> str:
    """Return one line about some alerts."""
    mark = "SIMULATED " if simulated else ""
    if len(alerts) == 1:
        (alert,) = alerts
        return f"{mark}{alert.kind.name} {alert.rule} {alert.state.name.lower()}: {alert.instrument}"
    rules = ", ".join(sorted({alert.rule for alert in alerts}))
    return f"{mark}{len(alerts)} alerts: {rules}"


def body_of(alerts: Sequence[Alert], *, simulated: bool) -> str:
    """Return a line for each alert, of many for the first ones, and how many there are besides."""
    lines = [line_of(alert) for alert in alerts[:_MOST_LINES]]
    if (more := len(alerts) - _MOST_LINES) > 0:
        lines.append(f"and {more} more: `fulltape alerts list` shows them")
    if simulated:
        lines.insert(0, SIMULATED)
    return "\n".join(lines)


def line_of(alert: Alert) -> str:
    """Return an alert as one line; its number is the one that its end will have."""
    what = "" if alert.value is None else f" {alert.figure} {_values(alert.figure, alert.value, alert.threshold)}"
    word = "" if alert.state is AlertState.RAISED else " has ended"
    detail = f"; {alert.detail}" if alert.detail else ""
    time = format_rfc3339(alert.ingest_time)[:19]
    return f"{alert.instrument} {alert.rule} #{alert.number}{word}:{what}{detail}; {time}Z"


def _values(name: str, value: float, threshold: float) -> str:
    """Return a figure's value and threshold in the unit that people read it in."""
    figure = FIGURES.get(name)
    unit, scale = (f" {figure.unit}".rstrip(), figure.scale) if figure else ("", 1.0)
    return f"{scale * value:.6g}{unit} (threshold {scale * threshold:g})"
