"""The Redis broker passes the suite: in both protocols, with results in its database, in another and elsewhere."""

from collections.abc import Iterator

import pytest

from celeriac.backends.base import ResultBackend
from celeriac.backends.memory import MemoryBackend
from celeriac.backends.redis import RedisBackend
from celeriac.brokers.base import Broker
from celeriac.brokers.redis import RedisBroker
from celeriac.testing.conformance.broker import BrokerConformance
from tests.redis.key_space import own_keys

#: The database that tests of the broker use.
DATABASE = 12


class OnOwnKeys(BrokerConformance):
    protocol = 3
    url: str

    @pytest.fixture(autouse=True)
    def _keys(self) -> Iterator[None]:
        with own_keys(DATABASE, protocol=self.protocol) as self.url:
            yield

    def make_broker(self) -> Broker:
        return RedisBroker(self.url)

    def make_backend(self, broker: Broker) -> ResultBackend:
        return RedisBackend(self.url)


class TestRedisBroker(OnOwnKeys):
    pass


class TestRedisBrokerInTheOldProtocol(OnOwnKeys):
    protocol = 2


class TestRedisBrokerWithResultsInAnotherDatabase(OnOwnKeys):
    @pytest.fixture(autouse=True)
    def _result_keys(self) -> Iterator[None]:
        with own_keys() as self.results_url:
            yield

    def make_backend(self, broker: Broker) -> ResultBackend:
        return RedisBackend(self.results_url)


class TestRedisBrokerWithResultsElsewhere(OnOwnKeys):
    def make_backend(self, broker: Broker) -> ResultBackend:
        return MemoryBackend(f"memory://{id(self)}")
