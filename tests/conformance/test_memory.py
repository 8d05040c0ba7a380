"""The memory engine passes both suites."""

from celeriac.backends.base import ResultBackend
from celeriac.backends.memory import MemoryBackend
from celeriac.brokers.base import Broker
from celeriac.brokers.memory import MemoryBroker
from celeriac.testing.conformance.backend import BackendConformance
from celeriac.testing.conformance.broker import BrokerConformance


class TestMemoryBroker(BrokerConformance):
    def make_broker(self) -> Broker:
        return MemoryBroker(f"memory://broker-{id(self)}")

    def make_backend(self, broker: Broker) -> ResultBackend:
        return MemoryBackend(f"memory://broker-{id(self)}", broker=broker)


class TestMemoryBackend(BackendConformance):
    def make_backend(self) -> ResultBackend:
        return MemoryBackend(f"memory://backend-{id(self)}")
