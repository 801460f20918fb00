"""YAML text to plain data, with the place of everything in it."""

MAX_BYTES = 1024 * 1024
"""Largest text taken: far more than 2,000 rules."""
