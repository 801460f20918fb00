"""Commands over a unix socket: what a person asks of the daemon, answered from the state file either way."""
