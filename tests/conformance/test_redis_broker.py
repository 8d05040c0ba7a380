"""The Redis broker passes the suite: in both protocols, with results in its database, in another and elsewhere."""

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from celeriac.backends.base import ResultBackend
from celeriac.backends.memory import MemoryBackend
from celeriac.backends.redis import RedisBackend
from celeriac.brokers.base import Broker
from celeriac.brokers.redis import RedisBroker
from celeriac.testing.conformance.broadcasts import Broadcasts
from celeriac.testing.conformance.broker import BrokerConformance
from celeriac.testing.conformance.delays import Delays
from celeriac.testing.conformance.harness import BrokerHarness
from celeriac.testing.conformance.publishing import Publishing
from celeriac.testing.conformance.receiving import Receiving
from celeriac.testing.conformance.settling import Settling
from tests.redis.key_space import own_keys
from tests.servers.redis_cluster import RedisCluster

#: The database that tests of the broker use.
DATABASE = 12


class OnOwnKeys(BrokerHarness):
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


class TestRedisBroker(OnOwnKeys, BrokerConformance):
    pass


# What follows differs from it in one thing each, and is asked what that thing can change.


class TestRedisBrokerInTheOldProtocol(OnOwnKeys, Receiving, Delays, Broadcasts):
    protocol = 2


class TestRedisBrokerWithResultsInAnotherDatabase(OnOwnKeys, Publishing, Settling):
    @pytest.fixture(autouse=True)
    def _result_keys(self) -> Iterator[None]:
        with own_keys() as self.results_url:
            yield

    def make_backend(self, broker: Broker) -> ResultBackend:
        return RedisBackend(self.results_url)


class TestRedisBrokerWithResultsElsewhere(OnOwnKeys, Settling):
    def make_backend(self, broker: Broker) -> ResultBackend:
        return MemoryBackend(f"memory://{id(self)}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


class TestRedisClusterBroker(BrokerConformance):
    url: str

    @pytest.fixture(autouse=True)
    def _keys(self, cluster: RedisCluster) -> None:
        self.url = f"redis+cluster://{urlsplit(cluster.url).netloc}?global_keyprefix={uuid.uuid4().hex}-"

    def make_broker(self) -> Broker:
        return RedisBroker(self.url)

    def make_backend(self, broker: Broker) -> ResultBackend:
        return RedisBackend(self.url)
