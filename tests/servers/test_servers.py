"""The private servers do what the tests that use them rely on."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.certificates import make_certificates
from tests.servers.ports import free_port, is_listening
from tests.servers.proxy import Direction, Proxy
from tests.servers.rabbit_server import RabbitServer
from tests.servers.redis_cluster import RedisCluster
from tests.servers.redis_sentinel import RedisSentinels
from tests.servers.redis_server import RedisServer


class Echo:
    """A server that sends back what it hears."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    @staticmethod
    def _serve(connection: socket.socket) -> None:
        with connection:
            try:
                while said := connection.recv(65536):
                    connection.sendall(said)
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def read_to_the_end(connection: socket.socket) -> bytes:
    """Return all that is still to come."""
    return b"".join(iter(lambda: connection.recv(100), b""))


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    echo = Echo()
    with Proxy(echo.port) as proxy:
        yield proxy
    echo.close()


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), 5.0) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"hello"
        yield client


def test_a_redis_server_keeps_what_it_confirmed_when_it_is_killed(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        server.ask("SET", "key", "value")
        server.kill()
        assert not is_listening(server.port)
        server.start()
        assert b"value" in server.ask("GET", "key")
        server.restart()
        assert b"value" in server.ask("GET", "key")
    assert not is_listening(server.port)


def test_a_redis_server_can_be_silent(tmp_path: Path) -> None:
    with RedisServer(tmp_path, fsync="everysec") as server:
        server.silence()
        with pytest.raises(TimeoutError):
            server.ask("PING", timeout=0.2)
        server.end_silence()
        assert b"PONG" in server.ask("PING")


def test_a_redis_server_can_have_a_password_and_tls(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path / "certificates")
    with RedisServer(tmp_path / "redis", password="secret", certificates=certificates) as server:
        assert b"PONG" in server.ask("PING")
        assert server.url.startswith("rediss://:secret@127.0.0.1")


def test_a_redis_server_can_be_full(tmp_path: Path) -> None:
    with RedisServer(tmp_path, settings={"maxmemory-policy": "noeviction"}) as server:
        server.set("maxmemory", "1")
        assert b"OOM" in server.ask("SET", "key", "value")
        server.set("maxmemory", "0")
        assert b"OK" in server.ask("SET", "key", "value")


def test_sentinels_make_the_replica_the_primary(tmp_path: Path) -> None:
    with RedisSentinels(tmp_path, count=1) as servers:
        servers.fail_over()
        assert b"OK" in servers.replica.ask("SET", "key", "value")


def test_a_cluster_spreads_keys_over_its_nodes(tmp_path: Path) -> None:
    with RedisCluster(tmp_path) as cluster:
        answers = [cluster.nodes[0].ask("SET", f"key-{number}", "value") for number in range(20)]
        assert any(answer.startswith(b"-MOVED") for answer in answers)
        assert any(answer.startswith(b"+OK") for answer in answers)


@pytest.mark.soak
def test_a_rabbit_server_has_its_own_settings_and_can_be_full(tmp_path: Path) -> None:
    with RabbitServer(tmp_path, settings={"consumer_timeout": "60000"}) as server:
        assert "60000" in server.control("eval", "application:get_env(rabbit, consumer_timeout).")
        server.raise_memory_alarm()
        server.end_memory_alarm()
        server.kill()
    assert not is_listening(server.port)


def test_a_silent_proxy_holds_back_everything_and_lets_it_flow_later(proxy: Proxy, client: socket.socket) -> None:
    proxy.silence()
    client.sendall(b"into the void")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(100)
    with socket.create_connection(("127.0.0.1", proxy.port), 0.2) as another:
        another.sendall(b"anybody?")
        with pytest.raises(TimeoutError):
            another.recv(100)
        proxy.end_silence()
        another.settimeout(5)
        client.settimeout(5)
        assert client.recv(100) == b"into the void"
        assert another.recv(100) == b"anybody?"


def test_a_proxy_can_be_silent_in_one_direction(proxy: Proxy, client: socket.socket) -> None:
    proxy.silence(Direction.TO_CLIENT)
    client.sendall(b"heard")
    client.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.recv(100)
    proxy.end_silence()
    client.settimeout(5)
    assert client.recv(100) == b"heard"


def test_a_proxy_resets_a_connection_in_the_middle_of_a_reply(proxy: Proxy, client: socket.socket) -> None:
    proxy.reset_after(3)
    client.sendall(b"abcdef")
    # A reset may overtake the bytes before it.
    with pytest.raises(ConnectionResetError):
        read_to_the_end(client)
    assert proxy.resets == 1
    with socket.create_connection(("127.0.0.1", proxy.port), 5.0) as another:
        another.sendall(b"hello")
        assert another.recv(100) == b"hello"


def test_a_proxy_cuts_and_refuses(proxy: Proxy, client: socket.socket) -> None:
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        client.recv(100)
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port), 1.0)
    proxy.accept()
    with socket.create_connection(("127.0.0.1", proxy.port), 5.0) as another:
        another.sendall(b"again")
        assert another.recv(100) == b"again"


def test_a_proxy_passes_much_both_ways(proxy: Proxy, client: socket.socket) -> None:
    much = bytes(range(256)) * 40_000
    sender = threading.Thread(target=client.sendall, args=(much,))
    sender.start()
    received = bytearray()
    while len(received) < len(much):
        received += client.recv(1 << 20)
    sender.join()
    assert bytes(received) == much


def test_the_end_of_a_connection_passes_the_proxy(proxy: Proxy, client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)
    assert client.recv(100) == b""


def test_ports_are_given_once() -> None:
    assert len({free_port() for _ in range(50)}) == 50
