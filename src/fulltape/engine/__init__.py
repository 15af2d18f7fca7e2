"""A running fulltape: what is followed, frames to commits, the venues' past, who is told; and its configuration."""
