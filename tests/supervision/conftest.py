import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Self, TypeVar

import pytest

from celeriac.supervision.child_process import ChildProcess
from celeriac.supervision.fork_server import ForkServer
from celeriac.supervision.spawner import Spawner
from tests.supervision.node import SPAWNERS

Start = Callable[..., ChildProcess]
Value = TypeVar("Value")

#: Seconds any condition is given: much, because the machine may be busy; nothing waits so long when all is well.
PATIENCE = 20.0


@pytest.fixture(params=SPAWNERS)
def spawner(request: pytest.FixtureRequest) -> Iterator[Spawner]:
    with SPAWNERS[request.param]() as spawner:
        yield spawner


@pytest.fixture(params=[False, True], ids=["linux", "portable"])
def fork_server(request: pytest.FixtureRequest) -> Iterator[ForkServer]:
    with ForkServer(portable=request.param) as server:
        yield server


@pytest.fixture
def start(spawner: Spawner) -> Iterator[Start]:
    """Start a target of ``targets.py``; the children are closed at the end."""
    yield from starter(spawner)


@pytest.fixture
def fork(fork_server: ForkServer) -> Iterator[Start]:
    """The same, with the fork server."""
    yield from starter(fork_server)


def starter(spawner: Spawner) -> Iterator[Start]:
    children: list[ChildProcess] = []

    def start(target: str, argument: bytes = b"", *, fds: Sequence[int] = (), name: str = "") -> ChildProcess:
        child = spawner.start(f"tests.supervision.targets:{target}", argument, fds=fds, name=name)
        children.append(child)
        return child

    yield start
    for child in children:
        child.close()


@pytest.fixture
def channel() -> Iterator["Channel"]:
    with Channel() as channel:
        yield channel


class Channel:
    """A pipe from a child to the test."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.reading)
        self.hand_over()

    def hand_over(self) -> None:
        """Close the test's copy of the child's end, so that the end of the data can be seen."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def read(self) -> bytes:
        """Wait for something and return it."""
        assert select.select([self.reading], [], [], PATIENCE)[0], "The child has written nothing."
        return os.read(self.reading, 1 << 16)

    def read_all(self) -> bytes:
        """Wait for the end of the data and return all."""
        self.hand_over()
        data = b""
        while chunk := self.read():
            data += chunk
        return data


def wait_until(condition: Callable[[], Value]) -> Value:
    """Wait until the condition holds and return what it returned."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, "The condition never held."
        time.sleep(0.005)
    return value
