"""A worker that takes from another broker than others publish to."""

from collections.abc import Callable

from celeriac.engines import broker_from_url
from tests.worker.conftest import Project

TASKS = """
app.conf.broker_read_url = f"sqlite:///{HERE}/read.sqlite3"

@app.task(bind=True, max_retries=1)
def again(self):
    if not self.request.retries:
        raise self.retry(countdown=0)
    return other.delay().id

@app.task
def other():
    pass
"""


def test_retries_stay_where_the_worker_takes_from_and_tasks_publish_elsewhere(
    project: Callable[[str], Project],
) -> None:
    made = project(TASKS)
    result = made.again.delay()
    [message] = made.app.broker.peek("celery")
    made.app.broker.purge("celery")
    worker = made.worker()
    assert "broker sqlite:///" in worker.log
    assert "/read.sqlite3" in worker.log
    with_worker = broker_from_url(made.app.worker_url)
    with_worker.publish([message])
    with_worker.close()
    published = result.get(timeout=30)
    assert [each.id for each in made.app.broker.peek("celery")] == [published]
