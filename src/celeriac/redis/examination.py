"""The examination of a server: how it keeps what it is given, and when it can lose it.

Nearly all of it is in ``INFO``. The rest is asked with ``CONFIG GET``, which hosted servers often forbid; then that is
said.
"""

from collections.abc import Callable, Iterator
from typing import Final

from celeriac.brokers.remarks import Remark
from celeriac.redis.errors import RedisRefused
from celeriac.redis.location import Kind
from celeriac.redis.packing import Reply
from celeriac.redis.servers import Server

__all__ = ["examine", "examine_one"]

#: Does what ``Connection.call`` does.
Ask = Callable[..., Reply]

_SETTINGS: Final = ("appendfsync", "save", "min-replicas-to-write")
#: Of ``maxmemory``, above which it is time to act.
_NEARLY_FULL: Final = 0.9
_KEEP: Final = "'redis-cli config set appendonly yes', and to keep it so after a restart 'redis-cli config rewrite'"
_NO_EVICTION: Final = "'redis-cli config set maxmemory-policy noeviction'"


class _Server:
    """What one server says of itself."""

    def __init__(self, ask: Ask, name: str) -> None:
        self.name = name
        self.info = _read_info(ask(b"INFO"))
        #: None: it may not be asked.
        self.settings = _read_settings(ask)

    def number(self, name: str) -> int:
        """Return a number of ``INFO``; 0 for one that is not there."""
        text = self.info.get(name, "")
        return int(text) if text.isdecimal() else 0


def examine(server: Server) -> list[Remark]:
    """Return what there is to be said of a server, or of each node of a Cluster; raises ``RedisUnavailable``."""
    kind = server.location.kind
    return [
        remark
        for pool in server.every_pool()
        for remark in examine_one(pool.call, f"The Redis server at {pool.connector.server}", kind)
    ]


def examine_one(ask: Ask, name: str, kind: Kind = Kind.SERVER) -> list[Remark]:
    """Return what there is to be said of the server that answers ``ask``, which is called ``name``."""
    try:
        server = _Server(ask, name)
    except RedisRefused as error:
        return [Remark(sentence=f"{name} may not be asked how it keeps what it is given. {error}")]
    return [*_version(server), *_disk(server), *_fail_over(server, kind), *_memory(server)]


def _version(server: _Server) -> Iterator[Remark]:
    info = server.info
    fork, version = next(
        (
            (title, info[key])
            for title, key in (("Valkey", "valkey_version"), ("Redis", "redis_version"))
            if info.get(key)
        ),
        ("Redis", "of an unknown version"),
    )
    yield Remark(weight="ok", sentence=f"{server.name} is {fork} {version}.")


def _disk(server: _Server) -> Iterator[Remark]:
    if server.info.get("aof_enabled") == "1":
        yield from _append_only_file(server)
    else:
        yield from _snapshots(server)
    for key, what in (("aof_last_write_status", "append to its file"), ("rdb_last_bgsave_status", "write a snapshot")):
        if server.info.get(key, "ok") != "ok":
            yield Remark(
                weight="wrong",
                sentence=f"{server.name} could not {what} the last time. Look at its log, and for room on its disk.",
            )


def _append_only_file(server: _Server) -> Iterator[Remark]:
    how = None if server.settings is None else server.settings.get("appendfsync")
    if how == "always":
        yield Remark(weight="ok", sentence=f"{server.name} writes each change to its disk before it answers.")
        return
    if how == "no":
        lost = "may take what came in the last half minute or so (appendfsync no)"
    elif how is None:
        lost = "may take what came in the last second or two, unless appendfsync is 'always' (it may not be asked)"
    else:
        lost = "may take what came in the last second or two (appendfsync everysec)"
    yield Remark(
        sentence=f"{server.name} keeps each change in its append-only file: a crash of the server loses nothing, a "
        f"power cut {lost}.",
    )


def _snapshots(server: _Server) -> Iterator[Remark]:
    rules = None if server.settings is None else server.settings.get("save", "")
    if rules == "":
        yield Remark(
            weight="wrong",
            sentence=f"{server.name} keeps nothing on disk: tasks and results are gone when it restarts. Switch on its "
            f"append-only file: {_KEEP}.",
        )
        return
    since = server.number("rdb_changes_since_last_save")
    yield Remark(
        sentence=f"{server.name} keeps snapshots only{f' (save {rules})' if rules else ''}: when it crashes or its "
        f"machine stops, all that came since the last one is lost, at the moment {since} changes. To lose nothing in a "
        f"crash, switch on its append-only file: {_KEEP}.",
    )


def _fail_over(server: _Server, kind: Kind) -> Iterator[Remark]:
    replicas = server.number("connected_slaves")
    if server.info.get("role") == "slave":
        yield Remark(weight="wrong", sentence=f"{server.name} is a replica and takes no writes. Connect to its master.")
    elif replicas or kind in {Kind.SENTINEL, Kind.CLUSTER}:
        least = None if server.settings is None else server.settings.get("min-replicas-to-write", "0")
        bound = "" if least in {None, "0"} else f" It takes writes only while {least} of them are near it, which helps."
        cure = (
            " 'redis-cli config set min-replicas-to-write 1' bounds that, and makes it refuse writes without a replica."
        )
        yield Remark(
            sentence=f"{server.name} has {replicas or 'no'} replica{'' if replicas == 1 else 's'}: a fail-over loses "
            f"what its new master had not been told yet, usually less than a second.{bound or cure}",
        )


def _memory(server: _Server) -> Iterator[Remark]:
    policy = server.info.get("maxmemory_policy", "noeviction")
    limit, used = server.number("maxmemory"), server.number("used_memory")
    if policy != "noeviction":
        victims = "results" if policy.startswith("volatile") else "queues, so tasks,"
        when = "when it is full" if limit else "once maxmemory is set, which it is not"
        yield Remark(
            weight="wrong" if limit else "note",
            sentence=f"{server.name} throws {victims} away {when} (maxmemory-policy {policy}). Have it refuse writes "
            f"instead: {_NO_EVICTION}.",
        )
    if policy != "noeviction" and server.number("evicted_keys"):
        yield Remark(
            weight="wrong",
            sentence=f"{server.name} has thrown away {server.number('evicted_keys')} keys since it started. What was "
            "in them is lost.",
        )
    if limit and used > _NEARLY_FULL * limit:
        yield Remark(
            weight="wrong",
            sentence=f"{server.name} has used {used * 100 // limit} % of its maxmemory ({limit >> 20} MiB). Raise it, "
            "or let workers empty the queues.",
        )


def _read_info(reply: Reply) -> dict[str, str]:
    lines = bytes(reply).decode(errors="replace").splitlines()
    return dict(line.partition(":")[::2] for line in lines if ":" in line)


def _read_settings(ask: Ask) -> dict[str, str] | None:
    settings: dict[str, str] = {}
    try:
        for name in _SETTINGS:
            settings |= _pairs(ask(b"CONFIG", b"GET", name))
    except RedisRefused:
        return None
    return settings


def _pairs(reply: Reply) -> dict[str, str]:
    """Return names and values: a dictionary in RESP3, one list of both in RESP2."""
    items = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {key.decode(): value.decode() for key, value in items}
