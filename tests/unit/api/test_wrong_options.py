"""Options of a call that no worker could make sense of are refused where they are given."""

import pytest

from celeriac import Celeriac


@pytest.fixture
def add():
    app = Celeriac(
        "wrong_options", broker="memory://wrong-options", backend="memory://wrong-options", set_as_current=False
    )

    @app.task
    def add(a, b):
        return a + b

    return add


@pytest.mark.parametrize("task_id", ["", 5, b"x"])
def test_an_id_must_be_a_text(add, task_id) -> None:
    with pytest.raises(TypeError, match="task_id"):
        add.apply_async((1, 2), task_id=task_id)


@pytest.mark.parametrize("priority", ["high", 1.5, True])
def test_a_priority_must_be_a_whole_number(add, priority) -> None:
    with pytest.raises(TypeError, match="priority"):
        add.apply_async((1, 2), priority=priority)


@pytest.mark.parametrize("header", ["id", "task", "celeriac-crashes"])
def test_the_message_s_own_headers_are_not_the_caller_s(add, header) -> None:
    with pytest.raises(ValueError, match=header):
        add.apply_async((1, 2), headers={header: None})


def test_headers_of_the_caller_s_own_travel(add) -> None:
    add.apply_async((1, 2), headers={"tenant": 7}, priority=3, task_id="mine")
    [message] = add.app.broker.peek("celery")
    assert (message.id, message.priority, message.headers["tenant"]) == ("mine", 3, 7)
