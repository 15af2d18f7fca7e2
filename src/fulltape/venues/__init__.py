"""Venues: their protocols (pure), and the only socket and HTTP client code."""
