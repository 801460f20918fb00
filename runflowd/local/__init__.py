"""The Runflow API on this machine, with real image models that run on the CPU."""
