"""RabbitMQ's clients alone: persistent messages to a classic durable queue, and from it.

celeriac's own client publishes the very messages of calls, their table of headers included: reading that is a third of
what a message costs the server, so messages without headers would be less work, and no floor.
"""

import itertools
import json
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.environments import prepare
from benchmarks.floors.floor import CELERYS, Floor, timed
from benchmarks.stores import Store
from celeriac.amqp.channel import Channel
from celeriac.amqp.connection import Connection
from celeriac.amqp.content import Outgoing
from celeriac.amqp.location import Location
from celeriac.identifiers import uuid
from celeriac.protocol.amqp_message import to_properties
from celeriac.protocol.task_call import TaskCall, encode_task

__all__ = ["OWN_CONFIRMED", "OWN_UNCONFIRMED", "PY_AMQP_CONFIRMED", "PY_AMQP_UNCONFIRMED"]

_BATCH = 500
_PATIENCE = 30.0


def _own(store: Store, count: int, bulk: int, *, confirmed: bool) -> dict[str, dict[str, float]]:
    location = Location.from_url(store.urls()[0], {})
    connection = Connection.open(location, name="benchmark")
    try:
        channel = connection.channel()
        channel.declare_queue(store.queue)
        send = _confirmed if confirmed else _unconfirmed
        send(channel, _calls(store.queue, 100), 1)
        one_by_one, many = _calls(store.queue, count), _calls(store.queue, bulk)
        publish = timed(store, count, lambda: send(channel, one_by_one, 1))
        publish |= timed(store, bulk, lambda: send(channel, many, _BATCH), "bulk-")
        channel = connection.channel()
        return {
            "publish": publish,
            "drain-off": timed(store, count + bulk, lambda: _take(channel, store, count + bulk)),
        }
    finally:
        connection.close()


def _calls(queue: str, count: int) -> list[Outgoing]:
    """Return what celeriac publishes for so many calls of a small task, made beforehand."""
    now = time.time()
    calls = (TaskCall(task="tasks_celeriac.add", id=uuid(), args=(number, 1)) for number in range(count))
    messages = (encode_task(call, queue=queue) for call in calls)
    return [
        Outgoing(routing_key=queue, properties=to_properties(message, now), body=message.body) for message in messages
    ]


def _confirmed(channel: Channel, messages: Iterable[Outgoing], batch: int) -> None:
    for batched in _batches(messages, batch):
        receipts = channel.publish(batched, timeout=_PATIENCE)
        assert receipts.is_clean


def _unconfirmed(channel: Channel, messages: list[Outgoing], batch: int) -> None:
    for batched in _batches(messages, batch):
        for message in batched:
            channel.connection.write(message.write(channel.number, channel.connection.frame_max))
        while channel.connection.has_unsent:
            channel.connection.drive(0.0)
    # An order that is answered: by then the server has read all that came before.
    channel.declare_queue(messages[-1].routing_key, passive=True)


def _batches(messages: Iterable[Outgoing], size: int) -> Iterator[list[Outgoing]]:
    iterator = iter(messages)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _take(channel: Channel, store: Store, count: int) -> None:
    """Have messages pushed, 256 at most unsettled, and ack them as they come in, many at once."""
    channel.window(256)
    channel.consume(store.queue)
    taken = 0
    while taken < count:
        channel.connection.drive(_PATIENCE)
        if channel.arrivals:
            taken += len(channel.arrivals)
            channel.ack(channel.arrivals[-1].delivery_tag, multiple=True)
            channel.arrivals.clear()
    channel.connection.drive(0.0)


def _py_amqp(store: Store, count: int, bulk: int, *, confirmed: bool) -> dict[str, dict[str, float]]:
    script = Path(__file__).parents[1] / "tasks" / "floor_amqp.py"
    words = [store.urls()[0], store.queue, str(count), str(bulk), str(len(CELERYS)), "confirmed" if confirmed else ""]
    before = store.cpu() or 0.0
    done = subprocess.run([str(prepare("celery")), str(script), *words], capture_output=True, check=True, text=True)
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    found["publish"]["server"] = ((store.cpu() or 0.0) - before) / count * 1e6
    return found


OWN_CONFIRMED = Floor(
    name="celeriac.amqp alone, confirmed",
    engine="rabbitmq",
    settings="celeriac's own client: the very messages of calls, made beforehand, persistent, wait for the confirm; "
    "500 at once in bulk; push with 256 unsettled, ack many at once, one process, no tasks",
    look=lambda store, count, bulk: _own(store, count, bulk, confirmed=True),
)
OWN_UNCONFIRMED = Floor(
    name="celeriac.amqp alone, unconfirmed",
    engine="rabbitmq",
    settings="the same without confirms: what is lost on the way nobody learns",
    look=lambda store, count, bulk: _own(store, count, bulk, confirmed=False),
)
PY_AMQP_CONFIRMED = Floor(
    name="py-amqp alone, confirmed",
    engine="rabbitmq",
    settings="Celery's client, 800 bytes without headers, basic_publish_confirm",
    look=lambda store, count, bulk: _py_amqp(store, count, bulk, confirmed=True),
)
PY_AMQP_UNCONFIRMED = Floor(
    name="py-amqp alone, unconfirmed",
    engine="rabbitmq",
    settings="Celery's client, 800 bytes without headers, basic_publish, its default",
    look=lambda store, count, bulk: _py_amqp(store, count, bulk, confirmed=False),
)
