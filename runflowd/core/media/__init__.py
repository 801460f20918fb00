"""What a file is, by its bytes, and whether all of it is there."""
