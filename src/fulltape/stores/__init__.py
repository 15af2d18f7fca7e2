"""Databases that take commits and answer queries."""
