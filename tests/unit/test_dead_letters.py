"""What a dead letter is found by."""

from celeriac.brokers.dead_letters import read_label
from celeriac.protocol import envelope
from celeriac.protocol.message import Message


def test_a_task_call_is_found_by_its_id() -> None:
    label = read_label(envelope.encode(Message(id="one", queue="celery", headers={"task": "add"})))
    assert label == ("one", "add")


def test_what_nobody_can_read_is_found_by_a_name_of_its_own() -> None:
    first, second = read_label(b"\xc1 rubbish"), read_label(b"\xc1 other rubbish")
    assert first.task_id.startswith("unreadable-")
    assert first.task_id == read_label(b"\xc1 rubbish").task_id != second.task_id


def test_a_message_without_an_id_is_found_by_a_name_of_its_own() -> None:
    assert read_label(envelope.encode(Message(id="", queue="celery", headers={}))).task_id.startswith("unreadable-")
