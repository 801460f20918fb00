"""The machine: clocks, log, mounts, paths, systemd."""
