"""Streaming operators, pure state machines over batches; and figures of ranges, pure functions of what is stored."""
