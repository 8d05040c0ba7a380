"""The post office on Redis and on RabbitMQ: one setting, and nothing else is different."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from celeriac.amqp.connection import Connection
from celeriac.amqp.location import Location
from tests.django.postoffice import POSTOFFICE, free_port
from tests.django.running_demo import RunningDemo
from tests.servers.shared import amqp_url, redis_url

pytestmark = pytest.mark.timeout(400)

#: The one of Redis that belongs to these tests.
REDIS_DATABASE = 14
#: Of this run's keys.
PREFIX = f"postoffice-{os.getpid()}:"
QUEUE = f"postoffice-{os.getpid()}"
URLS: dict[str, Callable[[], str]] = {
    "redis": lambda: f"{redis_url(REDIS_DATABASE)}?global_keyprefix={PREFIX}",
    "rabbitmq": amqp_url,
}

Tour = subprocess.Popen[str]


@pytest.fixture(scope="module")
def tours() -> Iterator[Callable[[str], Tour]]:
    """Walk through the site on every server that is there, on all at once: a walk mostly waits."""
    pytest.importorskip("playwright", reason="NOT RUN: the tour of the example; pip install playwright")
    started: dict[str, Tour] = {}

    def on(server: str) -> Tour:
        for name in URLS if not started else ():
            command = [sys.executable, str(POSTOFFICE / "tour.py"), "--short", "--broker", URLS[name]()]
            environment = os.environ | {"POSTOFFICE_QUEUE": QUEUE}
            started[name] = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        return started[server]

    yield on
    for tour in started.values():
        tour.kill()
        tour.communicate()
    if started:
        connection = Connection.open(Location.from_url(amqp_url(), {}), heartbeat=0, timeout=5, name="tours")
        connection.channel().delete_exchange(QUEUE)
        connection.close()
        with redis.Redis.from_url(redis_url(REDIS_DATABASE)) as client:
            for key in client.scan_iter(f"{PREFIX}*"):
                client.delete(key)


@pytest.mark.parametrize("server", URLS)
def test_the_tour_is_walked_on_a_server_as_on_a_file(tours: Callable[[str], Tour], server: str) -> None:
    output, _ = tours(server).communicate(timeout=380)
    assert "All as it should be" in output, output
    assert tours(server).returncode == 0


@pytest.mark.parametrize(
    ("scheme", "by_option", "cure"),
    [("redis", True, "systemctl start redis-server"), ("amqp", False, "systemctl start rabbitmq-server")][: len(URLS)],
)
def test_where_no_server_is_the_demo_says_how_to_start_one(
    tmp_path: Path, scheme: str, cure: str, *, by_option: bool
) -> None:
    url = f"{scheme}://somebody:secret@127.0.0.1:{free_port()}"
    demo = RunningDemo(tmp_path, "--broker", url) if by_option else RunningDemo(tmp_path, CELERIAC_BROKER_URL=url)
    try:
        assert demo.end() == 1
    finally:
        demo.close()
    assert cure in demo.output
    assert "docker run" in demo.output
    assert "secret" not in demo.output
    assert "Traceback" not in demo.output
    assert demo.pids() == {}
