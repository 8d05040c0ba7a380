"""A Redis Cluster of three nodes without replicas."""

import time
from pathlib import Path
from typing import Self

from tests.servers.redis_server import RedisServer

__all__ = ["RedisCluster"]

_SLOTS = 16384


class RedisCluster:
    """Three nodes that share the slots; a context manager."""

    def __init__(self, directory: Path, *, nodes: int = 3, password: str = "") -> None:
        settings = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": "2000",
            "cluster-config-file": "nodes.conf",
            # The others go on while one is away.
            "cluster-require-full-coverage": "no",
        }
        self.password = password
        self.nodes = [
            RedisServer(directory / f"node-{number}", password=password, settings=settings) for number in range(nodes)
        ]

    @property
    def url(self) -> str:
        """The first node's; a client learns of the others there."""
        return self.nodes[0].url

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                node.start()
            self._share_slots()
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all of them."""
        for node in self.nodes:
            node.close()

    def wait_ready(self, patience: float = 30.0) -> None:
        """Wait until each node knows that all slots are served."""
        deadline = time.monotonic() + patience
        while not all(self._is_whole(node) for node in self.nodes):
            if time.monotonic() > deadline:
                raise RuntimeError(f"The cluster was not whole within {patience:g} s")
            time.sleep(0.05)

    @staticmethod
    def _is_whole(node: RedisServer) -> bool:
        told = node.ask("CLUSTER", "INFO")
        return b"cluster_state:ok" in told and b"cluster_slots_ok:%d" % _SLOTS in told

    def _share_slots(self) -> None:
        share = -(-_SLOTS // len(self.nodes))
        for number, node in enumerate(self.nodes):
            last = min(_SLOTS, (number + 1) * share) - 1
            assert node.ask("CLUSTER", "ADDSLOTSRANGE", str(number * share), str(last)).startswith(b"+OK")
            assert node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1)).startswith(b"+OK")
        for node in self.nodes[1:]:
            assert self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", str(node.port)).startswith(b"+OK")
