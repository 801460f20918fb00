"""A new connection: the name looked up, the peer judged, TLS on top where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import httpx
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSStream

from runflowd.api.http.connection import Connection, origin_of
from runflowd.api.http.socket_stream import connect_stream

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from anyio.abc import ByteStream

    from runflowd.api.http.socket_stream import SocketStream

    Admit = Callable[[str], None]
    """Judges the address that was reached; what it raises closes the connection."""

_PORTS = {"http": 80, "https": 443}


async def connect(url: httpx.URL, context: ssl.SSLContext, seconds: float | None, admit: Admit | None) -> Connection:
    """Connect to the server of `url` within `seconds`. Nothing is sent that `admit` has not let pass.

    Raises `httpx.ConnectTimeout`, `ConnectError` and `UnsupportedProtocol`, and what `admit` raises.
    """
    default = _PORTS.get(url.scheme)
    if default is None:
        raise httpx.UnsupportedProtocol(f"{url.scheme or 'no'} scheme")
    host = url.raw_host.decode("ascii")
    try:
        with anyio.fail_after(seconds):
            stream = await connect_stream(host, url.port or default)
            return Connection(stream, await _secured(stream, url.scheme, host, context, admit), origin_of(url))
    except TimeoutError as error:
        raise httpx.ConnectTimeout(str(error) or f"no connection within {seconds} seconds") from error
    except (OSError, UnicodeError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
        raise httpx.ConnectError(str(error)) from error


async def _secured(
    stream: SocketStream, scheme: str, host: str, context: ssl.SSLContext, admit: Admit | None
) -> ByteStream:
    try:
        if admit is not None:
            admit(str(stream.extra(SocketAttribute.remote_address)[0]))  # noqa: S610  anyio's, not Django's
        if scheme == "http":
            return stream
        # Servers that end without a farewell are common; what is cut short is told by its length.
        return await TLSStream.wrap(stream, hostname=host, ssl_context=context, standard_compatible=False)
    except BaseException:
        await anyio.aclose_forcefully(stream)
        raise
