"""The tasks as RQ has them."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import rq
import work
from redis import Redis

VERSION = rq.__version__
queue = rq.Queue(connection=Redis.from_url(work.BROKER))
#: Seconds a result is kept; 0: it is not stored.
_KEPT = 500 if work.RESULTS else 0


class Worker(rq.Worker):
    """What forks for each job; as this is where it comes from, the tasks have been imported by then."""


def add(left: int, right: int) -> int:
    return left + right


def publish(left: int, right: int) -> Any:
    return queue.enqueue("tasks_rq.add", args=(left, right), result_ttl=_KEPT)


def publish_many(calls: Sequence[tuple[int, int]]) -> None:
    queue.enqueue_many([rq.Queue.prepare_data("tasks_rq.add", args=call, result_ttl=_KEPT) for call in calls])


def publish_later(calls: Sequence[tuple[int, int]]) -> None:
    for call in calls:
        queue.enqueue_in(timedelta(seconds=work.LATER), "tasks_rq.add", *call)


def publish_mark(name: str) -> None:
    queue.enqueue("work.note_mark", args=(name,))


def publish_waited() -> None:
    queue.enqueue("work.note_wait", args=(time.monotonic(),))


def publish_sleep(seconds: float) -> None:
    queue.enqueue("time.sleep", args=(seconds,))


def fetch(job: Any) -> Any:
    return job.latest_result(timeout=60).return_value
