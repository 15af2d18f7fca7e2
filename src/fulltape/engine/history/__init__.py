"""Fetching what is missing of the past, from the venues' histories into commits, beside the live data."""
