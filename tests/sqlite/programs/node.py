"""A node under orders: reads a command a line, answers each with a line of JSON.

``take N``, ``settle`` (everything taken, with a result each), ``renew``, ``recover``, ``publish ID``, ``quit``.
"""

import json
import sys

from celeriac.backends.base import StoredResult
from celeriac.backends.sqlite import SqliteBackend
from celeriac.brokers.base import Delivery, Outcome, Settlement
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.routing import Queue


def main(url: str, name: str, lease: float) -> None:
    broker = SqliteBroker(url)
    backend = SqliteBackend(url, broker=broker)
    consumer = broker.consumer([Queue("q")], node=name, results=backend, lease=lease)
    taken: list[Delivery] = []
    answer({"ready": name})
    for line in sys.stdin:
        match line.split():
            case ["take", count]:
                taken += consumer.receive(int(count), 10)
                answer([envelopes.decode(delivery.envelope).id for delivery in taken])
            case ["settle"]:
                refused = consumer.settle([settlement(delivery) for delivery in taken])
                taken.clear()
                answer([envelopes.decode(each.delivery.envelope).id for each in refused])
            case ["renew"]:
                answer(consumer.renew(b"status"))
            case ["recover"]:
                answer(consumer.recover())
            case ["publish", task_id]:
                broker.publish([Message(id=task_id, queue="q", headers={})])
                answer(True)
            case _:
                break
    consumer.close()
    backend.close()
    broker.close()


def settlement(delivery: Delivery) -> Settlement:
    task_id = envelopes.decode(delivery.envelope).id
    result = StoredResult(task_id=task_id, state="SUCCESS", document=b"{}", execution=delivery.execution)
    return Settlement(delivery=delivery, outcome=Outcome.ACK, result=result)


def answer(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
