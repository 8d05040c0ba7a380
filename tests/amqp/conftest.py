"""A RabbitMQ, connections to it, and queue names that nobody else uses."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from celeriac.amqp.channel import Channel
from celeriac.amqp.connection import Connection
from celeriac.amqp.errors import Refused
from celeriac.amqp.location import Location
from tests.servers.shared import amqp_url
from tests.servers.vhost import virtual_host

Connect = Callable[[], Connection]


@pytest.fixture
def location() -> Location:
    """Where the shared server is."""
    return Location.from_url(amqp_url(), {})


@pytest.fixture(scope="session")
def rabbit_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a virtual host in which nothing else happens, and nothing is left behind."""
    with virtual_host(tmp_path_factory.mktemp("rabbit")) as url:
        yield url


@pytest.fixture
def connect(location) -> Iterator[Connect]:
    """Connect; closed at the end of the test."""
    connections: list[Connection] = []

    def connect() -> Connection:
        connection = Connection.open(location, name="test")
        connections.append(connection)
        return connection

    yield connect
    for connection in connections:
        connection.close()


@pytest.fixture
def channel(connect) -> Channel:
    """A channel on a connection of its own."""
    return connect().channel()


@pytest.fixture
def queue_name(location) -> Iterator[str]:
    """A name no other test uses; the queue is deleted afterwards."""
    name = f"test-{uuid.uuid4()}"
    yield name
    connection = Connection.open(location, name="test")
    try:
        connection.channel().delete_queue(name)
    except Refused:
        pass
    finally:
        connection.close()
