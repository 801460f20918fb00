"""What a connection to a server is set to, whatever the server, the role or the database has by default."""

from __future__ import annotations

from typing import Any

TURN = 30
"""Seconds that a statement may take or be waited for."""

STANDSTILL = 5
"""Seconds that a transaction may stand still: one that is cut off in the middle of its turn keeps others waiting."""

SERVER = {
    "statement_timeout": f"{TURN}s",
    "idle_in_transaction_session_timeout": f"{STANDSTILL}s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "idle_session_timeout": "0",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "search_path": "public",
    # The statements are written for indexes and loops over them, as SQLite goes about it. A plan is kept that was made
    # while the tables were nearly empty, when reading them whole seems cheaper.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}

CLIENT: dict[str, Any] = {
    "keepalives_idle": 5,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "client_encoding": "UTF8",
}
"""The same on this side of the connection: a server that is cut off is noticed within the time that a host may act."""
