"""The Runflow API on this machine, with real models that run on the CPU."""
