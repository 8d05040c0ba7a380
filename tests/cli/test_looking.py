"""``status`` and ``queues``: nodes and queues, for people and for programs."""

import json
import signal

from celeriac.brokers.base import Broker
from celeriac.routing import Queue
from tests.cli.conftest import Project, message, wait_until


def test_status_shows_a_running_node_and_the_queues(project: Project):
    project.worker("-n", "one@here", "-Q", "celery,mail")
    result = project.app("status")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    [row] = [line.split() for line in lines if line.startswith("one@here")]
    assert row[1] == "running"
    assert row[-2:] == ["celery,", "mail"]
    assert [line.split() for line in lines if line.startswith("mail")] == [["mail", "0", "0", "0", "one@here"]]


def test_status_as_json(project: Project):
    worker = project.worker("-n", "one@here")
    document = json.loads(project.app("status", "--json").stdout)
    [node] = document["nodes"]
    assert (node["name"], node["state"], node["report"]["pid"]) == ("one@here", "running", worker.process.pid)
    assert node["report"]["concurrency"] == 1
    assert 0 < node["lease_left"] < 60
    assert document["queues"] == [{"name": "celery", "ready": 0, "delayed": 0, "in_flight": 0, "nodes": ["one@here"]}]


def test_without_a_node_status_says_so_and_how_to_start_one(project: Project):
    result = project.app("status")
    assert result.exit_code == 69
    assert f"No node is running at {project.url}. Start one: celeriac -A {project.name} worker" in result.stderr
    assert project.app("status", "--json").exit_code == 69


def test_a_killed_node_is_shown_as_gone(project: Project):
    worker = project.worker("-n", "one@here")
    worker.end(signal.SIGKILL)

    def state() -> str:
        return json.loads(project.app("status", "--json").stdout)["nodes"][0]["state"]

    wait_until(lambda: state() == "gone", "gone")
    assert project.app("status").exit_code == 69


def test_status_of_one_node_of_several(project: Project):
    project.worker("-n", "one@here")
    project.worker("-n", "two@here")
    assert len(json.loads(project.app("status", "-j").stdout)["nodes"]) == 2
    [node] = json.loads(project.app("status", "-j", "-d", "two@here").stdout)["nodes"]
    assert node["name"] == "two@here"


def test_queues_counts_what_is_ready_delayed_and_in_flight(project: Project, broker: Broker):
    broker.publish([message("t", task_id=f"id-{number}") for number in range(3)])
    broker.publish([message("t", task_id="later", not_before=4e9), message("t", task_id="mail", queue="mail")])
    consumer = broker.consumer([Queue("celery")], node="one@here")
    assert len(consumer.receive(1, 5)) == 1
    result = project.app("queues", "--json")
    assert json.loads(result.stdout) == [
        {"name": "celery", "ready": 2, "delayed": 1, "in_flight": 1, "nodes": []},
        {"name": "mail", "ready": 1, "delayed": 0, "in_flight": 0, "nodes": []},
    ]
    consumer.close()
    lines = [line.split() for line in project.app("queues").stdout.splitlines()]
    assert lines[0] == ["QUEUE", "READY", "DELAYED", "IN", "FLIGHT", "NODES"]
    assert lines[1] == ["celery", "3", "1", "0", "none"]


def test_queues_shows_the_messages_of_one(project: Project, broker: Broker):
    broker.publish([message("tasks.now", task_id="first"), message("tasks.then", task_id="later", not_before=4e9)])
    lines = project.app("queues", "celery").stdout.splitlines()
    assert lines[1].split() == ["first", "now", "tasks.now", "(7,)"]
    assert lines[2].split()[:2] == ["later", "in"]
    [only] = json.loads(project.app("queues", "celery", "--limit", "1", "--json").stdout)
    assert (only["id"], only["task"], only["args"]) == ("first", "tasks.now", "(7,)")
    assert project.app("queues", "nothing").stdout == "Nothing waits in queue nothing.\n"


def test_a_long_line_is_not_cut_in_a_pipe(project: Project, broker: Broker):
    name = "tasks." + "very_long_" * 20
    broker.publish([message(name, task_id="first")])
    assert name in project.run("-A", project.name, "queues", "celery").stdout
