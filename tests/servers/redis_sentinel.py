"""Redis with Sentinel: a primary, a replica, and the sentinels that watch them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.servers.ports import free_port
from tests.servers.programs import need_program
from tests.servers.redis_server import RedisServer

__all__ = ["RedisSentinels", "SentinelServer"]


class SentinelServer(RedisServer):
    """One sentinel."""

    name = "redis-sentinel"

    def __init__(self, directory: Path, *, service: str, primary: RedisServer, quorum: int) -> None:
        super().__init__(directory)
        self._program = need_program("redis-server", package="redis-server")
        self._watch = [
            f"sentinel monitor {service} 127.0.0.1 {primary.port} {quorum}",
            # Milliseconds: short ones, for a fail-over within a few seconds.
            f"sentinel down-after-milliseconds {service} 1000",
            f"sentinel failover-timeout {service} 3000",
        ]
        if primary.password:
            self._watch.append(f"sentinel auth-pass {service} {primary.password}")

    def command(self) -> Sequence[str]:
        """Return the command line."""
        return [*super().command(), "--sentinel"]

    def _configuration(self) -> list[str]:
        return ["bind 127.0.0.1", f"dir {self.directory}", f"port {self.port}", *self._watch]


class RedisSentinels:
    """A primary, a replica and ``count`` sentinels; a context manager."""

    service = "tasks"

    def __init__(self, directory: Path, *, count: int = 3, password: str = "") -> None:
        settings = {"repl-diskless-sync-delay": "0", "min-replicas-to-write": "0"}
        self.primary = RedisServer(directory / "primary", password=password, settings=settings)
        replica_settings = {**settings, "replicaof": f"127.0.0.1 {self.primary.port}"}
        self.replica = RedisServer(
            directory / "replica", password=password, settings=replica_settings, port=free_port()
        )
        self.sentinels = [
            SentinelServer(
                directory / f"sentinel-{number}",
                service=self.service,
                primary=self.primary,
                quorum=count // 2 + 1,
            )
            for number in range(count)
        ]
        self.password = password

    @property
    def url(self) -> str:
        """As in ``broker_url``; the service's name goes into ``broker_transport_options["master_name"]``."""
        secret = f":{self.password}@" if self.password else ""
        return ";".join(f"sentinel://{secret}127.0.0.1:{sentinel.port}/0" for sentinel in self.sentinels)

    def __enter__(self) -> Self:
        try:
            for server in (self.primary, self.replica, *self.sentinels):
                server.start()
            self._wait(lambda: b"master_link_status:up" in self.replica.ask("INFO", "replication"), "replicating")
            # Only a sentinel that has found the replica, and the others, can let it take over.
            self._wait(self._know_one_another, "known to one another")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all of them."""
        for server in (*self.sentinels, self.replica, self.primary):
            server.close()

    def primary_port(self) -> int:
        """Return the port of the primary, as the first sentinel sees it."""
        reply = self.sentinels[0].ask("SENTINEL", "get-master-addr-by-name", self.service)
        return int(reply.split(b"\r\n")[4])

    def fail_over(self) -> None:
        """Kill the primary and wait until the replica has taken its place."""
        self.primary.kill()
        self._wait(lambda: self.primary_port() == self.replica.port, "the replica as primary")
        self._wait(lambda: b"role:master" in self.replica.ask("INFO", "replication"), "promoted")

    def _know_one_another(self) -> bool:
        others = len(self.sentinels) - 1
        for sentinel in self.sentinels:
            known = sentinel.ask("INFO", "sentinel")
            if b"slaves=1" not in known or b"sentinels=%d" % (others + 1) not in known:
                return False
        return True

    @staticmethod
    def _wait(condition, what: str, patience: float = 30.0) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            if time.monotonic() > deadline:
                raise RuntimeError(f"The Redis servers were not {what} within {patience:g} s")
            time.sleep(0.05)
