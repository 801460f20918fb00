"""The service a configuration names, made ready to call: the hosted one, or the one on this machine."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from runflowd.api.callback_signature import address
from runflowd.api.client import Runflow
from runflowd.api.settings import SecretKey, Service
from runflowd.config import service_key
from runflowd.errors import ConfigError, Problem
from runflowd.pipeline.context import ServiceClient
from runflowd.system.paths import state_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from runflowd.config import Config, LocalService

LOCAL_POLL = 0.25
HOSTED_POLL = 2.0
"""Seconds between the first polls of a batch; the service's own clients poll every 2 to 3 seconds."""

CALLBACK_POLL = 10.0
"""The same where callbacks are to wake the polls: late enough to save calls, soon enough to do without them."""


@asynccontextmanager
async def open_remote(config: Config) -> AsyncIterator[ServiceClient]:
    """The service of a configuration, closed again at the end.

    Raise `CredentialError` without a key, `ConfigError` for API variants or faults that the local service has not.
    """
    if config.service.local is not None:
        async with (
            _embedded(config, config.service.local, state_folder(config) / "local") as service,
            Runflow(service, patient=True) as api,
        ):
            yield ServiceClient(config.service.name, api, poll=LOCAL_POLL)
        return
    secret = SecretKey(lambda: _secret(config))
    service = Service(config.service.url, config.service.organization, secret)
    async with Runflow(service, patient=True) as api:
        yield ServiceClient(config.service.name, api, poll=HOSTED_POLL, reload_key=secret.reload_key)


def with_callbacks(remote: ServiceClient, config: Config) -> ServiceClient:
    """The same service, asked to report ended batches to the web listener, and polled less often for it.

    Only for a program that listens: who does not is better off with the usual polls.
    """
    if config.web is None or config.service.callbacks is None:
        return remote
    return replace(remote, callback_url=address(config.service.callbacks.public_url), poll=CALLBACK_POLL)


def _secret(config: Config) -> str:
    credential = service_key(config)
    return credential.secret if credential else ""


@asynccontextmanager
async def _embedded(config: Config, local: LocalService, default: Path) -> AsyncIterator[Service]:
    """Run the local service beside the stages, for whoever has the key of this start."""
    # Imported here: a daemon of the hosted service has no use for a web framework and image models.
    from runflowd.local.keyfile import NAME, new_key, write_key  # noqa: PLC0415
    from runflowd.local.server import serve  # noqa: PLC0415
    from runflowd.local.settings import BadSwitch, LocalSettings, switches  # noqa: PLC0415

    try:
        api_variants, faults = switches(local.api_variants, local.faults)
    except BadSwitch as bad:
        raise ConfigError((Problem(config.files[0], 0, 0, f"service.local.{bad.where}", str(bad)),)) from None
    key = new_key()
    settings = LocalSettings(
        folder=Path(local.folder) if local.folder else default,
        api_keys=frozenset({key}),
        weights=Path(local.weights) if local.weights else None,
        control=False,
        api_variants=api_variants,
        faults=faults,
    )
    host = local.listen.host if local.listen else "127.0.0.1"
    port = local.listen.port if local.listen else 0
    found: list[str] = []
    ready = anyio.Event()

    def started(url: str) -> None:
        if local.listen:
            write_key(settings.folder / NAME, key)
        found.append(url)
        ready.set()

    async def run() -> None:
        await serve(settings, host=host, port=port, started=started)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await ready.wait()
        yield Service(found[0], api_key=SecretKey(key))
        group.cancel_scope.cancel()
