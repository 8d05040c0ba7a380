"""Calling tasks and asking what became of them, with a real worker where one is needed."""

import json
import signal

import pytest

from celeriac.brokers.base import Broker
from tests.cli.conftest import Project, bury, message, wait_until


def test_call_prints_the_id_and_the_message_waits(project: Project, broker: Broker):
    result = project.app("call", f"{project.name}.add", "--args", "[2, 3]", "--kwargs", "{}")
    assert result.exit_code == 0
    [waiting] = broker.peek("celery")
    assert result.stdout == f"{waiting.id}\n"
    assert json.loads(waiting.body)[0] == [2, 3]


def test_options_of_a_call_reach_the_message(project: Project, broker: Broker):
    words = ("-a", "[1]", "--queue", "mail", "--priority", "7", "--countdown", "100", "--expires", "500")
    assert project.app("call", f"{project.name}.add", *words).exit_code == 0
    [waiting] = broker.peek("mail")
    assert waiting.priority == 7
    assert waiting.expires_at - waiting.not_before == pytest.approx(400, abs=5)


def test_a_call_says_the_result_when_asked_to_wait(project: Project):
    project.worker()
    name = project.name
    added = project.app("call", f"{name}.add", "-a", "[2, 3]", "--wait", "20")
    assert (added.exit_code, added.stdout) == (0, "5\n")
    failed = project.app("call", f"{name}.fail", "-a", '["too bad"]', "--wait", "20")
    assert failed.exit_code == 1
    assert (failed.stdout, failed.stderr) == ("", "FAILURE: ValueError: too bad\n")
    odd = project.app("call", f"{name}.odd", "--wait", "20")
    assert odd.exit_code == 1
    assert "cannot be stored" in odd.stderr


def test_result_shows_what_became_of_a_task(project: Project):
    project.worker()
    name = project.name
    done = project.app("call", f"{name}.add", "-a", "[2, 3]").stdout.strip()
    assert project.app("result", done, "--wait", "20").stdout == "5\n"
    document = json.loads(project.app("result", done, "--json").stdout)
    assert (document["id"], document["state"], document["result"]) == (done, "SUCCESS", 5)
    failed = project.app("call", f"{name}.fail", "-a", '["too bad"]').stdout.strip()
    result = project.app("result", failed, "--wait", "20", "--traceback")
    assert result.exit_code == 1
    assert "raise ValueError(text)\n" in result.stderr.replace("^", "")
    document = json.loads(project.app("result", failed, "--json").stdout)
    assert document["error"] == "ValueError: too bad"


def test_an_unknown_id_is_explained(project: Project):
    result = project.app("result", "nobody-knows")
    assert result.exit_code == 75
    assert "Nothing is known of task nobody-knows (PENDING)" in result.stderr
    assert "No worker is running." in result.stderr


def test_the_id_of_a_dead_letter_is_known(project: Project, broker: Broker):
    bury(broker, message("tasks.x", task_id="poor-thing"))
    result = project.app("result", "poor-thing")
    assert result.exit_code == 75
    assert "is a dead letter since" in result.stderr
    assert "celeriac dead show poor-thing" in result.stderr


def test_results_that_are_off_are_said_to_be(project: Project):
    name = project.module(f"from celeriac import Celeriac\napp = Celeriac('x', broker='{project.url}')\n")
    result = project.celeriac("-A", name, "result", "some-id")
    assert result.exit_code == 2
    assert "set result_backend" in result.output


MISTAKES = {
    "a task that is not there": (["{name}.ad", "-a", "[1]"], "Did you mean {name}.add?"),
    "a task's last name only": (["add", "-a", "[1]"], "Did you mean {name}.add?"),
    "too few arguments": (["{name}.add"], "missing a required argument: 'x'"),
    "too many arguments": (["{name}.add", "-a", "[1, 2, 3]"], "too many positional arguments"),
    "an argument of another name": (["{name}.add", "-k", '{{"z": 1}}'], "{name}.add(x: int, y: int = 1)"),
    "no JSON": (["{name}.add", "-a", "[1"], "'[1' is not JSON"),
    "no list": (["{name}.add", "-a", "1"], "'1' is JSON, but not a list. Write it as in '[1, \"text\"]'"),
    "no object": (["{name}.add", "-k", "[1]"], "is JSON, but not an object"),
    "no moment": (["{name}.add", "-a", "[1]", "--eta", "soon"], "'soon' is no moment"),
    "no serializer": (["{name}.add", "-a", "[1]", "--serializer", "yml"], "There is no serializer 'yml'"),
    "no queue": (["{name}.add", "-a", "[1]", "--queue", "a b"], "'a b' is no name for a queue"),
    "two queues": (["{name}.add", "-a", "[1]", "--queue", "a,b"], "one queue"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_and_nothing_is_published(project: Project, broker: Broker, mistake):
    words, answer = MISTAKES[mistake]
    result = project.app("call", *(word.format(name=project.name) for word in words))
    assert result.exit_code == 2
    assert answer.format(name=project.name) in result.stderr
    assert broker.queues() == []


def test_an_unregistered_task_can_be_called_on_request(project: Project, broker: Broker):
    assert project.app("call", "elsewhere.task", "--unregistered").exit_code == 0
    [waiting] = broker.peek("celery")
    assert waiting.headers["task"] == "elsewhere.task"


def test_with_a_broker_alone_any_task_can_be_called(project: Project, broker: Broker):
    assert project.celeriac("-b", project.url, "call", "elsewhere.task").exit_code == 0
    assert broker.size("celery").ready == 1


def test_ctrl_c_while_it_waits_says_nothing(project: Project):
    waiting = project.start("-A", project.name, "call", f"{project.name}.add", "-a", "[1]", "--wait", "60")
    wait_until(lambda: project.app("queues", "celery").stdout.count("\n") > 1, "published")
    assert waiting.end(signal.SIGINT) == 130
    assert waiting.log == ""


def test_the_task_of_a_result_has_to_exist(project: Project):
    result = project.app("result", "some-id", "--task", "nobody")
    assert result.exit_code == 2
    assert "There is no task 'nobody'" in result.stderr


def test_waiting_in_vain_ends_with_a_reason(project: Project):
    result = project.app("call", f"{project.name}.add", "-a", "[1]", "--wait", "0.1")
    assert result.exit_code == 75
    assert "No worker is running." in result.stderr
