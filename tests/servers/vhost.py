"""A virtual host of RabbitMQ for one test session: nobody else's queues, nodes and dead letters are in it."""

import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers.ports import is_listening
from tests.servers.rabbit_server import RabbitServer

__all__ = ["virtual_host"]

_SHARED = "amqp://guest:guest@127.0.0.1:5672//"
_numbers = itertools.count(1)


@contextmanager
def virtual_host(directory: Path) -> Iterator[str]:
    """Yield the URL of an empty virtual host, which is gone afterwards.

    On the server at the standard port if this user may administer it, which takes a moment; else on a private server,
    which takes some seconds.
    """
    name = f"celeriac-test-{os.getpid()}-{next(_numbers)}"
    url = os.environ.get("CELERIAC_TEST_AMQP_URL", _SHARED)
    parts = urlsplit(url)
    user = parts.username or "guest"
    if is_listening(parts.port or 5672, parts.hostname or "127.0.0.1") and _control("add_vhost", name):
        try:
            _control("set_permissions", "-p", name, user, ".*", ".*", ".*")
            yield f"{parts.scheme}://{parts.netloc}/{name}"
        finally:
            _control("delete_vhost", name)
        return
    server = RabbitServer(directory)
    server.start()
    try:
        yield server.url
    finally:
        server.close()


def _control(*arguments: str) -> bool:
    """Run ``rabbitmqctl`` on this machine's own server; return whether it did as it was told."""
    program = shutil.which("rabbitmqctl")
    if program is None:
        return False
    done = subprocess.run([program, "--quiet", *arguments], capture_output=True, timeout=30, check=False)
    return done.returncode == 0
