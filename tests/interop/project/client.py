"""A process that publishes tasks and reads results for a test, with the app of ``work``: Celery's or celeriac's.

Reads pickled pairs of a function's name and its keyword arguments from standard input; writes pickled pairs to standard
output: True and what it returned, or False and the text of the error.
"""

import os
import pickle
import sys
import traceback

import work

app = work.app


def send(*, task, args=(), kwargs=None, **options):
    """Publish a task; return its id. ``link`` and ``link_error`` are triples of a task's name, arguments and an id."""
    for name in {"link", "link_error"} & options.keys():
        linked, linked_args, linked_id = options[name]
        options[name] = app.signature(linked, args=linked_args, task_id=linked_id, queue=options.get("queue"))
    return app.tasks[task].apply_async(args, kwargs, **options).id


def send_many(*, task, calls, **options):
    """Publish a task once for each tuple of arguments; return the ids."""
    return [app.tasks[task].apply_async(args, **options).id for args in calls]


def send_chain(*, calls):
    """Publish a chain of triples of a task's name, its arguments and its queue; return the ids in that order."""
    links = (app.signature(task, args=args, queue=queue) for task, args, queue in calls)
    result = work.package.chain(*links).apply_async()
    ids = []
    while result is not None:
        ids.insert(0, result.id)
        result = result.parent
    return ids


def send_chord(*, calls, body, queue):
    """Publish a chord of pairs of a task's name and its arguments; return the id of its body."""
    header = [app.signature(task, args=args, queue=queue) for task, args in calls]
    return work.package.chord(header)(app.signature(body, queue=queue)).id


def result(*, task_id, timeout=30):
    """Wait for a task; return what its result says."""
    found = app.AsyncResult(task_id)
    try:
        value = found.get(timeout=timeout, propagate=False)
    except work.exceptions.TimeoutError:
        return {"state": found.state, "value": None}
    document = {
        "state": found.state,
        "traceback": found.traceback,
        "children": [each.id for each in found.children or []],
    }
    # In each library's own class of time zones.
    document["date_done"] = found.date_done and found.date_done.timestamp()
    document |= {name: getattr(found, name) for name in ("name", "worker", "retries", "queue")}
    if isinstance(value, BaseException):
        kind = type(value)
        return document | {"value": None, "error": kind.__qualname__, "module": kind.__module__, "args": value.args}
    return document | {"value": value}


def state(*, task_id):
    """Return a task's state and what is stored with it, as it is now."""
    found = app.AsyncResult(task_id)
    info = found.info
    return {"state": found.state, "info": repr(info) if isinstance(info, BaseException) else info}


def sweep(*, prefix, queues):
    """Delete queues, the exchanges of their names, and Redis's keys with this prefix."""
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        for queue in queues:
            channel.queue_delete(queue)
            channel.exchange_delete(queue)
        # celery-node leaves it behind, with nothing bound to it.
        channel.exchange_delete("default", if_unused=True)
    if app.conf.result_backend.startswith("redis"):
        import redis

        client = redis.Redis.from_url(app.conf.result_backend)
        for key in client.scan_iter(f"{prefix}*", count=1000):
            client.delete(key)


def main():
    # What the libraries print must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            name, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = (True, globals()[name](**arguments))
        except Exception:  # noqa: BLE001 - the test shows it
            answer = (False, traceback.format_exc())
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
