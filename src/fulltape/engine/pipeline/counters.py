"""What the pipeline has seen since it was made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Counts of frames, and of what became of them."""

    frames: int = 0
    records: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    id_resets: int = 0
    late_trades: int = 0
    early_trades: int = 0
    stale_candles: int = 0
    """Stale candles left as they were, because their trades are no longer stored."""
