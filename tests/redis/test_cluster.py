"""A Cluster is one place: commands follow their keys, also while slots move."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from celeriac.backends.redis import RedisBackend
from celeriac.redis.cluster import Cluster
from celeriac.redis.errors import RedisRefused, RedisUnavailable, ReplyError
from celeriac.redis.examination import examine
from celeriac.redis.location import Location
from celeriac.testing.conformance.harness import until
from tests.redis.conftest import MakeConnection
from tests.redis.waiting import Waiting, result, stores
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_server import RedisServer


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as nodes:
        yield nodes


@pytest.fixture
def cluster(nodes: RedisCluster) -> Iterator[Cluster]:
    with closing(Cluster(Location.from_url(f"redis+cluster://{urlsplit(nodes.url).netloc}", {}))) as cluster:
        yield cluster


def test_the_doctor_asks_each_node(cluster: Cluster) -> None:
    sentences = [remark.sentence for remark in examine(cluster)]
    for address in cluster.nodes():
        assert any(sentence.startswith(f"The Redis server at {address} is Redis ") for sentence in sentences)
    assert sum("a fail-over loses" in sentence for sentence in sentences) == len(cluster.nodes())


def set_all(cluster: Cluster, keys: list[bytes]) -> list[object]:
    return cluster.scatter([(key, (b"SET", key, b"x")) for key in keys])


KEYS = [b"key-%d" % number for number in range(200)]


def test_each_command_goes_to_the_node_of_its_key(cluster: Cluster, nodes: RedisCluster) -> None:
    assert set_all(cluster, KEYS) == [b"OK"] * len(KEYS)
    assert len(cluster.nodes()) == 3
    assert all(b":0\r\n" not in node.ask("DBSIZE") for node in nodes.nodes)
    assert {cluster.pool_of(key) for key in KEYS} == {cluster.pool_of(key) for key in KEYS[:50]}


def test_keys_that_one_command_may_touch_are_put_together(cluster: Cluster) -> None:
    groups = cluster.same_place([b"{a}1", b"b", b"{a}2", b"{b}3"])
    assert groups == [[0, 2], [1, 3]]


def test_a_map_that_is_out_of_date_is_corrected_by_the_answers(cluster: Cluster) -> None:
    cluster.open()
    wrong = cluster.nodes()[0]
    for slot in list(cluster._slots):
        cluster._slots[slot] = wrong
    assert set_all(cluster, KEYS) == [b"OK"] * len(KEYS)
    assert len(cluster.nodes()) == 3


def test_keys_are_found_while_their_slot_moves(cluster: Cluster, nodes: RedisCluster) -> None:
    key = b"{moving}there"
    set_all(cluster, [key])
    slot = nodes.nodes[0].ask("CLUSTER", "KEYSLOT", "moving")[1:-2].decode()
    source = next(node for node in nodes.nodes if node.port == cluster.pool_of(key).connector.address.port)
    target = next(node for node in nodes.nodes if node is not source)
    name_of = {node: node.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode() for node in (source, target)}
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", name_of[source])
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", name_of[target])
    # One that is still there, and one that is made where the slot is going.
    new = b"{moving}new"
    assert cluster.scatter([(key, (b"GET", key)), (new, (b"SET", new, b"y"))]) == [b"x", b"OK"]
    source.ask("MIGRATE", "127.0.0.1", str(target.port), key.decode(), "0", "5000")
    assert cluster.scatter([(key, (b"GET", key)), (new, (b"GET", new))]) == [b"x", b"y"]
    for node in (target, source):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", name_of[target])
    assert cluster.scatter([(key, (b"GET", key)), (new, (b"GET", new))]) == [b"x", b"y"]
    assert cluster.pool_of(key).connector.address.port == target.port


def test_while_a_node_is_away_its_keys_are_and_the_others_are_not(cluster: Cluster, nodes: RedisCluster) -> None:
    set_all(cluster, KEYS)
    last = nodes.nodes[2]
    lost = [key for key in KEYS if cluster.pool_of(key).connector.address.port == last.port]
    last.kill()
    try:
        with pytest.raises(RedisUnavailable):
            set_all(cluster, lost[:1])
        here = [key for key in KEYS if key not in lost]
        assert set_all(cluster, here) == [b"OK"] * len(here)
    finally:
        last.start()
        nodes.wait_ready()
    assert set_all(cluster, KEYS) == [b"OK"] * len(KEYS)


def test_a_node_of_a_cluster_says_so(connect: MakeConnection, nodes: RedisCluster) -> None:
    connection = connect(nodes.url)
    answers = connection.pipeline([("SET", key, "x") for key in KEYS])
    refused = [connection.explain(answer) for answer in answers if isinstance(answer, ReplyError)]
    assert refused
    assert "Write redis+cluster://" in str(refused[0])


def test_a_single_server_is_no_cluster(server: RedisServer) -> None:
    cluster = Cluster(Location.from_url(f"redis+cluster://127.0.0.1:{server.port}", {}))
    with closing(cluster), pytest.raises(RedisRefused, match="is no Cluster: write redis://"):
        cluster.open()


def test_in_a_cluster_the_subscription_moves_when_its_node_dies(nodes: RedisCluster) -> None:
    url = f"redis+cluster://127.0.0.1:{nodes.nodes[0].port}"
    with closing(RedisBackend(url)) as backend, closing(RedisBackend(url)) as other:
        wait = Waiting(backend, "a", "b", "c", "d", "e", "f", "g", "h")
        [subscribed] = until(lambda: [node for node in nodes.nodes if _channels(node) == 8])
        key_of = {name: f"celery-task-meta-{name}".encode() for name in "abcdefgh"}
        elsewhere = next(
            name for name, key in key_of.items() if other._server.pool_of(key).connector.address.port != subscribed.port
        )
        subscribed.kill()
        until(lambda: stores(other, result(elsewhere)))
        assert wait.end() == {elsewhere}


def _channels(node: RedisServer) -> int:
    return node.ask("PUBSUB", "CHANNELS", "*").count(b"celery-task-meta-")


@pytest.mark.soak
def test_after_a_fail_over_the_replica_is_used(tmp_path: Path) -> None:
    settings = {"cluster-enabled": "yes", "cluster-node-timeout": "1000", "cluster-config-file": "nodes.conf"}
    with RedisCluster(tmp_path / "nodes") as nodes, RedisServer(tmp_path / "replica", settings=settings) as replica:
        first = nodes.nodes[0]
        name = first.ask("CLUSTER", "MYID").split(b"\r\n")[1].decode()
        replica.ask("CLUSTER", "MEET", "127.0.0.1", str(first.port))
        until(lambda: replica.ask("CLUSTER", "REPLICATE", name).startswith(b"+OK"))
        until(lambda: b"master_link_status:up" in replica.ask("INFO", "replication"))
        url = f"redis+cluster://127.0.0.1:{nodes.nodes[1].port}"
        with closing(RedisBackend(url)) as backend, closing(RedisBackend(url)) as other:
            names = [f"task-{number}" for number in range(60)]
            other.store([result(name) for name in names[:30]])
            wait = Waiting(backend, *names, minimum=60)
            until(lambda: sum(map(_channels, nodes.nodes)) + _channels(replica) == 30)
            first.kill()
            until(lambda: stores(other, *map(result, names[30:])), timeout=30)
            assert wait.end() == set(names)
            assert set(other.fetch(names)) == set(names)
