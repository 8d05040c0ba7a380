import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from celeriac.redis.connecting import Connector
from celeriac.redis.connection import Connection
from celeriac.redis.location import Location
from tests.redis.key_space import own_keys
from tests.servers.proxy import Proxy
from tests.servers.redis_server import RedisServer

MakeConnection = Callable[..., Connection]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server that this module may harm."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def connect() -> Iterator[MakeConnection]:
    """Return a function that makes a connection to a URL, closed after the test."""
    with ExitStack() as stack:

        def make(url: str, **rest: object) -> Connection:
            connector = Connector(Location.from_url(url, {}))
            return stack.enter_context(closing(Connection(connector, **rest)))

        yield make


@pytest.fixture
def url() -> Iterator[str]:
    """A URL on the shared server, with keys of the test's own."""
    with own_keys() as url:
        yield url


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package for scripts of the test's own, called like its directory."""
    package = tmp_path / f"scripts_{uuid.uuid4().hex}"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return package
