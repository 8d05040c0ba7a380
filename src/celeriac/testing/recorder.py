"""The recorder: what a test asks about the tasks that were published, and has run."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from celeriac.app.shared import apps
from celeriac.backends.base import ResultBackend
from celeriac.backends.disabled import DisabledBackend
from celeriac.brokers.base import Broker
from celeriac.testing.drain import MOST_RUNS, Drain, TaskRun
from celeriac.testing.errors import RealEngineError
from celeriac.testing.expectation import Expectation
from celeriac.testing.journal import Capture, Journal
from celeriac.testing.published_task import PublishedTask
from celeriac.testing.recording_engines import RecordingBackend, RecordingBroker
from celeriac.testing.surroundings import Surroundings
from celeriac.testing.virtual_clock import VirtualClock, seconds_of

__all__ = ["TaskRecorder"]

#: Published tasks that a failure lists.
_MOST_SHOWN = 20


class TaskRecorder:
    """Stands in for the brokers and result backends of all apps; made by ``record_tasks``.

    Publishing records, and nothing runs until ``run`` is called. Safe to publish to from many threads.
    """

    def __init__(self, surroundings: Surroundings | None = None, *, keeps: bool = True) -> None:
        self.surroundings = surroundings or Surroundings()
        #: Moves delays and expiries; every app in the process goes by it.
        self.clock = VirtualClock()
        self._journal = Journal()
        self._keeps = keeps
        self._brokers: dict[str, RecordingBroker] = {}
        self._running = 0
        self._results = RecordingBackend("memory://", is_running=lambda: self._running > 0, cure=self.surroundings.cure)

    # What was published.

    @property
    def published(self) -> list[PublishedTask]:
        """What was published so far, in order; a retry is not noted again."""
        return self._journal.tasks()

    @contextmanager
    def capture(self) -> Iterator[Capture]:
        """Give what is published inside the ``with`` block."""
        capture = Capture(self._journal)
        try:
            yield capture
        finally:
            capture.end()

    def assert_enqueued(
        self,
        task: Any,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        *,
        times: int | None = None,
        **options: Any,
    ) -> PublishedTask:
        """Fail unless such a call was published (``times``: so often); return the last one.

        ``task`` is a task, its name, or a signature. What is not given may be anything: ``args``, ``kwargs``, and of
        the options ``queue``, ``countdown``, ``eta``, ``expires``, ``priority``, ``headers`` (those given), ``task_id``
        and further attributes of ``PublishedTask``.
        """
        found = self._find(Expectation(task, args, kwargs, options), times)
        return found[-1]

    def assert_not_enqueued(
        self, task: Any, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        """Fail if such a call was published."""
        expectation = Expectation(task, args, kwargs, options)
        published = self.published
        if any(expectation.fits(each) for each in published):
            raise AssertionError(f"{expectation} was published, and should not have been.\n{self._told(published)}")

    @contextmanager
    def assert_num_tasks(self, number: int) -> Iterator[Capture]:
        """Fail unless so many tasks are published inside the ``with`` block."""
        with self.capture() as capture:
            yield capture
        if len(capture) != number:
            raise AssertionError(f"{_tasks(len(capture))} published here, not {number}.\n{self._told(list(capture))}")

    def clear(self) -> None:
        """Forget what was published, and drop what waits to be run."""
        self._journal.clear()
        for broker in self._brokers.values():
            for queue in broker.queues():
                broker.purge(queue)

    # Running it.

    def run(
        self, *, raises: bool = True, during: "str | float | timedelta | None" = None, limit: int = MOST_RUNS
    ) -> list[TaskRun]:
        """Run what is due, and what comes of it, until nothing is; return each run.

        Messages are read from their bytes and results stored, as in a worker, so ``result.get()`` answers afterwards.
        With ``during="1d"`` so much time passes, and what becomes due meanwhile runs at its moment. The error of a task
        that fails is raised as soon as the task is settled, unless ``raises`` is false; what was not run by then runs
        at the next call.
        """
        until = None if during is None else self.clock() + seconds_of(during)
        drain = Drain(self._brokers, self._results, self.surroundings)
        self._running += 1
        try:
            runs = drain.run(raises=raises, limit=limit, until=until, move=self.clock.advance_to)
        finally:
            self._running -= 1
        if until is not None:
            self.clock.advance_to(until)
        return runs

    async def arun(
        self, *, raises: bool = True, during: "str | float | timedelta | None" = None, limit: int = MOST_RUNS
    ) -> list[TaskRun]:
        """``run``, for tests that are coroutines."""
        return await self.surroundings.run_blocking(lambda: self.run(raises=raises, during=during, limit=limit))

    def advance(self, duration: "str | float | timedelta") -> None:
        """Let time pass, and run nothing: ``"1d"``, ``"2h30m"``, a ``timedelta``, or a number of seconds."""
        self.clock.advance(duration)

    # As stand-ins.

    def broker(self, url: str) -> Broker:
        """Return what is used in place of the broker at this URL."""
        return self._brokers.setdefault(url, RecordingBroker(url, self._journal if self._keeps else None))

    def backend(self, url: str | None, broker: Broker) -> ResultBackend:
        """Return where results are kept; where the settings say that results are off they are off."""
        return DisabledBackend("disabled://") if url is None else self._results

    def refuse(self, url: str) -> None:
        """Raise ``RealEngineError``."""
        raise RealEngineError(
            f"A test was about to open a real {url.partition(':')[0]}:// broker or result backend. Tests record what "
            "they publish instead; one that needs the real thing is marked @pytest.mark.celeriac(real_broker=True), "
            "has celeriac_real_broker = True in its class, or uses celeriac.testing.real_brokers()."
        )

    # Inside.

    def _find(self, expectation: Expectation, times: int | None) -> list[PublishedTask]:
        published = self.published
        found = [each for each in published if expectation.fits(each)]
        if found and times in {None, len(found)}:
            return found
        if not found:
            raise AssertionError(f"{expectation} was not published.\n{self._told(published, expectation)}")
        raise AssertionError(
            f"{expectation} was published {_times(len(found))}, not {_times(times or 0)}.\n{self._told(published)}"
        )

    def _told(self, published: Sequence[PublishedTask], expectation: Expectation | None = None) -> str:
        """Return what was published, as text, and what may explain that something was not."""
        lines = [f"{_tasks(len(published))} published" + (":" if published else ".")]
        lines += [f"  {number}. {each}" for number, each in enumerate(published[:_MOST_SHOWN], start=1)]
        if len(published) > _MOST_SHOWN:
            lines.append(f"  ... and {len(published) - _MOST_SHOWN} more")
        if expectation is not None:
            lines += _suspicions(expectation)
        hint = self.surroundings.hint()
        return "\n".join([*lines, hint] if hint else lines)


def _suspicions(expectation: Expectation) -> Iterator[str]:
    known = [app for app in list(apps) if app.configured]
    if expectation.app.configured and expectation.app.conf.task_always_eager:
        yield "task_always_eager is set: tasks run where they are called and are not published. Leave it out in tests."
    names = {name for app in known for name in app.own_tasks}
    if expectation.name not in names:
        near = difflib.get_close_matches(expectation.name, names, n=1)
        yield f"No app knows a task {expectation.name!r}" + (f"; did you mean {near[0]!r}?" if near else ".")


def _tasks(number: int) -> str:
    """Return the beginning of a sentence about so many tasks."""
    if number == 1:
        return "1 task was"
    return f"{number} tasks were" if number else "No task was"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
