"""What the doctor says of a Redis server: how it keeps what it is given, and when it can lose it."""

from collections.abc import Iterator

import pytest

from celeriac.redis.errors import RedisRefused
from celeriac.redis.examination import examine, examine_one
from celeriac.redis.location import Kind, Location
from celeriac.redis.opening import server_at
from celeriac.redis.packing import Argument, Reply
from tests.servers.redis_server import RedisServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("examined")) as server:
        yield server


def sentences(server: RedisServer) -> dict[str, str]:
    """Examine it; return each sentence and its weight."""
    examined = server_at(Location.from_url(server.url, {}))
    try:
        return {remark.sentence: remark.weight for remark in examine(examined)}
    finally:
        examined.close()


def weight_of(found: dict[str, str], words: str) -> str:
    [sentence] = [sentence for sentence in found if words in sentence]
    return found[sentence]


def test_a_server_that_writes_everything_at_once_is_as_it_should_be(server: RedisServer) -> None:
    found = sentences(server)
    assert set(found.values()) == {"ok"}
    assert weight_of(found, f"The Redis server at redis://127.0.0.1:{server.port} is Redis ") == "ok"
    assert weight_of(found, "writes each change to its disk before it answers") == "ok"


@pytest.mark.parametrize(
    ("settings", "words", "weight"),
    [
        ({"appendfsync": "everysec"}, "power cut may take what came in the last second or two", "note"),
        ({"appendfsync": "no"}, "the last half minute", "note"),
        ({"appendonly": "no", "save": "3600 1"}, "keeps snapshots only (save 3600 1)", "note"),
        ({"appendonly": "no", "save": ""}, "keeps nothing on disk", "wrong"),
        ({"maxmemory-policy": "allkeys-lru"}, "throws queues, so tasks, away once maxmemory is set", "note"),
        ({"maxmemory-policy": "allkeys-lru", "maxmemory": "100mb"}, "throws queues, so tasks, away when", "wrong"),
        ({"maxmemory-policy": "volatile-lru", "maxmemory": "100mb"}, "throws results away when it is full", "wrong"),
        ({"maxmemory": "1mb"}, "% of its maxmemory (1 MiB)", "wrong"),
    ],
)
def test_what_can_be_lost_is_said(server: RedisServer, settings: dict[str, str], words: str, weight: str) -> None:
    normal = {"maxmemory": "0", "maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "always"}
    try:
        for name, value in settings.items():
            server.set(name, value)
        assert weight_of(sentences(server), words) == weight
    finally:
        for name, value in {**normal, "save": ""}.items():
            server.set(name, value)


def answers(info: str, *, settings: dict[str, str] | None = None) -> "Answers":
    return Answers(info, settings)


class Answers:
    """What a server answers: this ``INFO``, and these settings unless they may not be asked."""

    def __init__(self, info: str, settings: dict[str, str] | None) -> None:
        self._info = info
        self._settings = settings

    def __call__(self, *command: Argument) -> Reply:
        if command == (b"INFO",):
            return self._info.encode()
        if self._settings is None:
            raise RedisRefused("The user lacks a right (NOPERM config).", code="NOPERM")
        name = str(command[2])
        return [name.encode(), self._settings[name].encode()] if name in self._settings else []


HOSTED = "redis_version:7.2.4\r\nrole:master\r\nconnected_slaves:2\r\naof_enabled:1\r\nmaxmemory_policy:noeviction\r\n"


def test_what_may_not_be_asked_is_said_to_be_unknown() -> None:
    remarks = examine_one(answers(HOSTED), "The Redis server at here")
    assert any("unless appendfsync is 'always' (it may not be asked)" in remark.sentence for remark in remarks)


def test_a_fail_over_can_lose_what_the_replica_had_not_heard_of() -> None:
    remarks = examine_one(answers(HOSTED), "R", Kind.SENTINEL)
    assert any("R has 2 replicas: a fail-over loses" in remark.sentence for remark in remarks)
    bounded = examine_one(answers(HOSTED, settings={"min-replicas-to-write": "1"}), "R", Kind.SENTINEL)
    assert any("It takes writes only while 1 of them" in remark.sentence for remark in bounded)
    alone = examine_one(answers("role:master\r\nconnected_slaves:0\r\n"), "R", Kind.SENTINEL)
    assert any("R has no replicas: a fail-over loses" in remark.sentence for remark in alone)


def test_a_replica_is_the_wrong_server() -> None:
    remarks = examine_one(answers("role:slave\r\naof_enabled:1\r\n"), "R")
    assert any(remark.weight == "wrong" and "R is a replica" in remark.sentence for remark in remarks)


def test_valkey_is_called_by_its_name() -> None:
    remarks = examine_one(answers("redis_version:7.2.4\r\nvalkey_version:8.0.1\r\n"), "R")
    assert remarks[0].sentence == "R is Valkey 8.0.1."


def test_a_disk_that_fails_is_told_of() -> None:
    remarks = examine_one(answers("aof_enabled:1\r\naof_last_write_status:err\r\nrdb_last_bgsave_status:err\r\n"), "R")
    wrong = [remark.sentence for remark in remarks if remark.weight == "wrong"]
    assert [sentence.partition(" the last time")[0] for sentence in wrong] == [
        "R could not append to its file",
        "R could not write a snapshot",
    ]


def test_a_server_that_may_not_be_asked_at_all_is_said_to_be_so() -> None:
    def refuse(*_: Argument) -> Reply:
        raise RedisRefused("The user lacks a right.", code="NOPERM")

    [remark] = examine_one(refuse, "R")
    assert remark.sentence == "R may not be asked how it keeps what it is given. The user lacks a right."


def test_evicted_keys_are_counted() -> None:
    remarks = examine_one(answers("maxmemory:100\r\nmaxmemory_policy:allkeys-lru\r\nevicted_keys:7\r\n"), "R")
    assert any("has thrown away 7 keys" in remark.sentence for remark in remarks)
