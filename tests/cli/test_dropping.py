"""``purge`` and ``dead``: what drops messages asks first, and drops what was meant."""

import json

import pytest

from celeriac.brokers.base import Broker
from celeriac.protocol.message import Message
from celeriac.testing.conformance.harness import until
from tests.cli.conftest import Project, bury, message


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let there be somebody to ask."""
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)


def fill(broker: Broker) -> None:
    broker.publish([message("t", task_id="1"), message("t", task_id="2", not_before=4e9)])
    broker.publish([message("t", task_id="3", queue="mail")])


def test_purge_drops_the_apps_queues_only(project: Project, broker: Broker):
    fill(broker)
    result = project.app("purge", "--force")
    assert (result.exit_code, result.stdout) == (0, "Dropped 2 messages from celery.\n")
    assert broker.size("mail").ready == 1


def test_purge_drops_the_queues_it_is_told(project: Project, broker: Broker):
    fill(broker)
    assert project.app("purge", "-f", "-Q", "celery,mail", "-X", "celery").exit_code == 0
    assert (broker.size("celery").ready, broker.size("mail").ready) == (1, 0)


def test_purge_without_anybody_to_ask_does_nothing(project: Project, broker: Broker):
    fill(broker)
    result = project.app("purge")
    assert result.exit_code == 2
    assert "Say --force to do it without asking." in result.stderr
    assert broker.size("celery").ready == 1


@pytest.mark.usefixtures("terminal")
def test_purge_asks_and_takes_no_for_an_answer(project: Project, broker: Broker):
    fill(broker)
    result = project.celeriac("-A", project.name, "purge", typed="n\n")
    assert "Drop 2 messages from celery, for good?" in result.output
    assert result.exit_code == 1
    assert broker.size("celery").ready == 1
    assert project.celeriac("-A", project.name, "purge", typed="y\n").exit_code == 0
    assert broker.size("celery").ready == 0


def test_a_queue_that_is_not_there_cannot_be_purged(project: Project, broker: Broker):
    fill(broker)
    result = project.app("purge", "-f", "-Q", "mial")
    assert result.exit_code == 2
    assert "There is no queue 'mial'" in result.stderr
    assert "celery, mail" in result.stderr


def test_dead_letters_are_listed_the_newest_first(project: Project, broker: Broker):
    bury(broker, message("tasks.a", task_id="aaa-1"), reason="Nobody wants it.")
    bury(broker, message("tasks.b", task_id="bbb-2"), reason="Nobody can read it.")
    lines = project.app("dead", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["ID", "bbb-2", "aaa-1"]
    assert lines[2].endswith("celery  tasks.a  Nobody wants it.")
    newest, _ = json.loads(project.app("dead", "list", "--json").stdout)
    assert (newest["id"], newest["task"], newest["reason"]) == ("bbb-2", "tasks.b", "Nobody can read it.")


def test_a_dead_letter_is_shown_with_headers_and_arguments(project: Project, broker: Broker):
    bury(broker, message("tasks.a", task_id="aaa-1", body=b'[[7, "x"], {"key": 1}, {}]'))
    result = project.app("dead", "show", "aaa")
    assert result.exit_code == 0
    facts = dict(line.split(maxsplit=1) for line in result.stdout.splitlines() if " " in line)
    assert facts["task"] == "tasks.a"
    assert facts["reason"] == "Nobody wants it."
    assert (facts["args"], facts["kwargs"]) == ('[7, "x"]', '{"key": 1}')
    [document] = json.loads(project.app("dead", "show", "aaa-1", "--json").stdout)
    assert (document["args"], document["headers"]["task"]) == ([7, "x"], "tasks.a")


@pytest.mark.parametrize("content_type", ["application/json", "application/x-python-serialize"])
def test_a_dead_letter_nobody_can_read_is_shown_as_it_is(project: Project, broker: Broker, content_type):
    bury(broker, Message(id="odd-1", queue="celery", headers={}, body=b"\x80\x04N.", content_type=content_type))
    result = project.app("dead", "show", "odd-1")
    assert result.exit_code == 0
    assert f"4 bytes of {content_type}, not decoded: b'\\x80\\x04N.'" in result.stdout


def test_retried_letters_wait_again(project: Project, broker: Broker):
    bury(broker, message("tasks.a", task_id="aaa-1"), message("tasks.a", task_id="bbb-2"))
    assert project.app("dead", "retry", "aaa").stdout == "Put 1 message back.\n"
    assert [waiting.id for waiting in broker.peek("celery")] == ["aaa-1"]
    assert project.app("dead", "retry", "--all", "--yes").stdout == "Put 1 message back.\n"
    assert broker.dead_letters() == []


def test_purged_letters_are_gone(project: Project, broker: Broker):
    bury(broker, message("tasks.a", task_id="aaa-1"), message("tasks.a", task_id="bbb-2"))
    assert project.app("dead", "purge", "aaa-1").exit_code == 2
    assert project.app("dead", "purge", "aaa-1", "--yes").stdout == "Dropped 1 dead letter.\n"
    assert [letter.id for letter in broker.dead_letters()] == ["bbb-2"]
    assert project.app("dead", "purge", "--all", "--yes").stdout == "Dropped 1 dead letter.\n"


def test_letters_of_an_age_are_purged_and_younger_ones_stay(project: Project, broker: Broker):
    bury(broker, message("tasks.a", task_id="aaa-1"))
    assert project.app("dead", "purge", "--older-than", "1h", "--yes").stdout == "Dropped 0 dead letters.\n"
    assert len(broker.dead_letters()) == 1
    until(lambda: project.app("dead", "purge", "--older-than", "0.2s", "-y").stdout == "Dropped 1 dead letter.\n")
    assert broker.dead_letters() == []


def test_letters_are_chosen_by_age_or_by_id(project: Project, broker: Broker):
    bury(broker, message("tasks.a", task_id="aaa-1"))
    for words in (("aaa-1",), ("--all",)):
        result = project.app("dead", "purge", "--older-than", "1s", "--yes", *words)
        assert (result.exit_code, len(broker.dead_letters())) == (2, 1)
        assert "Say --older-than alone" in result.stderr


@pytest.mark.usefixtures("terminal")
def test_old_letters_are_asked_for_by_their_moment(project: Project, broker: Broker):
    bury(broker, message("tasks.a", task_id="aaa-1"))
    result = project.celeriac("-A", project.name, "dead", "purge", "--older-than", "1d", typed="n\n")
    assert "Drop all dead letters from before 20" in result.output
    assert (result.exit_code, len(broker.dead_letters())) == (1, 1)


@pytest.mark.parametrize("words", [("retry",), ("purge",), ("retry", "aaa-1", "--all"), ("purge", "aaa-1", "--all")])
def test_which_letters_are_meant_has_to_be_said(project: Project, broker: Broker, words):
    bury(broker, message("tasks.a", task_id="aaa-1"))
    result = project.app("dead", *words)
    assert result.exit_code == 2
    assert "Say which" in result.stderr
    assert len(broker.dead_letters()) == 1


def test_a_beginning_that_fits_several_letters_chooses_none(project: Project, broker: Broker):
    bury(broker, message("tasks.a", task_id="aaa-1"), message("tasks.a", task_id="aaa-2"))
    result = project.app("dead", "purge", "aaa", "--yes")
    assert result.exit_code == 2
    assert "2 dead letters begin with 'aaa': say more of the id." in result.stderr
    assert len(broker.dead_letters()) == 2
