"""Frames to commits: intake, sequencing, operators, one transaction per flush."""
