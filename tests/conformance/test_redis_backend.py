"""The Redis result backend passes the suite in both protocols, and on a Cluster of three nodes."""

import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from celeriac.backends.base import ResultBackend
from celeriac.backends.redis import RedisBackend
from celeriac.testing.conformance.backend import BackendConformance
from tests.redis.key_space import own_keys
from tests.servers.redis_cluster import RedisCluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


class OwnKeys:
    protocol: int
    url: str

    @pytest.fixture(autouse=True)
    def _keys(self) -> Iterator[None]:
        with own_keys(protocol=self.protocol) as self.url:
            yield

    def make_backend(self) -> ResultBackend:
        return RedisBackend(self.url)


class TestRedisBackend(OwnKeys, BackendConformance):
    protocol = 3


class TestRedisBackendInTheOldProtocol(OwnKeys, BackendConformance):
    protocol = 2


class TestRedisClusterBackend(BackendConformance):
    url: str

    @pytest.fixture(autouse=True)
    def _keys(self, cluster: RedisCluster) -> None:
        self.url = f"redis+cluster://{urlsplit(cluster.url).netloc}?global_keyprefix={uuid.uuid4().hex}-"

    def make_backend(self) -> ResultBackend:
        return RedisBackend(self.url)
