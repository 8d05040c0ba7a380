"""redis-py alone, and a socket without it: elements onto a list and off it."""

import socket
from contextlib import closing
from urllib.parse import urlsplit

import redis

from benchmarks.floors.floor import Floor, timed
from benchmarks.stores import Store

__all__ = ["REDIS", "REDIS_SOCKET"]

#: As many bytes as celeriac pushes for a small call, in Celery's envelope.
_ELEMENT = b"x" * 870
_WARM = 200

#: Elements of one command.
_BATCH = 1_000


def _look(store: Store, count: int, bulk: int) -> dict[str, dict[str, float]]:
    with closing(redis.Redis.from_url(store.urls()[0])) as client:
        for _ in range(_WARM):
            client.lpush("list", _ELEMENT)
        publish = timed(store, count, lambda: [client.lpush("list", _ELEMENT) for _ in range(count)])
        publish |= timed(store, bulk, lambda: _push_many(client, bulk), "bulk-")
        return {"publish": publish, "drain-off": timed(store, count + bulk + _WARM, lambda: _take_all(client))}


def _push_many(client: redis.Redis, count: int) -> None:
    for start in range(0, count, _BATCH):
        client.lpush("list", *[_ELEMENT] * min(_BATCH, count - start))


def _take_all(client: redis.Redis) -> None:
    while client.rpop("list", _BATCH):
        pass


REDIS = Floor(
    name="redis-py alone",
    engine="redis",
    settings="with hiredis: LPUSH of 870 bytes; 1,000 of them in one LPUSH in bulk, and in one RPOP; one process, no "
    "tasks, nothing that would survive a crash",
    look=_look,
)


def _look_by_socket(store: Store, count: int, _: int) -> dict[str, dict[str, float]]:
    place = urlsplit(store.urls()[0])
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        command = b"*3\r\n$5\r\nLPUSH\r\n$4\r\nlist\r\n$%d\r\n%b\r\n" % (len(_ELEMENT), _ELEMENT)

        def push(number: int) -> None:
            for _ in range(number):
                connection.sendall(command)
                assert connection.recv(100).startswith(b":")

        push(_WARM)
        return {"publish": timed(store, count, lambda: push(count))}


REDIS_SOCKET = Floor(
    name="a socket alone",
    engine="redis",
    settings="the same LPUSH, packed once, on a socket without a client library; its answer is read and not parsed",
    look=_look_by_socket,
)
