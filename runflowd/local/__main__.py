"""`python -m runflowd.local`: the local service alone; the first line on stdout is `{"url": ..., "key_file": ...}`.

`key_file` names the file with the key that it takes, null when keys were given as options.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from decimal import Decimal
from functools import partial
from pathlib import Path

import anyio

from runflowd.local.api_variants import ApiVariants
from runflowd.local.faults.plan import Faults
from runflowd.local.keyfile import NAME, key_in
from runflowd.local.server import serve
from runflowd.local.settings import LocalSettings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runflowd.local", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--api-key", action="append", default=[], help="a key, for all to see; else the folder's")
    parser.add_argument("--balance", type=Decimal, default=Decimal(1000), help="credit in dollars")
    parser.add_argument("--weights", type=Path, help="the network's file")
    parser.add_argument("--public-url", default="", help="base of signed URLs")
    parser.add_argument("--url-lifetime", type=float, default=3600.0, help="seconds")
    parser.add_argument("--model-workers", type=int, default=1)
    parser.add_argument("--callback-backoff", default="1,2,4,8,16", help="seconds after each failed delivery")
    parser.add_argument("--api-variants", type=ApiVariants.model_validate_json, default=ApiVariants(), help="JSON")
    parser.add_argument("--faults", type=Faults.model_validate_json, default=Faults(), help="JSON")
    return parser


def _settings(options: argparse.Namespace) -> LocalSettings:
    waits = tuple(float(part) for part in options.callback_backoff.split(",") if part)
    return LocalSettings(
        folder=options.folder,
        api_keys=frozenset(options.api_key or [key_in(options.folder)]),
        balance=options.balance,
        weights=options.weights,
        public_url=options.public_url,
        url_lifetime=options.url_lifetime,
        model_workers=options.model_workers,
        callback_backoff=waits,
        faults=options.faults,
        api_variants=options.api_variants,
    )


def _print_url(key_file: Path | None, url: str) -> None:
    told = {"url": url, "key_file": None if key_file is None else str(key_file.absolute())}
    print(json.dumps(told), flush=True)  # noqa: T201 - the promise of this command


async def _until_signal(options: argparse.Namespace) -> None:
    async with anyio.create_task_group() as group:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            started = partial(_print_url, None if options.api_key else options.folder / NAME)
            run = partial(serve, _settings(options), host=options.host, port=options.port, started=started)
            group.start_soon(run)
            async for _ in signals:
                group.cancel_scope.cancel()
                return


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    anyio.run(_until_signal, _parser().parse_args(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
