"""The broker on RabbitMQ passes the suite, and with quorum queues all of it that has to do with a queue's type."""

from collections.abc import Iterator

import pytest

from celeriac.backends.base import ResultBackend
from celeriac.backends.memory import MemoryBackend
from celeriac.brokers.amqp.broker import AmqpBroker
from celeriac.brokers.amqp.consumer import AmqpConsumer
from celeriac.brokers.amqp.dead_letters import DEAD_QUEUE
from celeriac.brokers.base import Broker, Consumer
from celeriac.testing.conformance.broker import BrokerConformance
from celeriac.testing.conformance.harness import BrokerHarness
from celeriac.testing.conformance.publishing import Publishing
from celeriac.testing.conformance.queues import Queues
from celeriac.testing.conformance.receiving import Receiving
from celeriac.testing.conformance.settling import Settling


class OnRabbitMQ(BrokerHarness):
    queue_type: str

    @pytest.fixture(autouse=True)
    def _server(self, rabbit_url: str) -> Iterator[None]:
        self.url = rabbit_url
        self.brokers: list[AmqpBroker] = []
        yield
        janitor = AmqpBroker(self.url)
        for name in {DEAD_QUEUE, *(name for broker in self.brokers for name in broker.known_queues)}:
            janitor.delete(name)
        janitor.close()

    def make_broker(self) -> Broker:
        broker = AmqpBroker(self.url, options={"default_queue_type": self.queue_type, "delay_queue_type": "classic"})
        self.brokers.append(broker)
        return broker

    def fall_silent(self, consumer: Consumer) -> None:
        assert isinstance(consumer, AmqpConsumer)
        consumer.cut_off()

    def make_backend(self, broker: Broker) -> ResultBackend:
        return MemoryBackend(f"memory://{id(self)}-results")


class TestClassicQueues(OnRabbitMQ, BrokerConformance):
    queue_type = "classic"


class TestQuorumQueues(OnRabbitMQ, Publishing, Receiving, Settling, Queues):
    queue_type = "quorum"
