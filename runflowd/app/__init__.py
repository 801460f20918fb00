"""Composes the program: engine, daemon, one-shot run, reload. Nothing else does."""
