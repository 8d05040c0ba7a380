"""Checks of the broker and the result backend: a message and a result of the doctor's own go there and back."""

import contextlib
import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from uuid import uuid4

from celeriac import states
from celeriac.backends.base import ResultBackend, StoredResult
from celeriac.brokers.base import Broker, Outcome, Settlement
from celeriac.brokers.remarks import Remark
from celeriac.checks.engines import check_loneliness
from celeriac.checks.finding import Finding, Grade
from celeriac.exceptions import CeleriacError, OperationalError
from celeriac.protocol.message import Message
from celeriac.routing import Queue

__all__ = ["check_backend", "check_broker"]

#: Seconds a probe may take.
_PATIENCE = 5.0
#: Seconds above which the broker is called slow.
_SLOW = 1.0


def check_broker(broker: Broker, *, queues: Sequence[str] = ()) -> Iterator[Finding]:
    """Open the broker; publish a message to a queue of the doctor's own, receive it, and delete the queue.

    ``queues`` are those that the server is asked about.
    """
    if not broker.capabilities.shared:
        yield from check_loneliness(broker.url)
        return
    began = time.monotonic()
    try:
        broker.open()
        arrived = _probe(broker)
    except OperationalError as error:
        yield Finding(Grade.WRONG, str(error))
        return
    took = time.monotonic() - began
    if not arrived:
        yield Finding(
            Grade.WRONG,
            f"{broker.url} took a message and did not give it back within {_PATIENCE:g} s. Look at the server's log.",
        )
    elif took > _SLOW:
        yield Finding(Grade.NOTE, f"{broker.url} is slow: a message took {took:.1f} s there and back.")
    else:
        yield Finding(Grade.OK, f"{broker.url}: a message went there and back in {took * 1000:.0f} ms.")
    yield from _findings(broker.examine(queues))


def check_backend(backend: ResultBackend, *, said: Sequence[Finding] = ()) -> Iterator[Finding]:
    """Open the result backend; store a result of the doctor's own, read it, and forget it.

    What was ``said`` of the broker is not said again, where both are kept by one server.
    """
    if not backend.stores_results:
        return
    if backend.url.startswith("memory:"):
        yield from check_loneliness(backend.url, results=True)
        return
    task_id = f"doctor-{uuid4()}"
    try:
        backend.open()
        address = backend.reply_address()
        result = StoredResult(task_id=task_id, state=states.SUCCESS, document=b"{}", lifetime=60.0, reply_to=address)
        refused = backend.store([result])
        found = backend.fetch_one(task_id)
        backend.forget([task_id])
    except OperationalError as error:
        yield Finding(Grade.WRONG, str(error))
        return
    if refused or found is None:
        yield Finding(Grade.WRONG, f"{backend.url} took a result and does not know it. Look at the server's log.")
    else:
        yield Finding(Grade.OK, f"{backend.url}: a result went there and back.")
    yield from (finding for finding in _findings(backend.examine()) if finding not in said)


def _findings(remarks: Iterable[Remark]) -> Iterator[Finding]:
    for remark in remarks:
        yield Finding(Grade(remark.weight), remark.sentence)


def _probe(broker: Broker) -> bool:
    """Say whether a message comes back; leaves no trace."""
    queue = Queue(f"celeriac-doctor-{uuid4()}")
    node = f"doctor-{os.getpid()}@{socket.gethostname()}"
    message = Message(id=str(uuid4()), queue=queue.name, headers={"task": "celeriac.doctor"}, body=b"[[], {}, {}]")
    broker.declare(queue)
    try:
        broker.publish([message], timeout=_PATIENCE)
        consumer = broker.consumer([queue], node=node)
        try:
            deliveries = consumer.receive(1, _PATIENCE)
            consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK) for delivery in deliveries])
        finally:
            consumer.close()
    finally:
        with contextlib.suppress(CeleriacError):
            broker.delete(queue.name)
    return bool(deliveries)
