"""redis-py alone: elements onto a list and off it."""

from contextlib import closing

import redis

from benchmarks.floors.floor import CELERYS, Floor, timed
from benchmarks.stores import Store

__all__ = ["REDIS"]

_BATCH = 500
_TAKEN = 64


def _look(store: Store, count: int, bulk: int) -> dict[str, dict[str, float]]:
    with closing(redis.Redis.from_url(store.urls()[0])) as client:
        client.ping()
        publish = timed(store, count, lambda: [client.lpush("list", CELERYS) for _ in range(count)])
        publish |= timed(store, bulk, lambda: _pipelined(client, bulk), "bulk-")
        return {"publish": publish, "drain-off": timed(store, count + bulk, lambda: _take_all(client))}


def _pipelined(client: redis.Redis, count: int) -> None:
    for start in range(0, count, _BATCH):
        pipeline = client.pipeline(transaction=False)
        for _ in range(min(_BATCH, count - start)):
            pipeline.lpush("list", CELERYS)
        pipeline.execute()


def _take_all(client: redis.Redis) -> None:
    while client.rpop("list", _TAKEN):
        pass


REDIS = Floor(
    name="redis-py alone",
    engine="redis",
    settings="with hiredis: LPUSH of 800 bytes; 500 in a pipeline in bulk; RPOP of 64, one process, no tasks, nothing "
    "that would survive a crash",
    look=_look,
)
