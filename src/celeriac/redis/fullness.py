"""Whether a server has reached its ``maxmemory``: then it takes no new messages, though what shrinks them goes on."""

from celeriac.redis.errors import RedisRefused, explain_reply
from celeriac.redis.pool import Pool

__all__ = ["fullness"]


def fullness(pool: Pool) -> str:
    """Return a sentence with the cure if the server is full, else nothing; raises ``RedisUnavailable``.

    A user who may not ask (``-@dangerous``, as at many who rent out servers) is told nothing.
    """
    try:
        answer = pool.call(b"INFO", b"memory")
    except RedisRefused:
        return ""
    pairs = (line.partition(":")[::2] for line in bytes(answer).decode(errors="replace").splitlines())
    info = dict(pairs)
    limit = _number(info, "maxmemory")
    counted = _number(info, "used_memory") - _number(info, "mem_not_counted_for_evict")
    if not limit or counted <= limit or info.get("maxmemory_policy", "noeviction") != "noeviction":
        return ""
    return explain_reply(pool.connector.server, "OOM")


def _number(info: dict[str, str], name: str) -> int:
    text = info.get(name, "")
    return int(text) if text.isdecimal() else 0
