"""The web listener: status page, health, metrics, retries and callbacks.

Importing this package is cheap. The web framework and the server are imported by `serving` and what it
needs, once a configuration asks for them.
"""

from __future__ import annotations
