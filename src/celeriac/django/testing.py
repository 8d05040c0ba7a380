"""Tests of a Django site: what was published, and running it.

::

    class SigningUp(CeleriacTestMixin, TestCase):
        def test_a_welcome_is_sent(self):
            self.client.post("/sign-up/", {"address": "ada@example.com"})
            self.assertTaskEnqueued(welcome, ["ada@example.com"])
            self.run_enqueued()
            self.assertEqual(len(mail.outbox), 1)

Without the mixin nothing that a test publishes reaches a broker either; it is dropped.
"""

import unittest
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from celeriac.django.testing_surroundings import DjangoSurroundings
from celeriac.testing.drain import MOST_RUNS, TaskRun
from celeriac.testing.journal import Capture
from celeriac.testing.published_task import PublishedTask
from celeriac.testing.recorder import TaskRecorder
from celeriac.testing.recording import real_brokers, record_tasks

__all__ = ["CeleriacTestMixin"]

if TYPE_CHECKING:
    _Base = unittest.TestCase
else:
    _Base = object


class CeleriacTestMixin(_Base):
    """Add to a test case, before Django's class. Each test begins with nothing published.

    What code publishes in a transaction of its own counts as published when that ends, inside ``TestCase`` too.
    """

    #: True: these tests publish to the broker that the settings name, and assert nothing about it.
    celeriac_real_broker = False
    #: Whose commit hooks run when a transaction ends inside ``TestCase``: those of ``"tasks"``, or ``"all"``.
    celeriac_on_commit = "tasks"

    _recorder: TaskRecorder | None = None

    @property
    def celeriac_tasks(self) -> TaskRecorder:
        """The recorder: all that was published, the clock, and what the methods here are short for."""
        if self._recorder is None:
            raise AssertionError(
                "Nothing is recorded here: this class has celeriac_real_broker = True, or no test is running."
                if self.celeriac_real_broker
                else "Nothing is recorded here: no test is running. In setUpTestData use record_tasks()."
            )
        return self._recorder

    # Asserting.

    def assertTaskEnqueued(  # noqa: N802 - unittest's way
        self,
        task: Any,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        times: int | None = None,
        **options: Any,
    ) -> PublishedTask:
        """Fail unless such a call was published (``times``: so often); return the last one.

        What is not given may be anything; see ``TaskRecorder.assert_enqueued``.
        """
        return self.celeriac_tasks.assert_enqueued(task, args, kwargs, times=times, **options)

    def assertTaskNotEnqueued(  # noqa: N802 - unittest's way
        self, task: Any, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        """Fail if such a call was published."""
        self.celeriac_tasks.assert_not_enqueued(task, args, kwargs, **options)

    def assertNumTasks(  # noqa: N802 - unittest's way
        self, number: int, function: Callable[..., Any] | None = None, *args: Any, **kwargs: Any
    ) -> AbstractContextManager[Capture]:
        """Fail unless so many tasks are published inside the ``with`` block, or by the function called with these."""
        block = _Count(self.celeriac_tasks.assert_num_tasks(number), number)
        if function is None:
            self.addCleanup(block.require_entered)
        else:
            with block:
                function(*args, **kwargs)
        return block

    def capture_tasks(self) -> AbstractContextManager[Capture]:
        """Give what is published inside the ``with`` block, as a sequence."""
        return self.celeriac_tasks.capture()

    # Running.

    def run_enqueued(
        self, *, raises: bool = True, during: "str | float | timedelta | None" = None, limit: int = MOST_RUNS
    ) -> list[TaskRun]:
        """Run what is due, and what comes of it; see ``TaskRecorder.run``."""
        return self.celeriac_tasks.run(raises=raises, during=during, limit=limit)

    async def arun_enqueued(
        self, *, raises: bool = True, during: "str | float | timedelta | None" = None, limit: int = MOST_RUNS
    ) -> list[TaskRun]:
        """``run_enqueued`` for tests that are coroutines."""
        return await self.celeriac_tasks.arun(raises=raises, during=during, limit=limit)

    def advance(self, duration: "str | float | timedelta") -> None:
        """Let time pass, and run nothing: ``"1d"``, ``"2h30m"``, a ``timedelta``, or a number of seconds."""
        self.celeriac_tasks.advance(duration)

    # Around each test.

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test, as ``unittest`` does."""
        with self._recording():
            return super().run(result)

    def debug(self) -> None:
        """Run the test and collect no result, as ``unittest`` does."""
        with self._recording():
            super().debug()

    @contextmanager
    def _recording(self) -> Iterator[None]:
        if self.celeriac_real_broker:
            with real_brokers():
                yield
            return
        with record_tasks(DjangoSurroundings(), on_commit=self.celeriac_on_commit) as recorder:
            self._recorder = recorder
            try:
                yield
            finally:
                self._recorder = None


class _Count(AbstractContextManager[Capture]):
    """What ``assertNumTasks`` returns; without ``with`` it would assert nothing, and says so."""

    def __init__(self, block: AbstractContextManager[Capture], number: int) -> None:
        self._block = block
        self._number = number
        self._is_entered = False

    def __enter__(self) -> Capture:
        self._is_entered = True
        return self._block.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._block.__exit__(kind, error, traceback)

    def require_entered(self) -> None:
        if not self._is_entered:
            raise AssertionError(
                f"assertNumTasks({self._number}) asserts nothing by itself: write `with self.assertNumTasks"
                f"({self._number}):`, or give it a function to call."
            )
