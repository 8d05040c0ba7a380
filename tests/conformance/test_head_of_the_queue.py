"""What the embedded engines promise beyond the port: a requeued message goes to the head of its queue."""

from pathlib import Path

import pytest

from celeriac.brokers.base import Outcome, Settlement
from celeriac.engines import broker_from_url
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.message import Message
from celeriac.routing import Queue


@pytest.mark.parametrize("scheme", ["memory", "sqlite"])
def test_a_requeued_message_comes_again_before_those_behind_it(scheme: str, tmp_path: Path) -> None:
    broker = broker_from_url({"memory": f"memory://{id(tmp_path)}", "sqlite": f"sqlite:///{tmp_path}/q"}[scheme])
    broker.publish([Message(id=task_id, queue="q", headers={}) for task_id in "abc"])
    consumer = broker.consumer([Queue("q")], node="one@here")
    [first] = consumer.receive(1, 5)
    assert consumer.settle([Settlement(delivery=first, outcome=Outcome.REQUEUE)]) == []
    deliveries = consumer.receive(3, 5)
    assert [envelopes.decode(delivery.envelope).id for delivery in deliveries] == ["a", "b", "c"]
    consumer.close()
    broker.close()
