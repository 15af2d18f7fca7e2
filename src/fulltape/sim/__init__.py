"""Simulated venues on real sockets."""
