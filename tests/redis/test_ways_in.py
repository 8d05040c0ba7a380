"""Every way to a server works, and one that does not says in a sentence what to do."""

import re
from pathlib import Path

import pytest

from celeriac.redis.errors import RedisRefused, RedisUnavailable, ReplyError
from tests.redis.conftest import MakeConnection
from tests.redis.odd_servers import old_server
from tests.servers.certificates import make_certificates
from tests.servers.ports import free_port
from tests.servers.redis_server import RedisServer


def refusal(connect: MakeConnection, url: str) -> str:
    with pytest.raises(RedisUnavailable) as caught:
        connect(url).open()
    assert not caught.value.maybe_done
    sentence = str(caught.value)
    assert "secret" not in sentence
    return sentence


def test_a_server_that_is_not_there(connect: MakeConnection) -> None:
    sentence = refusal(connect, f"redis://:secret@127.0.0.1:{free_port()}/0")
    assert "'systemctl start redis-server'" in sentence
    assert "'docker run -d -p 6379:6379 redis'" in sentence


def test_a_socket_that_is_not_there(connect: MakeConnection, tmp_path: Path) -> None:
    sentence = refusal(connect, f"redis+socket://{tmp_path}/nothing.sock")
    assert "'systemctl start redis-server'" in sentence


def test_a_host_that_nobody_knows(connect: MakeConnection) -> None:
    assert "is not known" in refusal(connect, "redis://nothing.invalid:6379/0")


def test_the_second_of_two_servers_is_taken_when_the_first_is_away(
    connect: MakeConnection, server: RedisServer
) -> None:
    connection = connect(f"redis://127.0.0.1:{free_port()}/0;{server.url}")
    assert connection.call("PING") == b"PONG"


def test_a_unix_socket(connect: MakeConnection, server: RedisServer) -> None:
    if not server.socket_path.exists():
        pytest.skip("The path of the test's directory is too long for a socket.")
    connection = connect(f"{server.socket_url}?virtual_host=3")
    connection.call("SET", "by-socket", "x")
    assert connect(server.url.replace("/0", "/3")).call("GET", "by-socket") == b"x"


def test_a_password(connect: MakeConnection, tmp_path: Path) -> None:
    with RedisServer(tmp_path, password="pass@word/1") as server:
        host = f"127.0.0.1:{server.port}/0"
        for query in ("", "?protocol=2"):
            assert connect(f"redis://:pass%40word%2F1@{host}{query}").call("PING") == b"PONG"
            assert connect(f"redis://default:pass%40word%2F1@{host}{query}").call("PING") == b"PONG"
            assert "does not accept this user and password" in refusal(connect, f"redis://:secret@{host}{query}")
            assert "wants a password" in refusal(connect, f"redis://{host}{query}")


def test_tls(connect: MakeConnection, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    with RedisServer(tmp_path / "redis", certificates=certificates) as server:
        bare = f"rediss://localhost:{server.port}/0"
        connection = connect(f"{bare}?ssl_ca_certs={certificates.authority}")
        assert connection.call("ECHO", "x" * 100_000) == b"x" * 100_000
        connection.send(("SUBSCRIBE", "news"))
        assert connect(f"{bare}?ssl_cert_reqs=CERT_NONE").call("PING") == b"PONG"
        assert "ssl_ca_certs" in refusal(connect, bare)
        assert refusal(connect, f"redis://localhost:{server.port}/0?socket_connect_timeout=0.5")


def test_tls_to_a_server_without(connect: MakeConnection, server: RedisServer) -> None:
    sentence = refusal(connect, f"rediss://127.0.0.1:{server.port}/0?socket_connect_timeout=0.3")
    assert "redis://" in sentence


def test_a_database_that_the_server_has_not(connect: MakeConnection, server: RedisServer) -> None:
    assert "has no database of this number" in refusal(connect, server.url.replace("/0", "/99"))


@pytest.mark.parametrize(("protocol", "version"), [(3, "5.0.14"), (2, "5.0.14"), (2, "6.0.16")])
def test_a_server_that_is_too_old(connect: MakeConnection, protocol: int, version: str) -> None:
    with old_server(version) as url:
        sentence = refusal(connect, f"{url}?protocol={protocol}")
        assert re.search(r"celeriac needs Redis 6\.2 or newer, or Valkey", sentence)


def test_sentinels_that_are_not_there_or_are_none(connect: MakeConnection, server: RedisServer) -> None:
    sentence = refusal(connect, f"sentinel://127.0.0.1:{free_port()}/0?master_name=tasks")
    assert "'systemctl start redis-sentinel'" in sentence
    sentence = refusal(connect, f"sentinel://127.0.0.1:{server.port}/0?master_name=tasks")
    assert "is a Redis server and no Sentinel" in sentence


def test_a_server_that_is_full(connect: MakeConnection, tmp_path: Path) -> None:
    with RedisServer(tmp_path, settings={"maxmemory": "1500kb"}) as server:
        connection = connect(server.url)
        answers = connection.pipeline([("SET", number, "x" * 10_000) for number in range(500)])
        refused = next(connection.explain(answer) for answer in answers if isinstance(answer, ReplyError))
        assert "has reached its maxmemory" in str(refused)
        assert refused.code == "OOM"
        assert connection.generation == 1


def test_a_master_that_has_become_a_replica_is_left(connect: MakeConnection, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        connection = connect(server.url)
        connection.call("SET", "x", 1)
        server.ask("REPLICAOF", "127.0.0.1", str(free_port()))
        with pytest.raises(RedisRefused, match="is a replica and takes no writes") as caught:
            connection.call("SET", "x", 2)
        assert caught.value.code == "READONLY"
        assert not connection.is_open
        connection.pipeline([("SET", "x", 2), ("GET", "x")])
        assert not connection.is_open
        server.ask("REPLICAOF", "NO", "ONE")
        assert connection.call("SET", "x", 2) == b"OK"
