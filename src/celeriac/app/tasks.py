"""The part of an app that has tasks: the decorator, the registry, and how the modules of tasks are found."""

import importlib
import importlib.util
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Literal, TypeVar, overload

from celeriac import signals
from celeriac.app.configured import ConfiguredApp
from celeriac.app.decorator import BoundDecorator, CoroutineTask, Decorator, FunctionTask
from celeriac.app.development import Development
from celeriac.app.naming import make_name
from celeriac.app.registry import TaskRegistry
from celeriac.app.shared import each_finalizer, share
from celeriac.app.task import P, R, Task
from celeriac.app.task_class import TaskClassHolder
from celeriac.canvas import Signature
from celeriac.exceptions import DuplicateTaskNameWarning, ImproperlyConfigured
from celeriac.signals import Signal

__all__ = ["AppWithTasks"]

TaskType = TypeVar("TaskType", bound=Task[..., Any])


class AppWithTasks(TaskClassHolder, ConfiguredApp):
    """Makes tasks and knows them by name."""

    autofinalize: bool = True

    def __init__(self, changes: Mapping[str, Any], source: Any, namespace: str | None) -> None:
        super().__init__(changes, source, namespace)
        #: Sent when all tasks of the moment are known.
        self.on_after_finalize = Signal("app.on_after_finalize")
        self.finalized = False
        #: Periodic tasks added by ``add_periodic_task``, for the scheduler.
        self.periodic_tasks: dict[str, dict[str, Any]] = {}
        #: Names that more than one function wants, each with a sentence; the first to come has it.
        self.name_conflicts: dict[str, str] = {}
        self._tasks = TaskRegistry()
        self._finalize_lock = threading.RLock()
        self._discoveries: list[tuple[Any, str | None]] = []

    # The decorator.

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> CoroutineTask[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def task(self, function: Callable[P, R], /) -> FunctionTask[P, R]: ...
    @overload
    def task(
        self, *, base: type[TaskType], bind: bool = ..., **options: Any
    ) -> Callable[[Callable[..., Any]], TaskType]: ...
    @overload
    def task(self, *, bind: Literal[True], base: None = None, **options: Any) -> BoundDecorator: ...
    @overload
    def task(self, *, bind: Literal[False] = False, base: None = None, **options: Any) -> Decorator: ...

    def task(self, *args: Any, **options: Any) -> Any:
        """Make a task of a function: ``@app.task`` or ``@app.task(option=…)``.

        ``bind=True`` passes the task itself as the first argument; ``name`` is made from module and function unless
        given; ``base`` is the task's class; ``filter`` is applied to the task; every other option becomes an attribute
        of the task. The task is registered at once. Other apps get it too, unless ``shared=False``.
        """
        if len(args) > 1:
            raise TypeError("@app.task takes one function, and options as keyword arguments.")
        if args and not callable(args[0]):
            raise TypeError(f"@app.task makes tasks of functions, not of {args[0]!r}; options need their names.")
        decorate = self._decorator(**options)
        return decorate(args[0]) if args else decorate

    def _decorator(
        self,
        *,
        shared: bool = True,
        filter: Callable[[Any], Any] | None = None,
        lazy: bool = True,
        **options: Any,
    ) -> Callable[[Callable[..., Any]], Any]:
        def decorate(function: Callable[..., Any]) -> Any:
            if shared:
                # When it runs is this app's affair: else each app in the process would publish it.
                share(function, {name: value for name, value in options.items() if name != "schedule"})
            task = self.task_from_function(function, **options)
            return task if filter is None else filter(task)

        return decorate

    def task_from_function(
        self,
        fun: Callable[..., Any],
        name: str | None = None,
        base: type[Task[..., Any]] | None = None,
        bind: bool = False,
        **options: Any,
    ) -> Task[..., Any]:
        """Make a task of a function and register it; returns the one of this name if there is one already."""
        name = name or self.gen_task_name(_function_name(fun), getattr(fun, "__module__", None))
        known = self._tasks.get(name)
        if known is not None:
            if self.note_conflict(fun, name):
                warnings.warn(self.name_conflicts[name], DuplicateTaskNameWarning, stacklevel=3)
            return known
        if options.pop("pydantic", False):
            raise ImproperlyConfigured(
                f"The task {name} asks for pydantic=True, which celeriac does not offer yet: validate the arguments in "
                "the task itself."
            )
        kind = base or self.Task
        attributes = {
            "name": name,
            "run": fun if bind else staticmethod(fun),
            "__name__": _function_name(fun),
            "__doc__": fun.__doc__,
            "__module__": getattr(fun, "__module__", kind.__module__),
            "__annotations__": getattr(fun, "__annotations__", {}),
            "__wrapped__": staticmethod(fun),
            "_decorated": fun,
            **options,
        }
        task: Task[..., Any] = type(_function_name(fun), (kind,), attributes)()
        self._add(task)
        return task

    def register_task(self, task: type[TaskType] | TaskType, **options: Any) -> TaskType:
        """Register a task made as a class: the class or an instance of it. Returns the instance."""
        instance = task() if isinstance(task, type) else task
        for option, value in options.items():
            setattr(instance, option, value)
        if not instance.name:
            kind = type(instance)
            instance.name = self.gen_task_name(kind.__name__, kind.__module__)
        self._add(instance)
        return instance

    def note_conflict(self, function: Callable[..., Any], name: str) -> bool:
        """Note that a function wants the name of another's task; a module imported twice is no conflict."""
        first = getattr(self._tasks[name], "_decorated", None)
        if first is None or first is function or _place(first) == _place(function):
            return False
        self.name_conflicts[name] = (
            f"Two tasks are called {name!r}: {_place(first)} is registered, {_place(function)} is not, and calls reach "
            "the first. Give one of them another name with @app.task(name=…)."
        )
        return True

    def gen_task_name(self, name: str, module: str | None) -> str:
        """Return the automatic name of a task."""
        return make_name(name, module, self.main)

    # The registry.

    @property
    def tasks(self) -> TaskRegistry:
        """All tasks by name. Looking at them finalizes the app."""
        if not self.finalized:
            self.finalize(auto=True)
        return self._tasks

    @property
    def own_tasks(self) -> TaskRegistry:
        """The tasks registered so far; looking at them changes nothing."""
        return self._tasks

    def missing_task(self, name: str) -> Task[..., Any] | None:
        """Return a task that a message names and that is not registered, or None; an integration replaces this."""
        return None

    def finalize(self, auto: bool = False) -> None:
        """Bring in shared tasks and what the settings say of tasks. Safe to call twice."""
        with self._finalize_lock:
            if self.finalized:
                return
            if auto and not self.autofinalize:
                raise RuntimeError("The app is not finalized: with autofinalize=False call app.finalize() first.")
            self.finalized = True
            for task in list(self._tasks.values()):
                self._annotate(task)
            for callback in each_finalizer():
                callback(self)  # type: ignore[arg-type]  # it is a whole app
        self.on_after_finalize.send(sender=self)

    def _add(self, task: Task[..., Any]) -> None:
        self._tasks.register(task)
        task.bind(self)  # type: ignore[arg-type]  # it is a whole app
        if self.finalized:
            self._annotate(task)

    def _annotate(self, task: Task[..., Any]) -> None:
        """Apply ``task_annotations``: dicts by task name (``*``: any), and objects with a method ``annotate``."""
        annotations = self.conf.task_annotations
        for source in annotations if isinstance(annotations, (list, tuple)) else [annotations]:
            if isinstance(source, Mapping):
                task.annotate(source.get("*") or {})
                task.annotate(source.get(task.name) or {})
            elif source is not None:
                task.annotate(source.annotate_any() or {})
                task.annotate(source.annotate(task) or {})

    # Modules of tasks.

    def autodiscover_tasks(
        self,
        packages: "Iterable[str] | Callable[[], Iterable[str]] | None" = None,
        related_name: str | None = "tasks",
        force: bool = False,
    ) -> None:
        """Import the module ``tasks`` of each package, where it has one: when a worker starts, or now with ``force``.

        ``packages`` may be a function that returns them; without it those count that an integration names (in Django
        the installed apps).
        """
        if force:
            self._discover(packages, related_name)
        else:
            self._discoveries.append((packages, related_name))

    def import_task_modules(self) -> None:
        """Import what settings and ``autodiscover_tasks`` name; a worker does so when it starts. Safe to repeat."""
        signals.import_modules.send(sender=self)
        for name in (*self.conf.imports, *self.conf.include):
            importlib.import_module(name)
        for packages, related_name in self._discoveries:
            self._discover(packages, related_name)

    def discoverable_packages(self) -> Iterable[str]:
        """Return the packages that ``autodiscover_tasks()`` looks into; an integration replaces this."""
        return ()

    def development(self) -> Development:
        """Return what matters to a worker that reloads; an integration replaces this."""
        return Development()

    def check(self) -> None:
        """Look once more before a worker begins; raise what is wrong. An integration replaces this."""

    def _discover(self, packages: Any, related_name: str | None) -> None:
        names = packages() if callable(packages) else packages
        for package in self.discoverable_packages() if names is None else names:
            import_related(package, related_name)

    # Periodic tasks.

    def add_periodic_task(
        self,
        schedule: Any,
        sig: Signature[Any],
        args: Any = (),
        kwargs: Mapping[str, Any] | None = None,
        name: str | None = None,
        **options: Any,
    ) -> str:
        """Add a schedule entry; returns its key: the name, or the signature as text."""
        signature = sig.clone(args, kwargs)
        key = name or repr(signature)
        self.periodic_tasks[key] = {
            "schedule": schedule,
            "task": signature.task,
            "args": tuple(signature.args),
            "kwargs": dict(signature.kwargs),
            "options": {**signature.options, **options},
        }
        return key


def import_related(package: str, related_name: str | None) -> Any:
    """Import ``package.related_name`` if there is such a module; an error inside it is not hidden."""
    importlib.import_module(package)
    if not related_name:
        return None
    name = f"{package}.{related_name}"
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # the package is a module
        return None
    return importlib.import_module(name) if found is not None else None


def _function_name(function: Any) -> str:
    name: str = getattr(function, "__name__", None) or type(function).__name__
    return name


def _place(function: Any) -> str:
    code = getattr(function, "__code__", None)
    where = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', function)}{where}"
