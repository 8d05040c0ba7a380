"""A Cluster: which node has which slot, and how commands follow their keys when slots move.

What a node answers with MOVED, ASK, TRYAGAIN or CLUSTERDOWN it has not done, so sending that again, elsewhere or a
little later, repeats nothing. After MOVED, or when a node cannot be reached, the map of slots is asked for anew.
"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from celeriac.redis.connecting import Connector
from celeriac.redis.connection import DEFAULT_TIMEOUT
from celeriac.redis.errors import RedisUnavailable, ReplyError
from celeriac.redis.forks import watch
from celeriac.redis.location import Address, Location
from celeriac.redis.packing import Command, Reply
from celeriac.redis.pool import Pool
from celeriac.redis.servers import Server

__all__ = ["Cluster"]

#: Seconds before something is asked again that the Cluster cannot do at the moment.
_PAUSE: Final = 0.05
#: Seconds between two questions for the map of slots.
_MAP_AGE: Final = 0.1
_LATER: Final = frozenset({"TRYAGAIN", "CLUSTERDOWN"})
_ELSEWHERE: Final = frozenset({"MOVED", "ASK"})

_Call = tuple[bytes, Command]


class Cluster(Server):
    """All nodes of a Cluster."""

    _pools: dict[Address, Pool]
    #: Slot to its master, as last heard of.
    _slots: dict[int, Address]

    def __init__(self, location: Location) -> None:
        # The package is large, and whoever has one server imports this module too.
        from redis.crc import key_slot

        self._slot_of: Callable[[bytes], int] = key_slot
        self.location = location
        self._reset()
        watch(self)

    def gather(self, calls: Sequence[_Call], *, timeout: float | None = None) -> list[Reply]:
        deadline = time.monotonic() + (DEFAULT_TIMEOUT if timeout is None else timeout)
        replies: list[Reply] = [None] * len(calls)
        open_calls = list(range(len(calls)))
        while open_calls:
            try:
                by_node = self._by_node(calls, open_calls)
            except RedisUnavailable as error:
                for position in open_calls:
                    replies[position] = error
                break
            for address, positions in by_node.items():
                remaining = max(deadline - time.monotonic(), 0.001)
                answers = self._ask_node(address, [calls[position][1] for position in positions], remaining)
                for position, answer in zip(positions, answers, strict=True):
                    replies[position] = answer
            open_calls = [position for position in open_calls if self._is_to_repeat(replies[position], deadline)]
            asked = [position for position in open_calls if _code(replies[position]) == "ASK"]
            for position in asked:
                replies[position] = self._ask_on_the_way(calls[position][1], replies[position], deadline)
                if not self._is_to_repeat(replies[position], deadline):
                    open_calls.remove(position)
        return replies

    def pool_of(self, key: bytes) -> Pool:
        return self._pool_at(self._address_of(key))

    def same_place(self, keys: Sequence[bytes]) -> list[list[int]]:
        groups: dict[int, list[int]] = {}
        for position, key in enumerate(keys):
            groups.setdefault(self._slot_of(key), []).append(position)
        return list(groups.values())

    def every_pool(self) -> list[Pool]:
        return [self._pool_at(address) for address in self.nodes()]

    def any_connector(self) -> Connector:
        """Return another one each time, since one may be away."""
        nodes = self.nodes()
        return self._pool_at(nodes[next(self._turns) % len(nodes)]).connector

    def nodes(self) -> list[Address]:
        """Return the masters, as last heard of."""
        if not self._slots:
            self._read_map()
        return sorted(set(self._slots.values()))

    def open(self, *, timeout: float | None = None) -> None:
        self._read_map()

    def close(self) -> None:
        with self._mutex:
            pools, self._pools = self._pools, {}
            self._slots = {}
        for pool in pools.values():
            pool.close()

    def look_again(self) -> None:
        """Have the map of slots read anew by the next one who needs it."""
        if time.monotonic() - self._read_at > _MAP_AGE:
            self._slots = {}

    def after_fork_in_child(self) -> None:
        """Begin anew; the pools look after themselves."""
        self._reset()

    def _reset(self) -> None:
        self._mutex = threading.Lock()
        self._pools = {}
        self._slots = {}
        self._read_at = 0.0
        self._turns = itertools.count()

    def _by_node(self, calls: Sequence[_Call], positions: Sequence[int]) -> dict[Address, list[int]]:
        nodes: dict[Address, list[int]] = {}
        for position in positions:
            nodes.setdefault(self._address_of(calls[position][0]), []).append(position)
        return nodes

    def _ask_node(self, address: Address, commands: Sequence[Command], timeout: float) -> list[Reply]:
        try:
            return self._pool_at(address).pipeline(commands, timeout=timeout)
        except RedisUnavailable as error:
            self._slots = {}
            return [error] * len(commands)

    def _ask_on_the_way(self, command: Command, reply: ReplyError, deadline: float) -> Reply:
        """Ask the node that a slot is just moving to."""
        remaining = max(deadline - time.monotonic(), 0.001)
        return self._ask_node(_address_in(reply), [(b"ASKING",), command], remaining)[1]

    def _is_to_repeat(self, reply: Reply, deadline: float) -> bool:
        code = _code(reply)
        if code not in _LATER and code not in _ELSEWHERE:
            return False
        if time.monotonic() > deadline:
            return False
        if code == "MOVED":
            slot = int(str(reply).split()[1])
            with self._mutex:
                self._slots[slot] = _address_in(reply)
        elif code in _LATER:
            time.sleep(_PAUSE)
            self.look_again()
        return True

    def _address_of(self, key: bytes) -> Address:
        slot = self._slot_of(key)
        address = self._slots.get(slot)
        if address is None:
            self._read_map()
            address = self._slots.get(slot)
        if address is None:
            raise RedisUnavailable(
                f"In the Redis Cluster at {self.location.url} no node has the slot {slot}. "
                "Look at 'redis-cli cluster info'."
            )
        return address

    def _pool_at(self, address: Address) -> Pool:
        pool = self._pools.get(address)
        if pool is None:
            with self._mutex:
                pool = self._pools.setdefault(address, Pool(Connector(self.location, address)))
        return pool

    def _read_map(self) -> None:
        """Ask the nodes, those that are known and those of the URL, until one answers."""
        error: RedisUnavailable | None = None
        for address in dict.fromkeys([*self._pools, *self.location.addresses]):
            try:
                reply = self._pool_at(address).call(b"CLUSTER", b"SLOTS")
            except RedisUnavailable as away:
                error = away
                continue
            slots = {
                slot: Address(_host(master, address), int(master[1]))
                for first, last, master, *_ in reply
                for slot in range(first, last + 1)
            }
            with self._mutex:
                self._slots = slots
                self._read_at = time.monotonic()
            return
        assert error is not None
        raise error


def _host(master: Sequence[Reply], asked: Address) -> str:
    """Return a node's host; a node that does not know its own is where we asked."""
    name = (master[0] or b"").decode()
    return asked.host if name in {"", "?"} else name


def _code(reply: Reply) -> str:
    return reply.code if isinstance(reply, ReplyError) else ""


def _address_in(reply: ReplyError) -> Address:
    """Return the node that ``MOVED 3999 127.0.0.1:6381`` or ``ASK …`` names."""
    host, _, port = str(reply).split()[2].rpartition(":")
    return Address(host, int(port))
