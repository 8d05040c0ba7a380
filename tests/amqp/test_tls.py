"""RabbitMQ behind TLS."""

import pytest

from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.exceptions import BrokerUnavailable
from celeriac.protocol.message import Message
from celeriac.queues import Queue
from celeriac.testing.conformance.harness import until
from tests.servers.certificates import make_certificates
from tests.servers.ports import free_port
from tests.servers.rabbit_server import RabbitServer

pytestmark = [pytest.mark.soak, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def port(certificates, tmp_path_factory):
    port = free_port()
    settings = {
        "listeners.ssl.default": f"127.0.0.1:{port}",
        "ssl_options.cacertfile": str(certificates.authority),
        "ssl_options.certfile": str(certificates.certificate),
        "ssl_options.keyfile": str(certificates.key),
        "ssl_options.verify": "verify_none",
    }
    with RabbitServer(tmp_path_factory.mktemp("rabbitmq"), settings=settings):
        yield port


def test_messages_large_and_small_come_and_go(certificates, port):
    url = f"amqps://guest:guest@localhost:{port}//"
    broker = AmqpBroker(url, options={"ssl": {"ca_certs": str(certificates.authority)}})
    bodies = [b"x" * size for size in (0, 10, 20_000, 3_000_000)]
    broker.publish(
        [Message(id=f"{number}", queue="q", headers={"task": "t"}, body=body) for number, body in enumerate(bodies)]
    )
    node = broker.consumer([Queue("q")], node="test@here")
    received: list[bytes] = []

    def is_done() -> bool:
        received.extend(delivery.envelope for delivery in node.receive(4, 1))
        return len(received) == len(bodies)

    until(is_done)
    assert [body in envelope for body, envelope in zip(bodies, received, strict=True)] == [True] * 4
    node.close()
    broker.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(port):
    broker = AmqpBroker(f"amqps://guest:guest@localhost:{port}//")
    with pytest.raises(BrokerUnavailable, match="certificate that is not trusted"):
        broker.open()
    trusting = AmqpBroker(f"amqps://guest:guest@localhost:{port}//", options={"ssl": {"cert_reqs": "none"}})
    trusting.open()
    trusting.close()


def test_a_port_without_tls_is_told_apart(port):
    broker = AmqpBroker(f"amqp://guest:guest@localhost:{port}//")
    with pytest.raises(BrokerUnavailable, match="with TLS 5671"):
        broker.open()
