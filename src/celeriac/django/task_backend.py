"""The backend for Django's task framework: ``TASKS = {"default": {"BACKEND": "celeriac.django.TaskBackend"}}``.

``OPTIONS``, all of which may be left out:

``app``
    The celeriac app: its name as ``-A`` takes it, or the app itself. Default: the site's.
``queue_map``
    Queues by the framework's queue names. A name that is not in it is the queue's name too, except ``"default"``, which
    leaves the choice to the app: ``task_routes``, or else ``task_default_queue``.
``on_commit``
    Whether what is enqueued inside a transaction waits for its commit. Default: the setting ``task_publish_on_commit``.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.core import checks

from celeriac import clock, states
from celeriac.app import finding
from celeriac.app.base import Celeriac
from celeriac.django.task_class import CeleriacTask, Task, declare, find_task
from celeriac.django.task_package import (
    DEFAULT_TASK_QUEUE_NAME,
    BaseTaskBackend,
    TaskResult,
    TaskResultDoesNotExist,
    normalize_json,
    signals,
)
from celeriac.django.task_priorities import priority_of
from celeriac.django.task_results import as_called, aware, make_result
from celeriac.django.task_runner import tell
from celeriac.eager_result import EagerResult
from celeriac.engines import suggested_backend
from celeriac.exceptions import CeleriacError
from celeriac.identifiers import gethostname, uuid
from celeriac.local import get_current_app
from celeriac.protocol.result_document import ResultDocument
from celeriac.record import Attempt, Record
from celeriac.request import Context

__all__ = ["TaskBackend"]

_OPTIONS = ("app", "on_commit", "queue_map")


class TaskBackend(BaseTaskBackend):
    """Enqueues through a celeriac app, whose workers run the tasks. Made once a thread; cheap."""

    task_class = CeleriacTask
    supports_async_task = True

    # What it can do is what the engines of its app can do.

    @property
    def supports_defer(self) -> bool:
        """``run_after`` can be used."""
        return self.app.broker.capabilities.delay

    @property
    def supports_priority(self) -> bool:
        """Tasks of a higher priority go first."""
        return bool(self.app.broker.capabilities.priorities)

    @property
    def supports_get_result(self) -> bool:
        """Results can be read, from any process."""
        return self.app.backend.stores_results

    @property
    def app(self) -> Celeriac:
        """The celeriac app; raises ``ImproperlyConfigured`` when ``OPTIONS["app"]`` names none."""
        named = self.options.get("app")
        if named is None:
            return get_current_app()
        return named if isinstance(named, Celeriac) else finding.find_app(str(named))

    def validate_task(self, task: Task) -> None:
        """Raise the framework's error for a task that cannot be run here; make a celeriac task of one that can."""
        super().validate_task(task)
        declare(task)

    def enqueue(self, task: Task, args: Any, kwargs: Any) -> TaskResult:
        """Have a worker run it; the result is known, and READY, before a worker can see the task.

        Inside a transaction both wait for its commit. Raises ``TypeError`` for arguments that do not fit the function
        or that JSON has not, ``BrokerUnavailable`` when nothing was published, ``PublishUnconfirmed`` when nobody
        knows.
        """
        self.validate_task(task)
        app = self.app
        celeriac_task = app.tasks[task.module_path]
        record = Record(
            task=task.module_path,
            args=normalize_json(args),
            kwargs=normalize_json(kwargs),
            enqueued_at=clock.now(),
            facts=self._facts(task),
        )
        result = make_result(task, record, id=uuid(), state=states.PENDING)
        options = celeriac_task.call_options(record.args, record.kwargs, self._call_options(task, result.id))
        announce = partial(tell, signals.task_enqueued, result)
        if app.conf.task_always_eager:
            announce()
            return _result_of_eager(task, record, celeriac_task.apply(record.args, record.kwargs, **options))
        message = app.publisher.message(task.module_path, record.args, record.kwargs, options, task=celeriac_task)
        results = {}
        if app.backend.stores_results:
            request = Context(id=result.id, task=task.module_path, call_record=record)
            results[result.id] = app.result_format.write(request, states.PENDING, None)
        app.publisher.send([message], options=options, results=results, then=announce)
        return result

    def get_result(self, result_id: str) -> TaskResult:
        """Return what is known of a call; raises the framework's ``TaskResultDoesNotExist`` when nothing is.

        A call that waits for a commit is not known yet; a finished one is known until its result has expired.
        """
        app = self.app
        if not app.backend.stores_results:
            return super().get_result(result_id)
        stored = app.backend.fetch_one(result_id)
        if stored is None:
            raise TaskResultDoesNotExist(result_id)
        document = app.result_format.read(stored)
        record = Record.from_plain(document.record) or _record_of(document)
        task = find_task(record.task)
        if task is None:
            raise TaskResultDoesNotExist(
                f"{result_id} is a call of {record.task or 'an unknown task'}, which is no task of this site's TASKS."
            )
        return make_result(
            as_called(task, record),
            record,
            id=result_id,
            state=document.status,
            value=document.result,
            finished_at=document.date_done,
        )

    def check(self, **kwargs: Any) -> Iterator[checks.CheckMessage]:
        """Yield what is wrong with ``OPTIONS``, for ``manage.py check``."""
        place = f"TASKS[{self.alias!r}]"
        yield from _wrong_options(self.options, f"{place}['OPTIONS']")
        try:
            stores_results = self.app.backend.stores_results
        except (CeleriacError, ImportError) as error:
            yield checks.Error(f"The celeriac app of {place} cannot be used: {error}", id="celeriac.E102")
            return
        # Of the site's own app this is said by celeriac's check of the settings.
        if not stores_results and self.options.get("app") is not None:
            yield checks.Warning(
                f"The celeriac app of {place} stores no results, so the status of a task cannot be read.",
                hint="Set result_backend (in Django: CELERY_RESULT_BACKEND), "
                f"{suggested_backend(self.app.broker_url)}.",
                id="celeriac.W105",
            )

    def _facts(self, task: Task) -> dict[str, Any]:
        return {
            "backend": self.alias,
            "queue_name": task.queue_name,
            "priority": task.priority,
            "run_after": None if task.run_after is None else aware(task.run_after).isoformat(),
        }

    def _call_options(self, task: Task, task_id: str) -> dict[str, Any]:
        queues: Mapping[str, str] = self.options.get("queue_map") or {}
        default = None if task.queue_name == DEFAULT_TASK_QUEUE_NAME else task.queue_name
        options = {
            "task_id": task_id,
            "priority": priority_of(task.priority, self.app.broker.capabilities.priorities),
            "queue": queues.get(task.queue_name, default),
            "eta": None if task.run_after is None else aware(task.run_after),
            "on_commit": self.options.get("on_commit"),
        }
        return {option: value for option, value in options.items() if value is not None}


def _record_of(document: ResultDocument) -> Record:
    """Return what a result without a record tells of its call: one that a worker has had to write in its last need."""
    record = Record(task=document.name or "", args=list(document.args or ()), kwargs=document.kwargs or {})
    return record.with_error(document.result) if isinstance(document.result, BaseException) else record


def _result_of_eager(task: Task, record: Record, done: EagerResult[Any]) -> TaskResult:
    """Return the result of a call that has been run here and now (``task_always_eager``)."""
    record = record.with_attempt(Attempt(f"{gethostname()}/{os.getpid()}", record.enqueued_at or 0.0))
    if isinstance(done.result, BaseException):
        record = record.with_error(done.result)
    now = datetime.fromtimestamp(clock.now(), UTC)
    return make_result(task, record, id=done.id, state=done.state, value=done.result, finished_at=now)


def _wrong_options(options: Mapping[str, Any], place: str) -> Iterator[checks.CheckMessage]:
    for name in options:
        if name not in _OPTIONS:
            near = difflib.get_close_matches(str(name), _OPTIONS, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(_OPTIONS)}."
            yield checks.Error(f"There is no option {name!r} in {place}.", hint=hint, id="celeriac.E101")
    queues = options.get("queue_map", {})
    if not isinstance(queues, Mapping) or not all(isinstance(name, str) for pair in queues.items() for name in pair):
        yield checks.Error(
            f"{place}['queue_map'] must be a dict of names, not {queues!r}.",
            hint="Write it as {'reports': 'slow'}: the framework's queue name, then celeriac's queue.",
            id="celeriac.E103",
        )
    on_commit = options.get("on_commit")
    if on_commit is not None and not isinstance(on_commit, bool):
        yield checks.Error(f"{place}['on_commit'] must be True or False, not {on_commit!r}.", id="celeriac.E104")
