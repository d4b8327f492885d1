"""Compiled loops, one module per public module of the core; only ``@njit`` functions live here."""
