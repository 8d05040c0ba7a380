"""Celery's delays on quorum queues and celeriac's are the same: each delivers what the other has let wait."""

import subprocess
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from celeriac.backends.rpc import RpcBackend
from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.protocol import envelope as envelopes
from celeriac.protocol.amqp_message import WAITED_UNTIL
from celeriac.protocol.message import Message
from celeriac.protocol.result_document import decode_document
from celeriac.protocol.task_call import TaskCall, encode_task
from celeriac.queues import Exchange, Queue
from celeriac.testing.conformance.harness import until
from tests.servers.shared import amqp_url

CELERY_SIDE = Path(__file__).parent / "peer" / "delays.py"

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def queue():
    """The queue that both sides use, as celeriac describes it; deleted afterwards."""
    name = f"interop-delays-{uuid.uuid4().hex[:8]}"
    exchange = Exchange(f"{name}-exchange", "topic")
    quorum = {"x-queue-type": "quorum"}
    yield Queue(name, exchange, routing_key=f"{name}.urgent", queue_arguments=quorum)
    broker = AmqpBroker(amqp_url())
    with broker._pool.channel() as channel:
        channel.delete_queue(name)
        channel.delete_exchange(exchange.name)
    broker.close()


@pytest.fixture
def broker():
    broker = AmqpBroker(amqp_url())
    yield broker
    broker.close()


def test_what_a_celery_client_lets_wait_in_the_broker_comes_to_a_celeriac_worker_when_it_is_due(
    peer_python, queue, broker
):
    consumer = broker.consumer([queue], node="one@interop")
    sent = subprocess.run(
        [peer_python, str(CELERY_SIDE), "send", amqp_url(), queue.name, "2.2"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    [delivery] = until(lambda: consumer.receive(1, 0.2))
    message: Message = envelopes.decode(delivery.envelope)
    assert message.id == sent.stdout.strip()
    # It was not celeriac that let it wait.
    assert WAITED_UNTIL not in message.headers
    # Celery cuts the fraction off, so that it comes early; then it waits in the node.
    assert time.time() >= datetime.fromisoformat(message.headers["eta"]).timestamp()
    assert (message.queue, message.exchange) == (queue.name, "")
    consumer.close()


def test_what_celeriac_lets_wait_in_the_broker_comes_to_a_celery_worker_when_it_is_due(
    peer_python, queue, broker, tmp_path
):
    backend = RpcBackend("rpc://", broker=broker)
    log = tmp_path / "celery.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            [peer_python, str(CELERY_SIDE), "work", amqp_url(), queue.name], stdout=output, stderr=output
        )
    try:
        until(lambda: " ready." in log.read_text(), timeout=60)
        due = time.time() + 1.3
        call = TaskCall(
            task="delays.look",
            id=str(uuid.uuid4()),
            args=("waited",),
            eta=datetime.fromtimestamp(due, UTC),
            reply_to=backend.reply_address(),
        )
        broker._interop = False
        broker.declare(queue)
        broker.publish([encode_task(call, queue=queue.name)])
        found = backend.wait([call.id], 30)[call.id]
        assert time.time() >= due
        result = decode_document(found.document, found.content_type, found.content_encoding, ["application/json"])
        assert result.result == ["waited", datetime.fromtimestamp(due, UTC).isoformat(), queue.name]
    finally:
        worker.kill()
        worker.wait()
        backend._remove()
        backend.close()
