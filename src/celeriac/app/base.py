"""The app: settings, the registry of tasks, and the collaborators they share."""

import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Literal, Self, TypeVar, overload

from celeriac.app import builtins as _builtins  # noqa: F401 - its tasks become part of every app
from celeriac.app.connections import creator_directory
from celeriac.app.decorator import BoundDecorator, CoroutineTask, Decorator, FunctionTask
from celeriac.app.shared import apps, current_apps_task, share
from celeriac.app.task import P, R, Task, batches, note_child
from celeriac.app.tasks import AppWithTasks
from celeriac.async_result import AsyncResult
from celeriac.canvas import Signature, signature
from celeriac.exceptions import AlwaysEagerIgnored
from celeriac.local import get_current_task, get_current_worker_task, set_current_app, set_default_app_factory
from celeriac.protocol.message import Message
from celeriac.publication import Publication

__all__ = ["Celeriac", "Celery", "shared_task"]

TaskType = TypeVar("TaskType", bound=Task[..., Any])


class Celeriac(AppWithTasks):
    """An app: where tasks are defined, published from, and found by workers.

    ``main`` is the name of the module it is in, ``include`` are modules with tasks that a worker imports. Every further
    keyword argument is a setting. Without any setting messages and results are in ``celeriac.sqlite3`` beside the
    module that makes the app. The app is the current one (``celeriac.current_app``) unless ``set_as_current=False``.
    """

    def __init__(
        self,
        main: str | None = None,
        *,
        broker: str | Sequence[str] | None = None,
        backend: str | None = None,
        include: Iterable[str] | None = None,
        set_as_current: bool = True,
        config_source: Any = None,
        namespace: str | None = None,
        task_cls: "type[Task[..., Any]] | str | None" = None,
        tasks: Any = None,
        autofinalize: bool = True,
        strict_typing: bool = True,
        changes: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        given = {"broker_url": broker, "result_backend": backend, "include": list(include) if include else None}
        given = {name: value for name, value in given.items() if value is not None}
        super().__init__({**(changes or {}), **given, **settings}, config_source, namespace)
        self.main = main
        self.default_directory = creator_directory()
        #: Whether arguments are checked against a task's function before they are sent.
        self.strict_typing = strict_typing
        self.autofinalize = autofinalize
        if task_cls is not None:
            self.task_cls = task_cls
        for task in (tasks or {}).values():
            self.register_task(task)
        apps.add(self)
        if set_as_current:
            self.set_current()

    # Which app is current.

    def set_current(self) -> None:
        """Make this app the current one, for the whole process."""
        set_current_app(self)

    def set_default(self) -> None:
        """The same as ``set_current``."""
        set_current_app(self)

    @property
    def current_task(self) -> "Task[..., Any] | None":
        """The task that runs here, or None."""
        return get_current_task()

    @property
    def current_worker_task(self) -> "Task[..., Any] | None":
        """The task that a worker runs here, whatever tasks it calls as functions; or None."""
        return get_current_worker_task()

    # Publishing by name, and many at once.

    def send_task(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult[Any]:
        """Publish a call of a task by its name; this process need not know the task.

        The options are those of ``Task.apply_async``.
        """
        message = self._message_by_name(name, args, kwargs, options)
        held = self.publisher.send([message], options=options)
        return self._result_by_name(message, options, held)

    async def asend_task(
        self,
        name: str,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> AsyncResult[Any]:
        """``send_task`` without blocking the event loop."""
        message = self._message_by_name(name, args, kwargs, options)
        held = await self.publisher.asend([message], options=options)
        return self._result_by_name(message, options, held)

    def publish_many(self, signatures: Iterable[Signature[R]]) -> list[AsyncResult[R]]:
        """Publish many calls, a thousand in one round trip to the broker; return their results in the same order.

        Each thousand is published whole or not at all; an error leaves the thousands before it published.
        """
        results: list[AsyncResult[R]] = []
        for batch in batches(signatures):
            if self.conf.task_always_eager:
                results += [each.apply_async() for each in batch]
                continue
            messages = [message for each in batch for message in each.messages((), {}, is_follow_up=False)]
            held = self.publisher.send(messages, options=batch[0].options)
            results += [self._result_of(each, message, held) for each, message in zip(batch, messages, strict=True)]
        return results

    async def apublish_many(self, signatures: Iterable[Signature[R]]) -> list[AsyncResult[R]]:
        """``publish_many`` without blocking the event loop."""
        results: list[AsyncResult[R]] = []
        for batch in batches(signatures):
            if self.conf.task_always_eager:
                results += [await each.aapply_async() for each in batch]
                continue
            messages = [message for each in batch for message in each.messages((), {}, is_follow_up=False)]
            held = await self.publisher.asend(messages, options=batch[0].options)
            results += [self._result_of(each, message, held) for each, message in zip(batch, messages, strict=True)]
        return results

    def send_event(self, type_: str, **fields: Any) -> None:
        """Tell observers that something has happened; nobody observes yet, so nothing is sent."""

    def _message_by_name(
        self, name: str, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None, options: dict[str, Any]
    ) -> Message:
        if self.conf.task_always_eager:
            warnings.warn(
                f"send_task publishes {name} although task_always_eager is set: it sends by name, and has no task to "
                "run. Use the task's apply_async.",
                AlwaysEagerIgnored,
                stacklevel=3,
            )
        task = self.own_tasks.get(name)
        if task is not None:
            options.update({option: value for option, value in task.plan.options.items() if option not in options})
        return self.publisher.message(name, args, kwargs, options, task=task)

    def _result_by_name(
        self, message: Message, options: Mapping[str, Any], held: Publication | None
    ) -> AsyncResult[Any]:
        make = options.get("result_cls") or self.AsyncResult
        result: AsyncResult[Any] = make(message.id)
        result.publication = held
        result.ignored = bool(options.get("ignore_result"))
        note_child(result, options)
        return result

    def _result_of(self, call: Signature[R], message: Message, held: Publication | None) -> AsyncResult[R]:
        result: AsyncResult[R] = AsyncResult(message.id, None, call.task, self)
        result.publication = held
        result.ignored = bool(message.headers.get("ignore_result"))
        note_child(result, call.options)
        return result

    # Signatures.

    def signature(self, varies: Any, *args: Any, **kwargs: Any) -> Signature[Any]:
        """Return a signature that belongs to this app."""
        return signature(varies, *args, app=self, **kwargs)

    # With-statement, and what it is.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> Any:
        raise TypeError("An app cannot be pickled; pass the name of its module instead.")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.main or '__main__'}:{id(self):#x}>"


Celery = Celeriac


@overload
def shared_task(function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...  # type: ignore[overload-overlap]
@overload
def shared_task(function: Callable[P, R], /) -> FunctionTask[P, R]: ...
@overload
def shared_task(
    *, base: type[TaskType], bind: bool = ..., **options: Any
) -> Callable[[Callable[..., Any]], TaskType]: ...
@overload
def shared_task(*, bind: Literal[True], base: None = None, **options: Any) -> BoundDecorator: ...
@overload
def shared_task(*, bind: Literal[False] = False, base: None = None, **options: Any) -> Decorator: ...
def shared_task(*args: Any, **options: Any) -> Any:
    """Make a task that needs no app: every app has it, and the current one publishes it.

    Takes the options of ``app.task``. For libraries and for modules that are imported before the app is made.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        share(function, options)
        return current_apps_task(function, options.get("name"))

    if len(args) > 1 or (args and not callable(args[0])):
        raise TypeError("@shared_task takes one function, and options as keyword arguments.")
    return decorate(args[0]) if args else decorate


def _make_default_app() -> Celeriac:
    return Celeriac("default", set_as_current=False)


set_default_app_factory(_make_default_app)
