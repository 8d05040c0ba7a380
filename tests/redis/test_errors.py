"""What a server answers becomes a sentence with the cure."""

import re
from contextlib import closing
from pathlib import Path

import pytest

from celeriac.backends.base import StoredResult
from celeriac.backends.redis import RedisBackend
from celeriac.brokers.base import Outcome, Settlement
from celeriac.brokers.redis import RedisBroker
from celeriac.exceptions import BackendStoreError, OperationalError
from celeriac.protocol.message import Message
from celeriac.redis.errors import ReplyError, explain_reply
from celeriac.routing import Queue
from tests.servers.redis_server import RedisServer

#: As Redis 6.2 tells what went wrong inside a script.
IN_A_SCRIPT = (
    "ERR Error running script (call to f_6b1bf486c81ceb7edf3c093f4c48582e38c0e791): @user_script:1: @user_script: 1: "
)


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", "OOM", "has reached its maxmemory"),
        (
            f"{IN_A_SCRIPT}-OOM command not allowed when used memory > 'maxmemory'.",
            "OOM",
            "has reached its maxmemory",
        ),
        (f"{IN_A_SCRIPT}-READONLY You can't write against a read only replica.", "READONLY", "is a replica"),
        ("MISCONF Redis is configured to save RDB snapshots", "MISCONF", "could not save to its disk"),
        ("LOADING Redis is loading the dataset in memory", "LOADING", "is still reading its data from disk"),
        ("NOPERM this user has no permissions to run the 'eval' command", "NOPERM", "lacks a right .*'eval'"),
        ("ERR max number of clients reached", "ERR", "no room for another connection"),
        ("CLUSTERDOWN Hash slot not served", "CLUSTERDOWN", "some slots have no node"),
        ("BUSY Redis is busy running a script.", "BUSY", "script kill"),
        ("ERR something else", "ERR", "refused: ERR something else"),
    ],
)
def test_an_answer_becomes_a_sentence(answer: str, code: str, words: str) -> None:
    assert ReplyError(answer).code == code
    sentence = explain_reply("redis://host:6379", answer)
    assert "redis://host:6379" in sentence
    assert re.search(words, sentence)


def test_results_that_find_no_room_are_not_stored_and_say_so(tmp_path: Path) -> None:
    with RedisServer(tmp_path, settings={"maxmemory": "2mb"}) as server, closing(RedisBackend(server.url)) as backend:
        results = [
            StoredResult(task_id=str(number), state="SUCCESS", document=b"x" * 100_000, lifetime=60.0)
            for number in range(30)
        ]
        with pytest.raises(BackendStoreError, match="has reached its maxmemory"):
            backend.store(results)
        server.set("maxmemory", "50mb")
        assert {refused.task_id for refused in backend.store(results)} < {result.task_id for result in results}
        assert len(backend.fetch([result.task_id for result in results])) == 30


def test_a_user_without_the_right_is_told_which(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        server.ask("ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+@read", "+@connection")
        with closing(RedisBackend(f"redis://reader:pw@127.0.0.1:{server.port}")) as backend:
            assert backend.fetch(["a"]) == {}
            with pytest.raises(BackendStoreError, match="lacks a right"):
                backend.store([StoredResult(task_id="a", state="SUCCESS", document=b"{}")])


def test_the_rights_that_the_docs_name_are_enough(tmp_path: Path) -> None:
    rights = ["+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "~*", "&*"]
    with RedisServer(tmp_path) as server:
        server.ask("ACL", "SETUSER", "results", "on", ">pw", *rights)
        with closing(RedisBackend(f"redis://results:pw@127.0.0.1:{server.port}")) as backend:
            backend.store([StoredResult(task_id="a", state="SUCCESS", document=b"other")])
            assert set(backend.wait(["a"], 5)) == {"a"}
            assert backend.wait(["b"], 0.1) == {}
            assert backend.chord_part("g", size=1, index=0, document=b"0").documents == (b"0",)
            backend.forget(["a"])


def test_the_same_rights_and_that_to_know_the_time_are_enough_for_queues(tmp_path: Path) -> None:
    rights = ["+@read", "+@write", "+@scripting", "+@pubsub", "+@connection", "~*", "&*"]
    with RedisServer(tmp_path) as server:
        server.ask("ACL", "SETUSER", "node", "on", ">pw", *rights)
        with closing(RedisBroker(f"redis://node:pw@127.0.0.1:{server.port}")) as broker:
            with pytest.raises(OperationalError, match="lacks a right"):
                broker.consumer([Queue("q")], node="one@here").receive(1, 0)
            server.ask("ACL", "SETUSER", "node", "+time")
            broker.publish([Message(id="a", queue="q", headers={})])
            with closing(broker.consumer([Queue("q")], node="one@here")) as consumer:
                (delivery,) = consumer.receive(1, 5)
                assert consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK)]) == []
                consumer.renew()
                assert consumer.recover() == 0
                assert consumer.hindrance() == "", "who may not ask whether the server is full is not held up by that"
