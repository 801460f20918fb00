"""The functional core: decisions without I/O, clock or randomness. `now` is always an argument."""
