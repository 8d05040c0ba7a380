"""Workers on private servers that are stopped, killed, silenced and filled."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.outages.ground import GROUNDS, Ground
from tests.outages.journal import Journal
from tests.outages.producer import Producer
from tests.worker.conftest import Project, Worker, project, wait_until

__all__ = ["Fleet", "fleet", "ground", "project"]

TASKS = """
app.conf.task_ignore_result = {ignore}

@app.task
def mark(number, seconds=0.0):
    note("begun", f"{number} {os.getpid()}")
    time.sleep(seconds)
    note("ended", f"{number} {os.getpid()}")

@app.task
def slow(number, seconds):
    note("begun", f"{number} {os.getpid()}")
    time.sleep(seconds)
    note("ended", f"{number} {os.getpid()}")
    return number

@app.task(bind=True)
def twice(self, number):
    note("begun", f"{number} {os.getpid()}")
    if not self.request.retries:
        raise self.retry(countdown=0)
    note("ended", f"{number} {os.getpid()}")
"""


class Fleet:
    """Nodes on one server, and the journal of what they have run."""

    def __init__(self, ground: Ground, project: Project) -> None:
        self.ground = ground
        self.project = project
        self.tasks = project.module
        self.journal = Journal(project.directory)

    def worker(self, **options) -> Worker:
        """Start a node."""
        return self.project.worker(**options)

    def begun(self) -> Counter[int]:
        """How often each number's task has begun."""
        return Counter({number: len(pids) for number, pids in self.journal.begun().items()})

    def ended(self) -> set[int]:
        """Numbers whose task has ended."""
        return set(self.journal.ended())

    def wait_ended(self, numbers: set[int], what: str = "ended", patience: float = 30.0) -> None:
        """Wait until all of these have ended."""
        wait_until(lambda: numbers <= self.ended(), what, patience)

    def producer(self, *, pause: float = 0.005, seconds: float = 0.0) -> Producer:
        """Return a producer of tasks that take so long."""
        return Producer(lambda number: self.tasks.mark.delay(number, seconds), pause=pause)

    def size(self) -> tuple[int | None, int | None]:
        """Return how many messages are ready and in flight."""
        size = self.project.app.broker.size("celery")
        return size.ready, size.in_flight


@pytest.fixture(scope="module", params=list(GROUNDS))
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A server of each kind, one for all tests of a module: each leaves it as it was."""
    directory: Path = tmp_path_factory.mktemp(request.param)
    with contextlib.closing(GROUNDS[request.param](directory)) as ground:
        yield ground


@pytest.fixture
def fleet(ground: Ground, project: Callable[..., Project]) -> Iterator[Fleet]:
    """Tasks on that server. What a failed test has left in the queue is dropped."""
    source = TASKS.format(ignore=ground.backend.startswith("disabled"))
    fleet = Fleet(ground, project(source, broker=ground.broker, backend=ground.backend))
    yield fleet
    for worker in fleet.project.workers:
        worker.destroy()
    fleet.project.app.broker.purge("celery")
