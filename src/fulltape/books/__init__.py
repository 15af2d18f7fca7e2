"""Order books, kept from snapshots and deltas."""
