"""Everything that decides a number: frames in, the content of a commit out. No I/O, no clock, no tasks."""

from __future__ import annotations

from fulltape.engine.pipeline.outcome import BookWanted, Outcome
from fulltape.engine.pipeline.pipeline import Pipeline

__all__ = ["BookWanted", "Outcome", "Pipeline"]
