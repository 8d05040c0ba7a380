"""Workers on private servers that are stopped, killed, silenced and filled."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.outages.ground import GROUNDS, Ground
from tests.outages.journal import NOTE, Journal
from tests.outages.producer import Producer
from tests.worker.conftest import Project, Worker, project, wait_until

__all__ = ["Fleet", "fleet", "ground", "project"]

TASKS = (
    NOTE
    + """
@app.task
def mark(number, seconds=0.0):
    journal("begun", number)
    time.sleep(seconds)
    journal("ended", number)

@app.task
def slow(number, seconds):
    journal("begun", number)
    time.sleep(seconds)
    journal("ended", number)
    return number

@app.task(bind=True)
def twice(self, number, until):
    journal("begun", number)
    while not (HERE / until).exists():
        time.sleep(0.02)
    if not self.request.retries:
        raise self.retry(countdown=0)
    journal("ended", number)
"""
)


class Fleet:
    """Nodes on one server, and the journal of what they have run."""

    def __init__(self, ground: Ground, project: Project) -> None:
        self.ground = ground
        self.project = project
        self.tasks = project.module
        self.journal = Journal(project.directory)

    def worker(self, **options) -> Worker:
        """Start a node, of a name that no other test's has: the server remembers those for a while."""
        return self.project.worker(hostname=f"{uuid4()}@here", **options)

    def begun(self) -> Counter[int]:
        """How often each number's task has begun."""
        return Counter({number: len(entries) for number, entries in self.journal.begun().items()})

    def ended(self) -> set[int]:
        """Numbers whose task has ended."""
        return set(self.journal.ended())

    def wait_ended(self, numbers: set[int], what: str = "ended", patience: float = 30.0) -> None:
        """Wait until all of these have ended."""
        wait_until(lambda: numbers <= self.ended(), what, patience)

    def producer(self, *, pause: float = 0.005, seconds: float = 0.0, retry: bool = True) -> Producer:
        """Return a producer of tasks that take so long.

        Without ``retry`` a publish that is not answered is not tried again, so that nothing is published twice.
        """
        return Producer(lambda number: self.tasks.mark.apply_async((number, seconds), retry=retry), pause=pause)

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
    """Tasks on that server. What a failed test has left is made good."""
    ground.mend()
    fleet = Fleet(ground, project(TASKS, broker=ground.broker, backend=ground.backend))
    yield fleet
    for worker in fleet.project.workers:
        worker.destroy()
    ground.mend()
    fleet.project.app.broker.purge("celery")
