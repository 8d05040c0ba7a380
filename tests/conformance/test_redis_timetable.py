"""The timetable in Redis passes the suite: beside the messages, apart from them, and in a Cluster of three nodes."""

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from celeriac.brokers.base import Broker
from celeriac.brokers.memory import MemoryBroker
from celeriac.brokers.redis import RedisBroker
from celeriac.testing.conformance.harness import TimetableHarness
from celeriac.testing.conformance.timetable import TimetableConformance
from celeriac.timetables.base import Timetable
from celeriac.timetables.redis import RedisTimetable
from tests.redis.key_space import own_keys
from tests.servers.redis_cluster import RedisCluster

#: The database that tests of the timetable use.
DATABASE = 13


class OnOwnKeys(TimetableHarness):
    protocol = 3
    url: str

    @pytest.fixture(autouse=True)
    def _keys(self) -> Iterator[None]:
        with own_keys(DATABASE, protocol=self.protocol) as self.url:
            yield

    def make_broker(self) -> Broker:
        return RedisBroker(self.url)

    def make_timetable(self, broker: Broker) -> Timetable:
        return RedisTimetable(RedisBroker(self.url).location, broker=broker)


class TestRedisTimetable(OnOwnKeys, TimetableConformance):
    pass


class TestRedisTimetableOfABrokerElsewhere(OnOwnKeys, TimetableConformance):
    protocol = 2

    def make_broker(self) -> Broker:
        return MemoryBroker(f"memory://{id(self)}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


class TestRedisClusterTimetable(TimetableConformance):
    url: str

    @pytest.fixture(autouse=True)
    def _keys(self, cluster: RedisCluster) -> None:
        self.url = f"redis+cluster://{urlsplit(cluster.url).netloc}?global_keyprefix={uuid.uuid4().hex}-"

    def make_broker(self) -> Broker:
        return RedisBroker(self.url)

    def make_timetable(self, broker: Broker) -> Timetable:
        return RedisTimetable(RedisBroker(self.url).location, broker=broker)
