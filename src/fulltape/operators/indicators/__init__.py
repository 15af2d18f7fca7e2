"""Indicators on candles: those of TA-Lib under its names and defaults, and some of our own."""
