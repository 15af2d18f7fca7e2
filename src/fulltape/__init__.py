"""fulltape captures the full tape of crypto markets and proves that it is full."""

__version__ = "0.1.0"
