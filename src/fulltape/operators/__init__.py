"""Streaming operators: pure state machines over batches."""
