"""What outages are tried on: a private server of each kind behind a proxy."""

from pathlib import Path
from typing import Protocol

from celeriac import engines
from tests.servers.proxy import Proxy
from tests.servers.rabbit_server import RabbitServer
from tests.servers.redis_server import RedisServer

__all__ = ["GROUNDS", "Ground", "RabbitGround", "RedisGround"]


class Ground(Protocol):
    """A server, and the proxy through which everybody reaches it."""

    server: RedisServer | RabbitServer
    proxy: Proxy

    @property
    def broker(self) -> str:
        """``broker_url``, through the proxy."""

    @property
    def backend(self) -> str:
        """``result_backend``, through the proxy."""

    def fill(self) -> None:
        """Have the server take no more messages, as when its memory is full."""

    def empty(self) -> None:
        """End that."""

    def mend(self) -> None:
        """Have the server run and the proxy pass everything, whatever a failed test has left."""

    def close(self) -> None:
        """End server and proxy."""


class _Base:
    def __init__(self, server) -> None:
        self.server = server
        server.start()
        self.proxy = Proxy(server.port)
        self.proxy.__enter__()

    def mend(self) -> None:
        if not self.server.is_running:
            self.server.start()
        self.proxy.end_silence()

    def close(self) -> None:
        self.proxy.close()
        self.server.close()


class RedisGround(_Base):
    """Redis, which keeps what it has confirmed (``appendfsync always``)."""

    def __init__(self, directory: Path) -> None:
        super().__init__(RedisServer(directory, settings={"maxmemory-policy": "noeviction"}))

    @property
    def broker(self) -> str:
        return self.proxy.url(self.server.url)

    @property
    def backend(self) -> str:
        return self.broker

    def fill(self) -> None:
        self.server.set("maxmemory", "1")

    def empty(self) -> None:
        self.server.set("maxmemory", "0")


class RabbitGround(_Base):
    """RabbitMQ; results go back to who asked (``rpc://``)."""

    def __init__(self, directory: Path) -> None:
        super().__init__(RabbitServer(directory))

    @property
    def broker(self) -> str:
        return self.proxy.url(self.server.url)

    @property
    def backend(self) -> str:
        return "disabled://"

    def fill(self) -> None:
        self.server.raise_memory_alarm()

    def empty(self) -> None:
        self.server.end_memory_alarm()


GROUNDS = {
    name: ground for name, ground in {"redis": RedisGround, "amqp": RabbitGround}.items() if name in engines.BROKERS
}
