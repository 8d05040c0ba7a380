"""What was published is asked in the words of the call, and a failure tells what was published instead."""

from datetime import UTC, datetime, timedelta
from unittest import mock

import pytest

from celeriac import Celeriac
from celeriac.testing import TaskRecorder


@pytest.fixture
def send(app: Celeriac):
    @app.task
    def send(letter, copies=1, **more): ...

    return send


def complaint(assertion, *args, **kwargs) -> str:
    with pytest.raises(AssertionError) as caught:
        assertion(*args, **kwargs)
    return str(caught.value)


def test_a_published_task_is_found_by_task_name_and_signature(tasks: TaskRecorder, send) -> None:
    send.delay(7)
    assert tasks.assert_enqueued(send).args == [7]
    assert tasks.assert_enqueued("letters.send", [7]).task == "letters.send"
    assert tasks.assert_enqueued(send.s(7)).kwargs == {}
    assert complaint(tasks.assert_enqueued, send.s(8)).startswith("letters.send with args=[8], kwargs={} was not publ")


def test_a_call_is_found_however_it_is_written(tasks: TaskRecorder, send) -> None:
    send.delay(7)
    tasks.assert_enqueued(send, kwargs={"letter": 7})
    tasks.assert_enqueued(send, [7], {})
    tasks.assert_enqueued(send, [7], {"copies": 1})
    tasks.assert_not_enqueued(send, [7], {"copies": 2})
    tasks.assert_not_enqueued(send, kwargs={"copies": 1, "colour": "red"})
    send.delay(letter=8, colour="red")
    tasks.assert_enqueued(send, [8])
    tasks.assert_not_enqueued(send, [8], {})


def test_arguments_are_compared_as_a_worker_gets_them(tasks: TaskRecorder, send) -> None:
    when = datetime(2030, 1, 1, tzinfo=UTC)
    send.delay((1, (2, 3)), {4: "four"}, when=when)
    [published] = tasks.published
    assert published.args == [[1, [2, 3]], {"4": "four"}]
    assert published.kwargs == {"when": when}
    tasks.assert_enqueued(send, [(1, (2, 3)), {4: "four"}])
    tasks.assert_enqueued(send, [mock.ANY, mock.ANY], {"when": when})
    tasks.assert_not_enqueued(send, [(1, (2, 4)), {4: "four"}])


def test_options_of_a_call_can_be_asked_for(tasks: TaskRecorder, send) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    send.apply_async((1,), countdown=300, queue="mail", priority=3, headers={"tenant": "a", "x": 1}, expires=600)
    send.apply_async((2,), eta=tomorrow, task_id="chosen", link=send.s(3))
    tasks.assert_enqueued(send, [1], countdown=300, queue="mail", priority=3, headers={"tenant": "a"}, expires=600)
    tasks.assert_enqueued(send, [2], eta=tomorrow, task_id="chosen")
    assert tasks.published[1].links[0]["task"] == "letters.send"
    tasks.assert_not_enqueued(send, [1], countdown=200)
    tasks.assert_not_enqueued(send, [1], headers={"tenant": "b"})
    tasks.assert_not_enqueued(send, [1], queue="celery")


def test_an_option_that_nothing_has_is_refused_with_the_one_that_was_meant(tasks: TaskRecorder, send) -> None:
    with pytest.raises(TypeError, match="no 'queu' that could be compared; did you mean 'queue'"):
        tasks.assert_enqueued(send, queu="mail")
    with pytest.raises(TypeError, match="is no task: give the task, its name, or a signature"):
        tasks.assert_enqueued(7)


def test_a_failure_lists_what_was_published_instead(tasks: TaskRecorder, send) -> None:
    send.delay(7, copies=2)
    send.apply_async(("a",), countdown=60, queue="mail", priority=2, headers={"tenant": "x"})
    assert complaint(tasks.assert_enqueued, send, [8], queue="mail") == (
        "letters.send with args=[8], queue='mail' was not published.\n"
        "2 tasks were published:\n"
        "  1. letters.send(7, copies=2) queue='celery'\n"
        "  2. letters.send('a') queue='mail' priority=2 countdown=60 headers={'tenant': 'x'}"
    )
    assert complaint(tasks.assert_not_enqueued, send, [7]).startswith(
        "letters.send with args=[7] was published, and should not have been.\n2 tasks were published:\n  1. "
    )


def test_a_long_list_is_cut(tasks: TaskRecorder, send) -> None:
    send.delay_many([(number,) for number in range(30)])
    text = complaint(tasks.assert_enqueued, send, [30])
    assert "\n  20. letters.send(19)" in text
    assert "letters.send(20)" not in text
    assert text.endswith("\n  ... and 10 more")


def test_a_name_nobody_knows_is_told_with_the_one_that_was_meant(tasks: TaskRecorder, send) -> None:
    text = complaint(tasks.assert_enqueued, "letters.sent")
    assert text.splitlines() == [
        "letters.sent was not published.",
        "No task was published.",
        "No app knows a task 'letters.sent'; did you mean 'letters.send'?",
    ]


def test_eager_tasks_are_named_as_the_reason(app: Celeriac, tasks: TaskRecorder, send) -> None:
    app.conf.task_always_eager = True
    send.delay(7)
    assert "task_always_eager is set" in complaint(tasks.assert_enqueued, send)


def test_an_eager_app_that_is_not_the_tasks_is_not_the_reason(tasks: TaskRecorder, send) -> None:
    with Celeriac("elsewhere", set_as_current=False, task_always_eager=True) as other:
        assert other.conf.task_always_eager
        assert "task_always_eager" not in complaint(tasks.assert_enqueued, send)


def test_how_often_is_compared(tasks: TaskRecorder, send) -> None:
    send.delay(7)
    send.delay(7)
    send.delay(8)
    tasks.assert_enqueued(send, [7], times=2)
    tasks.assert_enqueued(send, times=3)
    assert complaint(tasks.assert_enqueued, send, [7], times=1).startswith(
        "letters.send with args=[7] was published 2 times, not once.\n3 tasks were published:"
    )


def test_tasks_of_a_block_are_counted_and_captured(tasks: TaskRecorder, send) -> None:
    send.delay(1)
    with tasks.capture() as captured, tasks.assert_num_tasks(2):
        send.delay(2)
        assert [each.args for each in captured] == [[2]]
        send.delay(3)
    send.delay(4)
    assert [each.args for each in captured] == [[2], [3]]
    assert len(captured) == 2
    assert captured[-1].args == [3]

    def miscount() -> None:
        with tasks.assert_num_tasks(1):
            pass

    assert complaint(miscount) == "No task was published here, not 1.\nNo task was published."


def test_an_error_inside_a_block_is_not_hidden_by_its_count(tasks: TaskRecorder) -> None:
    with pytest.raises(ZeroDivisionError), tasks.assert_num_tasks(1):
        _ = 1 / 0


def test_what_no_broker_could_carry_fails_as_in_production(tasks: TaskRecorder, send) -> None:
    with pytest.raises(Exception, match=r"argument 1 \(letter\) of letters.send is a object that json cannot write"):
        send.delay(object())
    assert tasks.published == []
