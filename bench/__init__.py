"""Benchmarks of runflowd, run by hand: `python -m bench --help`. No part of the test suite."""
