"""The commands that a daemon answers, one module each."""
