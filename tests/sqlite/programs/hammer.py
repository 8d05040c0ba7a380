"""Publishes, takes and settles as fast as it can until it is killed.

Each published task ends with a result and one follow-up, a message to the queue "children" with the same id. Every
other batch is published together with results that say PENDING. Ids are written to the log once ``publish`` has
returned.
"""

import os
import sys
import time

from celeriac.backends.base import StoredResult
from celeriac.backends.sqlite import SqliteBackend
from celeriac.brokers.base import Delivery, Outcome, Settlement
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.routing import Queue


def main(url: str, log: str) -> None:
    broker = SqliteBroker(url)
    backend = SqliteBackend(url, broker=broker)
    consumer = broker.consumer([Queue("q")], node=f"{os.getpid()}@hammer", results=backend, lease=2)
    published = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    number = 0
    renewed_at = 0.0
    while True:
        if time.monotonic() - renewed_at > 0.2:
            renewed_at = time.monotonic()
            consumer.renew()
            consumer.recover()
        batch = [f"{os.getpid()}-{number + step}" for step in range(7)]
        number += len(batch)
        messages = [Message(id=task_id, queue="q", headers={"task": "t"}) for task_id in batch]
        if number % 2:
            broker.publish(messages)
        else:
            waiting = [StoredResult(task_id=task_id, state="PENDING", document=b"{}") for task_id in batch]
            broker.publish_with_results(messages, waiting, backend)
        os.write(published, "".join(f"{task_id}\n" for task_id in batch).encode())
        consumer.settle([settlement(delivery, place) for place, delivery in enumerate(consumer.receive(10, 0))])


def settlement(delivery: Delivery, place: int) -> Settlement:
    task_id = envelopes.decode(delivery.envelope).id
    child = Message(id=task_id, queue="children", headers={})
    if place % 5 == 4:
        # Some come back first, as a retry would.
        return Settlement(delivery=delivery, outcome=Outcome.REQUEUE)
    result = StoredResult(task_id=task_id, state="SUCCESS", document=b"{}", execution=delivery.execution)
    return Settlement(delivery=delivery, outcome=Outcome.ACK, result=result, follow_ups=(child,))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
