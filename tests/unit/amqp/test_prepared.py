"""Calls of one form, written for RabbitMQ."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.brokers.amqp.prepared import PreparedCall, PreparedForm
from celeriac.brokers.amqp.publishing import pack
from celeriac.exceptions import EncodeError
from celeriac.protocol.call_form import CallForm, FilledForm
from celeriac.protocol.task_call import TaskCall, encode_task

FRAME_MAX = 4096
TEXTS = st.text(st.characters(codec="utf-8"))


def filled_with(*ids: str, calls, task: str = "a.task", reply_to: str | None = None, **address) -> FilledForm:
    model = encode_task(TaskCall(task=task, id="model", origin="me"), **({"queue": "a queue"} | address))
    form = CallForm(model, 3)
    return FilledForm(form, form.fill(ids, calls), "me", reply_to)


def written(filled: FilledForm) -> list[bytes]:
    form = PreparedForm(filled)
    return [PreparedCall(form, filling).write(7, FRAME_MAX) for filling in filled.fillings]


@given(
    task=TEXTS.filter(bool),
    args=st.lists(TEXTS | st.integers(), max_size=3),
    kwargs=st.dictionaries(TEXTS, TEXTS, max_size=2),
    reply_to=st.none() | st.text("abc", max_size=9),
    address=st.sampled_from(
        [{}, {"priority": 3}, {"exchange": "there", "routing_key": "this way", "delivery_mode": 1}]
    ),
)
def test_the_frames_of_a_form_are_those_of_its_messages(task, args, kwargs, reply_to, address):
    calls = [(args, kwargs), ((), {}), (["x" * 3 * FRAME_MAX], {})]
    filled = filled_with("1-2", "3-4", "ü", calls=calls, task=task, reply_to=reply_to, **address)
    assert len(filled.fillings) == 3
    singly = [pack(message, 0.0, interop=True).outgoing for message in filled.messages()]
    assert written(filled) == [outgoing.write(7, FRAME_MAX) for outgoing in singly]


def test_a_call_and_its_message_are_known_by_the_same_when_they_come_back():
    filled = filled_with("1-2", calls=[((), {})], exchange="there", routing_key="this way")
    call = PreparedCall(PreparedForm(filled), filled.fillings[0])
    [message] = filled.messages()
    assert call.address == pack(message, 0.0, interop=True).outgoing.address == ("there", "this way", "1-2")


@pytest.mark.parametrize("task_id", ["x" * 256, "\ud800"])
def test_what_amqp_cannot_carry_is_refused_as_in_a_message(task_id):
    with pytest.raises(EncodeError):
        written(filled_with(task_id, calls=[((), {})]))
