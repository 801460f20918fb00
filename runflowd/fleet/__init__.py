"""One of several hosts on one database: seen by the others, and doing what the rules of `core.fleet` leave to it."""
