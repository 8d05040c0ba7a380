import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from celeriac.backends.sqlite import SqliteBackend
from celeriac.brokers.sqlite import SqliteBroker

PROGRAMS = Path(__file__).parent / "programs"

Start = Callable[..., "Popen[str]"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "celeriac.sqlite3"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def broker(url: str) -> Iterator[SqliteBroker]:
    broker = SqliteBroker(url)
    yield broker
    broker.close()


@pytest.fixture
def backend(url: str, broker: SqliteBroker) -> Iterator[SqliteBackend]:
    backend = SqliteBackend(url, broker=broker)
    yield backend
    backend.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Start one of the programs beside this file; it is killed at the end of the test."""
    started: list[Popen[str]] = []

    def start_program(name: str, *arguments: str) -> "Popen[str]":
        command = [sys.executable, str(PROGRAMS / f"{name}.py"), *arguments]
        process = Popen(command, stdin=PIPE, stdout=PIPE, text=True, bufsize=1)
        started.append(process)
        return process

    yield start_program
    for process in started:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
