"""Keys of a test's own on the shared server."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import redis

from tests.servers.shared import redis_url

__all__ = ["DATABASE", "own_keys"]

#: The database that tests of the result backend use.
DATABASE = 11


@contextmanager
def own_keys(database: int = DATABASE, **options: object) -> Iterator[str]:
    """Give a URL under which nobody else's keys are seen; remove what was kept there."""
    url = redis_url(database)
    prefix = f"test-{uuid.uuid4().hex}-"
    yield f"{url}?{urlencode({'global_keyprefix': prefix, **options})}"
    with redis.Redis.from_url(url) as client:
        beside = (f"celeriac.{kind}.{{{prefix}*" for kind in ("result", "holding"))
        leftovers = [key for pattern in (f"{prefix}*", *beside) for key in client.scan_iter(pattern, 1000)]
        if leftovers:
            client.unlink(*leftovers)
