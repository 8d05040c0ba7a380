"""A real Celery runs the messages that celeriac writes, and reads the results."""

import json
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from celeriac import exceptions
from celeriac.protocol.message import Message
from celeriac.protocol.result_document import ResultDocument, decode_document, encode_document
from celeriac.protocol.task_call import TaskCall, encode_task

CELERY_SIDE = Path(__file__).parent / "peer" / "celery_side.py"
PAST = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

AskPeer = Callable[[str, dict[str, Any]], Any]


@pytest.fixture
def ask_peer(peer_python: str) -> AskPeer:
    def ask(command: str, request: dict[str, Any]) -> Any:
        run = subprocess.run(
            [peer_python, str(CELERY_SIDE), command],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return json.loads(run.stdout.splitlines()[-1])

    return ask


def call(task: str = "peer.echo", **fields: Any) -> TaskCall:
    return TaskCall(task=task, id=str(uuid4()), origin="gen1@here", **fields)


def envelope(message: Message) -> dict[str, Any]:
    """Return the message in kombu's envelope."""
    return {
        "body": b64encode(message.body).decode(),
        "content-type": message.content_type,
        "content-encoding": message.content_encoding,
        "headers": message.headers,
        "properties": {
            "correlation_id": message.id,
            "reply_to": message.reply_to or "",
            "delivery_mode": message.delivery_mode,
            "delivery_info": {"exchange": "", "routing_key": message.queue},
            "priority": 0,
            "body_encoding": "base64",
        },
    }


def run_by_celery(ask_peer: AskPeer, calls: dict[str, tuple[TaskCall, dict[str, Any]]]) -> dict[str, ResultDocument]:
    sent = {name: encode_task(each, queue="celery", **options) for name, (each, options) in calls.items()}
    ids = {name: message.id for name, message in sent.items()}
    stored = ask_peer(
        "execute", {"envelopes": [envelope(message) for message in sent.values()], "ids": list(ids.values())}
    )
    return {
        name: decode_document(b64decode(stored[task_id]), "application/json", "utf-8", {"json"})
        for name, task_id in ids.items()
    }


def test_a_celery_worker_runs_our_messages(ask_peer: AskPeer) -> None:
    values = (1, "two", b"\xff", PAST, Decimal("1.5"), UUID(int=7), [None, {"a": True}])
    done = run_by_celery(
        ask_peer,
        {
            "json": (call(args=values, kwargs={"when": PAST}), {}),
            "pickle": (call(args=({1, 2}, 1j)), {"serializer": "pickle"}),
            "compressed": (call(args=("x" * 1000,)), {"compression": "zlib"}),
            "options": (
                call(
                    eta=PAST,
                    expires=PAST + timedelta(days=100_000),
                    retries=2,
                    timelimit=(60, 50),
                    root_id="r",
                    parent_id="p",
                    shadow="other name",
                    headers={"tenant": 7},
                ),
                {},
            ),
            "failure": (call("peer.fail"), {}),
            "expired": (call(expires=PAST), {}),
        },
    )
    assert done["json"].status == "SUCCESS"
    assert done["json"].result["args"] == [repr(value) for value in values]
    assert done["json"].result["kwargs"] == {"when": repr(PAST)}
    assert done["pickle"].result["args"] == ["{1, 2}", "1j"]
    assert done["compressed"].result["args"] == [repr("x" * 1000)]
    options = done["options"].result
    assert (options["retries"], options["timelimit"], options["root_id"]) == (2, [60, 50], "r")
    assert (options["parent_id"], options["shadow"], options["eta"]) == ("p", "other name", PAST.isoformat())
    assert options["headers"]["tenant"] == 7
    assert done["failure"].status == "FAILURE"
    assert isinstance(done["failure"].result, ValueError)
    assert done["failure"].result.args == ("on purpose", 3)
    assert "on purpose" in (done["failure"].traceback or "")
    assert done["expired"].status == "REVOKED"
    assert type(done["expired"].result) is exceptions.TaskRevokedError


def test_a_celery_worker_goes_on_with_our_chain_and_callbacks(ask_peer: AskPeer) -> None:
    def signature(*args: Any, task_id: str) -> dict[str, Any]:
        options = {"task_id": task_id}
        parts = {"args": list(args), "kwargs": {}, "options": options, "subtask_type": None, "immutable": False}
        return {"task": "peer.echo", **parts}

    second, third, callback = (str(uuid4()) for _ in range(3))
    first = call(
        args=("first",),
        chain=[signature("third", task_id=third), signature("second", task_id=second)],
        callbacks=[signature("callback", task_id=callback)],
    )
    message = encode_task(first, queue="celery")
    stored = ask_peer("execute", {"envelopes": [envelope(message)], "ids": [first.id, second, third, callback]})
    results = {
        task_id: decode_document(b64decode(document), "application/json", "utf-8", {"json"})
        for task_id, document in stored.items()
    }
    assert [results[task_id].result["args"][-1] for task_id in (first.id, second, third, callback)] == [
        "'first'",
        "'second'",
        "'third'",
        "'callback'",
    ]
    assert results[third].result["root_id"] == first.id
    children = results[first.id].children
    assert children is not None
    assert {child[0][0] for child in children} == {second, callback}


def test_celery_reads_our_results(ask_peer: AskPeer) -> None:
    documents = {
        "done": ResultDocument(
            task_id="done", status="SUCCESS", result=[PAST, b"\xff"], date_done=PAST, children=[(("child", None), None)]
        ),
        "failed": ResultDocument(task_id="failed", status="FAILURE", result=KeyError("x"), traceback="Traceback"),
        "unknown": ResultDocument(
            task_id="unknown", status="FAILURE", result=type("OurError", (Exception,), {"__module__": "ours"})("x", 1)
        ),
        "revoked": ResultDocument(
            task_id="revoked", status="REVOKED", result=exceptions.TaskRevokedError("expired"), date_done=PAST
        ),
        "lost": ResultDocument(task_id="lost", status="FAILURE", result=exceptions.WorkerLostError("gone")),
        "extended": ResultDocument(
            task_id="extended", status="SUCCESS", result=1, name="a.b", args=[], kwargs={}, worker="w@h", retries=0
        ),
        "compressed": ResultDocument(task_id="compressed", status="SUCCESS", result="x" * 1000),
        "progress": ResultDocument(task_id="progress", status="PROGRESS", result={"done": 3}),
    }
    encoded = {
        name: encode_document(document, compression="zlib" if name == "compressed" else None).data
        for name, document in documents.items()
    }
    read = ask_peer("read", {"documents": {name: b64encode(data).decode() for name, data in encoded.items()}})
    assert {name: answer["state"] for name, answer in read.items()} == {
        name: document.status for name, document in documents.items()
    }
    assert read["done"]["value"] == repr([PAST, b"\xff"])
    assert (read["done"]["date_done"], read["done"]["children"]) == (PAST.isoformat(), ["child"])
    assert read["failed"]["class"] == "builtins.KeyError"
    assert read["unknown"]["value"] == "OurError('x', 1)"
    assert read["revoked"]["class"] == "celery.exceptions.TaskRevokedError"
    assert read["lost"]["class"] == "billiard.exceptions.WorkerLostError"
    assert (read["extended"]["name"], read["extended"]["worker"]) == ("a.b", "w@h")
    assert read["compressed"]["value"] == repr("x" * 1000)
    assert read["progress"]["value"] == "{'done': 3}"
