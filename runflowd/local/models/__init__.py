"""Image models that run on this machine's CPU: a small segmentation network and classical compositing."""
