"""Results lie where Celery looks for them and look as Celery's do; what Celery writes is read."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import redis

from celeriac import states
from celeriac.backends.base import StoredResult
from celeriac.backends.redis import RedisBackend
from celeriac.brokers.base import Outcome, Settlement
from celeriac.brokers.redis import RedisBroker
from celeriac.exceptions import BackendGetMetaError, BackendStoreError
from celeriac.protocol.message import Message
from celeriac.protocol.result_document import ResultDocument, decode_document, encode_document
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import until
from tests.servers.ports import free_port

EVERYTHING = ("application/json", "application/x-python-serialize", "application/x-msgpack", "application/x-yaml")


@pytest.fixture
def backend(url: str) -> Iterator[RedisBackend]:
    with closing(RedisBackend(url)) as backend:
        yield backend


@pytest.fixture
def client(url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(url.partition("?")[0]) as client:
        yield client


@pytest.fixture
def key(url: str) -> str:
    """The key of the task ``a``."""
    return parse_qs(urlsplit(url).query)["global_keyprefix"][0] + "celery-task-meta-a"


def write(
    state: str = states.SUCCESS, serializer: str = "json", *, compression: str | None = None, **changes: object
) -> StoredResult:
    encoded = encode_document(
        ResultDocument(task_id="a", status=state, result=3, date_done=datetime(2026, 1, 2, tzinfo=UTC)),
        serializer,
        compression=compression,
    )
    fields = {
        "document": encoded.data,
        "content_type": encoded.content_type,
        "content_encoding": encoded.content_encoding,
        "lifetime": 60.0,
    }
    return StoredResult(task_id="a", state=state, **(fields | changes))


def test_a_result_is_celerys_document_under_celerys_key(backend: RedisBackend, client: redis.Redis, key: str) -> None:
    result = write(lifetime=100.0)
    backend.store([result])
    assert client.get(key) == result.document
    assert 99_000 < client.pttl(key) <= 100_000


def test_the_execution_is_a_last_field_that_celery_does_not_look_at(
    backend: RedisBackend, client: redis.Redis, key: str
) -> None:
    result = write(states.STARTED, execution=12)
    backend.store([result])
    stored = json.loads(client.get(key))
    assert stored == json.loads(result.document) | {"celeriac-execution": 12}
    [fetched] = backend.fetch(["a"]).values()
    assert (fetched.document, fetched.execution) == (result.document, 12)


def test_a_result_without_a_delivery_takes_the_fence_over(backend: RedisBackend, client: redis.Redis, key: str) -> None:
    backend.store([write(states.STARTED, execution=12)])
    backend.store([write("PROGRESS")])
    assert json.loads(client.get(key))["celeriac-execution"] == 12
    late = write(states.STARTED, execution=11)
    assert backend.store([late]) == [late]


def test_the_final_state_of_an_older_execution_takes_the_fence_of_the_newer_one_over(
    backend: RedisBackend, client: redis.Redis, key: str
) -> None:
    backend.store([write(states.STARTED, execution=12)])
    result = write(states.FAILURE, execution=9)
    assert backend.store([result]) == []
    assert json.loads(client.get(key)) == json.loads(result.document) | {"celeriac-execution": 12}
    [fetched] = backend.fetch(["a"]).values()
    assert (fetched.document, fetched.execution) == (result.document, 12)


def test_a_very_large_execution_is_kept_to_the_last_digit(backend: RedisBackend) -> None:
    microseconds = 1_796_000_000_123_457
    backend.store([write(states.STARTED, execution=microseconds)])
    backend.store([write("PROGRESS")])
    assert backend.fetch(["a"])["a"].execution == microseconds
    late = write(states.STARTED, execution=microseconds - 1)
    assert backend.store([late]) == [late]


def test_who_subscribes_as_celery_does_gets_the_document(backend: RedisBackend, client: redis.Redis, key: str) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.subscribe(key)
        until(lambda: client.pubsub_numsub(key)[0][1])
        result = write()
        backend.store([result])
        message = until(lambda: subscription.get_message(timeout=1))
    assert (message["channel"], message["data"]) == (key.encode(), result.document)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("serializer", ["json", "pickle", "msgpack", "yaml"])
@pytest.mark.parametrize("state", [states.SUCCESS, states.STARTED, "PROGRESS"])
def test_what_celery_has_written_is_read_and_known_by_its_state(
    backend: RedisBackend, client: redis.Redis, key: str, state: str, serializer: str, compression: str | None
) -> None:
    written = write(state, serializer, compression=compression)
    client.set(key, written.document, ex=60)
    [read] = backend.fetch(["a"]).values()
    assert read.state == state
    assert decode_document(read.document, read.content_type, read.content_encoding, EVERYTHING).result == 3
    late = write(states.FAILURE)
    refused = backend.store([late])
    # The server sees the state of what is written as Celery does by default.
    expected = [late] if state == states.SUCCESS and (serializer, compression) == ("json", None) else []
    assert refused == expected


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("serializer", ["json", "pickle", "msgpack", "yaml"])
def test_every_form_is_stored_fetched_and_fenced(
    backend: RedisBackend, client: redis.Redis, key: str, serializer: str, compression: str | None
) -> None:
    early = write(states.STARTED, serializer, compression=compression, execution=5)
    done = write(states.SUCCESS, serializer, compression=compression, execution=6)
    assert backend.store([early, done]) == []
    assert client.get(key)[: len(done.document) - 1] == done.document[:-1]
    [read] = backend.fetch(["a"]).values()
    fields = ("state", "document", "content_type", "content_encoding", "execution")
    assert [getattr(read, field) for field in fields] == [getattr(done, field) for field in fields]
    assert backend.store([early, write(states.FAILURE, execution=7)]) != []
    assert backend.fetch(["a"])["a"] == read


def test_a_label_goes_with_its_document(backend: RedisBackend, client: redis.Redis, key: str) -> None:
    label = f"celeriac.result.{{{key}}}"
    backend.store([write(states.STARTED, "pickle", execution=5, lifetime=100.0)])
    assert 99_000 < client.pttl(label) <= 100_000
    backend.store([write(states.RETRY, "json", execution=6)])
    assert not client.exists(label)
    assert backend.fetch(["a"])["a"].execution == 6
    backend.store([write(states.SUCCESS, "pickle", execution=7)])
    backend.forget(["a"])
    assert not client.exists(label, key)


def test_a_wait_ends_with_a_document_that_does_not_say_its_state_at_its_beginning(backend: RedisBackend) -> None:
    found: dict[str, StoredResult] = {}
    thread = threading.Thread(target=lambda: found.update(backend.wait(["a"], 15)))
    thread.start()
    backend.store([write(states.STARTED, "pickle")])
    backend.store([write(states.SUCCESS, "pickle", compression="zlib")])
    thread.join()
    assert found["a"].state == states.SUCCESS


def test_a_store_that_is_away_says_what_to_do() -> None:
    with closing(RedisBackend(f"redis://127.0.0.1:{free_port()}")) as backend:
        with pytest.raises(BackendStoreError, match="systemctl start redis-server"):
            backend.store([write()])
        with pytest.raises(BackendGetMetaError, match="docker run"):
            backend.wait(["a"], 1)


def test_broker_and_backend_agree_on_the_key_whatever_the_prefix_ends_in(url: str) -> None:
    # Celery's backend adds an underscore to such a prefix, Celery's broker does not.
    prefixed = url + "x"
    with closing(RedisBroker(prefixed)) as broker, closing(RedisBackend(prefixed)) as backend:
        assert broker.shares_store_with(backend)
        broker.publish_with_results([Message(id="a", queue="q", headers={"task": "t", "id": "a"})], [write()], backend)
        assert set(backend.fetch(["a"])) == {"a"}
        consumer = broker.consumer([Queue("q")], node="one@test", results=backend)
        [delivery] = consumer.receive(1, 5)
        done = Settlement(delivery=delivery, outcome=Outcome.ACK, result=write(states.FAILURE))
        assert consumer.settle([done]) == []
        assert backend.fetch(["a"])["a"].state == states.SUCCESS
        consumer.close()
        broker.delete("q")
