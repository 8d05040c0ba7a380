"""Celery's side of ``test_real_celery.py``, run by an interpreter that has Celery and not celeriac.

``execute`` puts the envelopes from standard input into kombu's in-memory queue, lets a real worker run them, and prints
the documents its backend then holds. ``read`` puts documents into a backend and prints what ``AsyncResult`` says.
"""

import json
import os
import sys
import time
from base64 import b64decode, b64encode

import celery
from celery.backends.base import KeyValueStoreBackend
from celery.contrib.testing.worker import start_worker
from celery.result import AsyncResult
from kombu.utils.uuid import uuid

#: Seconds.
DEADLINE = 30


class DictBackend(KeyValueStoreBackend):
    """Celery's key-value backend over a dict."""

    supports_result_compression = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.values = {}

    def get(self, key):
        return self.values.get(key)

    def set(self, key, value):
        self.values[key] = value

    def delete(self, key):
        self.values.pop(key, None)


app = celery.Celery("peer", broker="memory://")
app.conf.update(accept_content=["json", "pickle"], worker_hijack_root_logger=False, broker_connection_retry=False)
backend = app._backend_cache = DictBackend(app)


@app.task(name="peer.echo", bind=True)
def echo(self, *args, **kwargs):
    """Return what arrived."""
    request = self.request
    facts = (
        "retries",
        "root_id",
        "parent_id",
        "group",
        "group_index",
        "eta",
        "expires",
        "timelimit",
        "shadow",
        "headers",
    )
    return {
        "args": [repr(value) for value in args],
        "kwargs": {name: repr(value) for name, value in kwargs.items()},
        **{name: getattr(request, name) for name in facts},
    }


@app.task(name="peer.fail")
def fail():
    """Fail."""
    raise ValueError("on purpose", 3)


def execute(request):
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        with start_worker(app, pool="solo", perform_ping_check=False):
            for envelope in request["envelopes"]:
                envelope["properties"]["delivery_tag"] = uuid()
                channel._put("celery", envelope)
            await_results(request["ids"])
            keys = {task_id: backend.get_key_for_task(task_id) for task_id in request["ids"]}
            answer({task_id: b64encode(as_bytes(backend.values[key])).decode() for task_id, key in keys.items()})


def await_results(ids):
    deadline = time.monotonic() + DEADLINE
    while missing := [task_id for task_id in ids if backend.get_key_for_task(task_id) not in backend.values]:
        if time.monotonic() > deadline:
            sys.exit(f"no result of {missing} after {DEADLINE} s")
        time.sleep(0.01)


def read(request):
    answers = {}
    for task_id, document in request["documents"].items():
        backend.set(backend.get_key_for_task(task_id), b64decode(document))
        result = AsyncResult(task_id, app=app)
        value = result.result
        answers[task_id] = {
            "state": result.state,
            "value": repr(value),
            "class": f"{type(value).__module__}.{type(value).__qualname__}",
            "date_done": result.date_done and result.date_done.isoformat(),
            "children": [child.id for child in result.children or []],
            "name": result.name,
            "worker": result.worker,
        }
    answer(answers)


def as_bytes(value):
    return value if isinstance(value, bytes) else value.encode("utf-8")


def answer(value):
    """Print the answer and end at once: a worker of Celery's takes seconds to stop in order."""
    print(json.dumps(value), flush=True)
    os._exit(0)


if __name__ == "__main__":
    {"execute": execute, "read": read}[sys.argv[1]](json.load(sys.stdin))
