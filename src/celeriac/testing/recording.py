"""Turning recording on and off, for every app of this process."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from celeriac import clock
from celeriac.app.shared import apps
from celeriac.stand_ins import look_for_stand_ins, use_stand_ins
from celeriac.testing.recorder import TaskRecorder
from celeriac.testing.surroundings import Surroundings

__all__ = ["begin_background", "real_brokers", "record_tasks", "wants_real_brokers"]

_VARIABLE = "CELERIAC_TEST_BROKER"


@contextmanager
def record_tasks(surroundings: Surroundings | None = None, *, on_commit: str = "tasks") -> Iterator[TaskRecorder]:
    """Record what any app of this process publishes inside the ``with`` block, whatever broker its settings name.

    Blocks may be nested; the inner one records. For threads too; not for other processes.
    """
    recorder = TaskRecorder(surroundings)
    with ExitStack() as stack:
        stack.callback(_put, use_stand_ins(recorder))
        stack.callback(clock.use_clock, clock.use_clock(recorder.clock))
        _drop_engines()
        stack.enter_context(recorder.surroundings.during_test(on_commit))
        yield recorder


@contextmanager
def real_brokers() -> Iterator[None]:
    """Let the apps use the engines that their settings name, inside the ``with`` block."""
    look = look_for_stand_ins(None)
    before = use_stand_ins(None)
    _drop_engines()
    try:
        yield
    finally:
        look_for_stand_ins(look)
        _put(before)


def begin_background(surroundings: Surroundings | None = None) -> None:
    """Let nothing that is published from now on reach a broker, or be kept; for tests that record nothing themselves.

    Does nothing where ``CELERIAC_TEST_BROKER=real`` is in the environment.
    """
    if not wants_real_brokers():
        _put(TaskRecorder(surroundings, keeps=False))


def wants_real_brokers() -> bool:
    """Say whether the environment says that tests are to use real brokers (``CELERIAC_TEST_BROKER=real``)."""
    return os.environ.get(_VARIABLE, "") == "real"


def _put(recorder: object) -> None:
    use_stand_ins(recorder)  # type: ignore[arg-type]  # what was there before
    _drop_engines()


def _drop_engines() -> None:
    """Have every app ask anew where its engines are."""
    for app in list(apps):
        app.close()
