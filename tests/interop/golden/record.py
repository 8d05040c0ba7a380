"""Record golden files: what a real Celery makes of the inputs in ``cases.py``.

Run by hand, as the README beside it says; nothing of celeriac is imported. Celery's own code makes every byte: calls
are published through kombu's in-memory transport, results stored through Celery's key-value backend.
"""

import itertools
import json
import sys
import uuid
import warnings
from base64 import b64encode
from pathlib import Path

import cases
import celery
import kombu
from celery import chain, chord, group
from celery.app import amqp
from celery.app.task import Context
from celery.backends.base import KeyValueStoreBackend
from celery.utils.saferepr import saferepr
from kombu.utils.uuid import uuid as make_id

HERE = Path(__file__).parent
QUEUE = "celery"


class DictBackend(KeyValueStoreBackend):
    """Celery's key-value backend over a dict, which is as much as it takes."""

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


class Exceptions:
    """Celery's exceptions by name, wherever they come from."""

    def __getattr__(self, name):
        return getattr(celery.exceptions, name)


def make_app(**settings):
    app = celery.Celery("proj", broker="memory://", set_as_current=False)
    app.conf.update(task_create_missing_queues=True, result_backend="cache+memory://", **settings)
    app.conf.accept_content = ["json", "pickle", "yaml", "msgpack"]
    app.now = lambda: cases.NOW
    app._backend_cache = DictBackend(app)
    return app


def published(app):
    """Return, oldest first, what lies in the in-memory queue, and empty it."""
    with app.connection_for_read() as connection, connection.channel() as channel:
        messages = []
        while channel._size(QUEUE):
            messages.append(channel._get(QUEUE))
    for message in messages:
        del message["properties"]["delivery_tag"]
    return messages


def publish(app, fields, options):
    """Publish one call as ``Celery.send_task`` does, from the protocol's own fields."""
    fields = dict(fields)
    hard, soft = fields.pop("timelimit", (None, None))
    stamps = fields.pop("stamps", {})
    message = app.amqp.create_task_message(
        fields.pop("id"),
        fields.pop("task"),
        time_limit=hard,
        soft_time_limit=soft,
        group_id=fields.pop("group", None),
        **{name: value for name, value in fields.items() if name != "headers"},
        **stamps,
    )
    with app.producer_or_acquire() as producer:
        app.amqp.send_task_message(producer, "", message, queue=QUEUE, headers=fields.get("headers"), **options)
    (envelope,) = published(app)
    return envelope


def record_calls():
    app = make_app()
    return {name: publish(app, fields, options) for name, (fields, options) in cases.CALLS.items()}


def record_old_calls():
    app = make_app(task_protocol=1)
    return {name: publish(app, fields, {}) for name, fields in cases.OLD_CALLS.items()}


def record_canvas():
    """Publish composed signatures and everything else that only ``apply_async`` makes."""
    app = make_app(task_default_queue=QUEUE)

    @app.task(name="proj.add", shared=False)
    def add(x, y):
        return x + y

    @app.task(name="proj.sum", shared=False)
    def sum_up(numbers):
        return sum(numbers)

    counted = (uuid.UUID(int=number) for number in itertools.count(1))
    make_id.__defaults__ = (lambda: next(counted),)
    app.thread_oid  # noqa: B018 - made once, before the rest, so that it is the first id
    calls = {
        "delay": lambda: add.delay(2, 3),
        "countdown": lambda: add.apply_async((2, 3), countdown=90.5),
        "eta and expires in seconds": lambda: add.apply_async((2, 3), eta=cases.NOW, expires=120),
        "link and link_error": lambda: add.apply_async((2, 3), link=add.s(4), link_error=[add.si(0, 0), sum_up.s()]),
        "chain": lambda: chain(add.s(1, 2), add.s(3), add.s(4).set(countdown=10)).apply_async(),
        "group": lambda: group(add.s(1, 1), add.s(2, 2)).apply_async(),
        "chord": lambda: chord([add.s(1, 1), add.s(2, 2)], sum_up.s()).apply_async(),
        "chain with a group": (add.s(1, 2) | group(add.s(3), add.s(4)) | sum_up.s()).apply_async,
        "map": lambda: sum_up.map([[1, 2], [3]]).apply_async(),
        "starmap": lambda: add.starmap([(1, 2), (3, 4)]).apply_async(),
        "chunks": lambda: add.chunks([(1, 2), (3, 4), (5, 6)], 2).apply_async(),
        "headers and stamps": lambda: add.apply_async((2, 3), headers={"h": 1}, stamped_headers=["s"], s="v"),
    }
    recorded = {}
    for name, send in calls.items():
        send()
        recorded[name] = published(app)
    return recorded


def record_documents():
    recorded = {}
    for name, (fields, storage) in cases.DOCUMENTS.items():
        app = make_app(
            result_serializer=storage.get("serializer", "json"),
            result_compression=storage.get("compression"),
            result_extended="name" in fields,
        )
        backend = app.backend
        result = fields["result"](Exceptions()) if callable(fields["result"]) else fields["result"]
        request = None
        if fields["children"] is not None:
            request = make_request(app, fields)
        backend.store_result(
            fields["task_id"], result, fields["status"], traceback=fields.get("traceback"), request=request
        )
        (data,) = backend.values.values()
        recorded[name] = {
            "content_type": backend.content_type,
            "content_encoding": backend.content_encoding,
            "data": as_text(data),
        }
    return recorded


def make_request(app, fields):
    """Return the running task's request, as far as the backend looks at it."""
    request = Context(
        id=fields["task_id"],
        group=fields.get("group_id"),
        parent_id=fields.get("parent_id"),
        task=fields.get("name"),
        args=fields.get("args"),
        kwargs=fields.get("kwargs"),
        hostname=fields.get("worker"),
        retries=fields.get("retries"),
        delivery_info={"routing_key": fields.get("queue")},
        stamped_headers=fields.get("stamped_headers"),
        stamps=fields.get("stamps"),
        ignore_result=False,
    )
    request._children = [celery.result.result_from_tuple(child, app) for child in fields["children"]]
    return request


def record_representations():
    return [saferepr(value, length, maxlevels=levels) for value, length, levels in cases.REPRESENTATIONS]


def as_text(data):
    return b64encode(data if isinstance(data, bytes) else data.encode("utf-8")).decode("ascii")


def main():
    warnings.simplefilter("ignore")
    amqp.anon_nodename = lambda: cases.ORIGIN
    recordings = {
        "calls": record_calls,
        "old_calls": record_old_calls,
        "documents": record_documents,
        "representations": record_representations,
        "canvas": record_canvas,
    }
    for name, record in recordings.items():
        content = {"celery": celery.__version__, "kombu": kombu.__version__, "recorded": record()}
        text = json.dumps(content, indent=1, ensure_ascii=True) + "\n"
        (HERE / f"{name}.json").write_text(text, encoding="ascii")
        print(f"{name}.json: {len(content['recorded'])} recordings of Celery {celery.__version__}", file=sys.stderr)


if __name__ == "__main__":
    main()
