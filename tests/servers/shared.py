"""The servers on the standard ports, for tests that only use one and harm nobody."""

import os
from urllib.parse import urlsplit

from tests.servers.ports import is_listening
from tests.servers.programs import skip_or_fail

__all__ = ["amqp_url", "redis_url"]


def redis_url(database: int = 0) -> str:
    """Return the URL of the shared Redis, ``CELERIAC_TEST_REDIS_URL`` or the standard port, with this database."""
    url = os.environ.get("CELERIAC_TEST_REDIS_URL", "redis://127.0.0.1:6379").rstrip("/")
    _need(url, 6379, "CELERIAC_TEST_REDIS_URL", "redis-server")
    return f"{url}/{database}"


def amqp_url() -> str:
    """Return the URL of the shared RabbitMQ, ``CELERIAC_TEST_AMQP_URL`` or the standard port."""
    url = os.environ.get("CELERIAC_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
    _need(url, 5672, "CELERIAC_TEST_AMQP_URL", "rabbitmq-server")
    return url


def _need(url: str, standard_port: int, variable: str, package: str) -> None:
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or standard_port
    if not is_listening(port, host):
        skip_or_fail(
            f"NO {package.upper()}: nobody listens on {host}:{port} (Debian: apt-get install {package}; "
            f"{variable} names another address)"
        )
