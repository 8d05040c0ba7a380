"""The delay queues are those that a worker of a real Celery declares."""

import json
from pathlib import Path

from celeriac.protocol.amqp_delay import DELIVERY_EXCHANGE, topology

GOLDEN = json.loads((Path(__file__).parent / "golden" / "delays.json").read_text())


def test_exchanges_queues_and_bindings_are_celery_s():
    ours = topology("quorum")
    assert sorted([name, "topic", True] for name in ours.exchanges) == GOLDEN["exchanges"]
    assert sorted([queue.name, "quorum", queue.arguments] for queue in ours.queues) == GOLDEN["queues"]
    bindings = [[one.exchange, "queue", one.queue, one.routing_key] for one in ours.queue_bindings]
    bindings += [[one.source, "exchange", one.destination, one.routing_key] for one in ours.exchange_bindings]
    own = [binding for binding in GOLDEN["bindings"] if binding[0] != DELIVERY_EXCHANGE]
    assert sorted(bindings) == own
