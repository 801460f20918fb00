"""One local service for many tests, one installation for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import kernel_namespace
import pytest
from command_line import Desk, desk_in
from daemon_process import Installation, Service
from local_service import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kernel_namespace import Namespace


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service of one test process; every test's images are new to it."""
    with Service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def service(shared_service: Service) -> Service:
    """The shared service, honest again."""
    shared_service.calm()
    return shared_service


@pytest.fixture(scope="module")
def bare_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service as a process of its own that made nothing yet and knows one key."""
    with ServiceProcess(tmp_path_factory.mktemp("service")) as process:
        yield process


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A folder to call commands in."""
    yield from desk_in(tmp_path)


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """Mounts and limits of one's own."""
    made = kernel_namespace.required()
    yield made
    made.close()


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Service]:
    """A service to kill."""
    with Service(tmp_path / "service") as service:
        yield service


@pytest.fixture
def installation(tmp_path: Path, service: Service) -> Iterator[Installation]:
    """Folders, a configuration and a daemon that is still to be started."""
    made = Installation(tmp_path / "installation", service)
    yield made
    made.end()
