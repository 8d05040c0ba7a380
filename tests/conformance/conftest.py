from collections.abc import Iterator

import pytest

from tests.servers.vhost import virtual_host

pytest.register_assert_rewrite("celeriac.testing.conformance")


@pytest.fixture(scope="session")
def rabbit_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a virtual host in which nothing else happens."""
    with virtual_host(tmp_path_factory.mktemp("rabbit")) as url:
        yield url
