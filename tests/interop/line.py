"""One direction on one wire: a client of one side, and a queue that a worker of the other takes from."""

from typing import Any

import pytest

from tests.interop.grounds import Grounds
from tests.interop.sides import Client, Side
from tests.interop.wire import Wire

DIRECTIONS: dict[str, tuple[Side, Side]] = {
    "to-celeriac": ("celery", "celeriac"),
    "to-celery": ("celeriac", "celery"),
    # Celery with itself says what is to be expected of the two above.
    "celery-alone": ("celery", "celery"),
}


class Line:
    """A client and the queue of a worker, ready."""

    def __init__(self, grounds: Grounds, wire: Wire, direction: str) -> None:
        publisher, worker = DIRECTIONS[direction]
        self.wire = wire
        self.publisher, self.runner = publisher, worker
        self.client: Client = grounds.client(publisher, wire)
        self.worker = grounds.worker(worker, wire)
        self.queue = grounds.queue(worker, wire)

    def send(self, task: str, *args: Any, **options: Any) -> str:
        return self.client.send(task, *args, queue=self.queue, **options)

    def run(self, task: str, *args: Any, **options: Any) -> Any:
        return self.client.value(self.send(task, *args, **options))

    def result(self, task_id: str) -> dict[str, Any]:
        return self.client.result(task_id)


def lines(*wires: str) -> list[Any]:
    """Return parameters for a fixture that makes a ``Line`` of each pair of a wire and a direction."""
    params = []
    for wire in wires:
        for direction in DIRECTIONS:
            marks = [pytest.mark.soak] if direction == "celery-alone" else []
            params.append(pytest.param((wire, direction), id=f"{wire}-{direction}", marks=marks))
    return params
