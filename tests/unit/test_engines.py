"""From URLs to engines."""

import subprocess
import sys
from pathlib import Path

import pytest

from celeriac.backends.disabled import DisabledBackend
from celeriac.backends.memory import MemoryBackend
from celeriac.backends.redis import RedisBackend
from celeriac.backends.sqlite import SqliteBackend
from celeriac.brokers.memory import MemoryBroker
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.engines import backend_from_url, broker_from_url, default_broker_url, suggested_backend
from celeriac.exceptions import ImproperlyConfigured, ResultsDisabled


def test_the_scheme_chooses_the_engine() -> None:
    assert isinstance(broker_from_url("memory://x"), MemoryBroker)
    assert isinstance(broker_from_url("SQLite:////tmp/q.sqlite3"), SqliteBroker)
    assert isinstance(backend_from_url("memory://x"), MemoryBackend)
    assert isinstance(backend_from_url("sqlite:////tmp/q.sqlite3"), SqliteBackend)
    assert isinstance(backend_from_url("disabled://"), DisabledBackend)


@pytest.mark.parametrize(
    "url", ["redis://host/1", "rediss://host", "valkey://host", "redis+socket:///run/redis.sock", "redis+cluster://a"]
)
def test_redis_is_reached_in_many_ways(url: str) -> None:
    assert isinstance(backend_from_url(url), RedisBackend)


@pytest.mark.parametrize("library", ["hiredis", "redis"])
def test_a_library_that_is_not_installed_is_named_with_the_extra_that_brings_it(library: str) -> None:
    program = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from celeriac.engines import backend_from_url\n"
        "from celeriac.exceptions import ImproperlyConfigured\n"
        "try: backend_from_url('redis://:secret@host')\n"
        "except ImproperlyConfigured as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    needed = f'the package {library} is needed, which is not installed: pip install "celeriac[redis]"'
    assert needed in ended.stdout
    assert "secret" not in ended.stdout


def test_celery_s_names_for_the_same_are_understood() -> None:
    assert isinstance(backend_from_url("cache+memory://"), MemoryBackend)
    backend = backend_from_url("db+sqlite:////tmp/results.sqlite3")
    assert isinstance(backend, SqliteBackend)
    assert backend.url == "sqlite:////tmp/results.sqlite3"


@pytest.mark.parametrize("url", [None, ""])
def test_without_a_url_results_are_off(url: str | None) -> None:
    backend = backend_from_url(url)
    assert not backend.stores_results
    assert backend.store([]) == []
    with pytest.raises(ResultsDisabled, match="Set result_backend"):
        backend.fetch(["a"])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "has no scheme"),
        ("q.sqlite3", "has no scheme: it begins with 'q.sqlite3'"),
        ("redis:secret@host", "it begins with 'redis'"),
        ("sqlit:///q", r"no broker for sqlit:// URLs. Did you mean sqlite://\?"),
        ("carrier-pigeon://roof", "one of: amqp://, amqps://, memory://, redis://"),
        ("http://[", "cannot be read"),
        ("sqlite://q.sqlite3", "write sqlite:///q.sqlite3"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "or memory://"),
        ("sqlite:///a%00b", "NUL"),
    ],
)
def test_a_url_that_is_wrong_is_explained(url: str, words: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=words) as caught:
        broker_from_url(url)
    assert "secret" not in str(caught.value)


def test_something_that_is_no_text_is_explained() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"broker_url must be a URL .* not PosixPath"):
        broker_from_url(Path("q.sqlite3"))  # type: ignore[arg-type]


def test_a_relative_path_begins_at_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    broker = broker_from_url("sqlite:///sub/q.sqlite3")
    monkeypatch.chdir("/")
    assert isinstance(broker, SqliteBroker)
    assert broker.database.location.path == tmp_path / "sub" / "q.sqlite3"


def test_a_path_may_contain_anything_that_is_quoted(tmp_path: Path) -> None:
    url = default_broker_url(tmp_path / "with space # and ? and %")
    broker = broker_from_url(url)
    assert isinstance(broker, SqliteBroker)
    assert broker.database.location.path == tmp_path / "with space # and ? and %" / "celeriac.sqlite3"
    assert broker.url == url


def test_the_home_directory_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    broker = broker_from_url("sqlite:///~/q.sqlite3")
    assert isinstance(broker, SqliteBroker)
    assert broker.database.location.path == tmp_path / "q.sqlite3"


def test_options_of_the_url_win_over_those_of_the_settings() -> None:
    options = {"synchronous": "full", "visibility_timeout": 3600}
    assert broker_from_url("sqlite:////tmp/q", options=options).url.endswith("?synchronous=full")
    assert broker_from_url("sqlite:////tmp/q?synchronous=normal", options=options).url == "sqlite:////tmp/q"


def test_a_backend_in_the_broker_s_file_shares_its_connections(tmp_path: Path) -> None:
    broker = broker_from_url(f"sqlite:///{tmp_path}/q")
    same = backend_from_url(f"sqlite:///{tmp_path}/q", broker=broker)
    apart = backend_from_url(f"sqlite:///{tmp_path}/q")
    other = backend_from_url(f"sqlite:///{tmp_path}/r", broker=broker)
    assert isinstance(broker, SqliteBroker)
    assert isinstance(same, SqliteBackend)
    assert same.database is broker.database
    assert broker.shares_store_with(same)
    assert broker.shares_store_with(apart)
    assert not broker.shares_store_with(other)
    assert broker.shares_store_with(backend_from_url(None))
    assert not broker.shares_store_with(backend_from_url("memory://"))


def test_a_symbolic_link_leads_to_the_same_file(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    broker = broker_from_url(f"sqlite:///{tmp_path}/real/q")
    assert broker.shares_store_with(backend_from_url(f"sqlite:///{tmp_path}/link/q"))


def test_results_are_suggested_where_they_can_be_kept() -> None:
    assert "the broker's URL" in suggested_backend("redis://here/0")
    assert "the broker's URL" not in suggested_backend("amqp://here//"), "RabbitMQ keeps no results"
    assert "redis://" in suggested_backend("amqps://a;amqps://b")
    assert suggested_backend(None), "a wrong broker_url is for others to complain about"
