"""Signatures: task calls that are not sent yet.

A signature is a dict of plain values, so it can travel inside messages: as a callback, an errback, the next task of a
chain.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, cast

from celeriac.async_result import AsyncResult
from celeriac.identifiers import uuid
from celeriac.local import get_current_app

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.app.task import Task
    from celeriac.eager_result import EagerResult
    from celeriac.protocol.message import Message

__all__ = ["Signature", "as_list", "maybe_signature", "signature"]

R = TypeVar("R")
SignatureType = TypeVar("SignatureType", bound="type[Signature[Any]]")

#: Options that a signature keeps whatever it is called with.
_KEPT_OPTIONS = frozenset({"group_id", "stamped_headers"})


class Signature(dict[str, Any], Generic[R]):
    """A task, its arguments and its options, not sent yet.

    Arguments given later come before those it has, unless it is immutable. ``task`` is a name, a task, or the dict of
    another signature. As a dict it has the keys ``task args kwargs options subtask_type immutable``; each is an
    attribute too.
    """

    #: Classes by ``subtask_type``.
    TYPES: ClassVar[dict[str, "type[Signature[Any]]"]] = {}

    def __init__(
        self,
        task: "str | Task[..., R] | Mapping[str, Any] | None" = None,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        type: "Task[..., R] | None" = None,
        subtask_type: str | None = None,
        immutable: bool = False,
        app: "Celeriac | None" = None,
        **more_options: Any,
    ) -> None:
        self._app = app
        self._type = type
        if isinstance(task, Mapping):
            super().__init__(task)
            return
        if task is not None and not isinstance(task, str):
            self._type = task
            task = task.name
        super().__init__(
            task=task,
            args=tuple(args or ()),
            kwargs=dict(kwargs or {}),
            options={**(options or {}), **more_options},
            subtask_type=subtask_type,
            immutable=immutable,
        )

    @classmethod
    def register_type(cls, name: str | None = None) -> Callable[[SignatureType], SignatureType]:
        """Return a class decorator: signatures with this ``subtask_type`` become that class."""

        def register(subclass: SignatureType) -> SignatureType:
            cls.TYPES[name or subclass.__name__] = subclass
            return subclass

        return register

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], app: "Celeriac | None" = None) -> "Signature[Any]":
        """Return the signature that the dict describes."""
        kind = d.get("subtask_type")
        chosen = cls.TYPES.get(kind) if kind else None
        if chosen is not None and chosen is not cls:
            return chosen.from_dict(d, app=app)
        complete = {"args": (), "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False, **d}
        return Signature(complete, app=app)

    # Calling.

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the task as a function, here and now."""
        args, kwargs, _ = self.merged(args, kwargs)
        return self.type(*args, **kwargs)

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult[R]:
        """Publish with these arguments before its own."""
        return self.apply_async(args, kwargs)

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        route_name: str | None = None,
        **options: Any,
    ) -> AsyncResult[R]:
        """Publish; arguments come before its own, options win over its own. Options that are None say nothing."""
        args, kwargs, options = self.merged(args, kwargs, options)
        if route_name is not None:
            options["route_name"] = route_name
        task = self.registered_task()
        if task is None:
            return self.app.send_task(self.task, args, kwargs, **options)
        return task.apply_async(args, kwargs, **options)

    async def adelay(self, *args: Any, **kwargs: Any) -> AsyncResult[R]:
        """``delay`` without blocking the event loop."""
        return await self.aapply_async(args, kwargs)

    async def aapply_async(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> AsyncResult[R]:
        """``apply_async`` without blocking the event loop."""
        args, kwargs, options = self.merged(args, kwargs, options)
        task = self.registered_task()
        if task is None:
            return await self.app.asend_task(self.task, args, kwargs, **options)
        return await task.aapply_async(args, kwargs, **options)

    def apply(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> "EagerResult[R]":
        """Run the task here and now."""
        args, kwargs, options = self.merged(args, kwargs, options)
        return self.type.apply(args, kwargs, **options)

    def messages(
        self, args: Sequence[Any], options: Mapping[str, Any], *, is_child: bool = True, is_follow_up: bool = True
    ) -> "list[Message]":
        """Return the messages that publishing it with these arguments and options takes; nothing is published.

        Those of no follow-up are to be given to ``Publisher.send``, which tells of them.
        """
        args, kwargs, merged = self.merged(args, None, options)
        task = self.registered_task()
        if task is not None:
            merged = task.call_options(args, kwargs, merged)
        publisher = self.app.publisher
        make = publisher.follow_up if is_follow_up else publisher.message
        return [make(self.task, args, kwargs, merged, task=task, is_child=is_child)]

    # Changing.

    def merged(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]:
        """Return arguments, keyword arguments and options as they are when it is called with these."""
        own = self.options
        kept = _KEPT_OPTIONS.union(own.get("stamped_headers") or ())
        new = {
            name: value
            for name, value in (options or {}).items()
            if value is not None and not (name in kept and name in own)
        }
        if self.immutable:
            return tuple(self.args), dict(self.kwargs), {**own, **new}
        return (*(args or ()), *self.args), {**self.kwargs, **(kwargs or {})}, {**own, **new}

    def __or__(self, other: object) -> NoReturn:
        """Celery makes a chain of the two; until there are chains, this is an error, or the dicts would become one."""
        raise TypeError(
            f"Chains, as {self!r} | {other!r}, come in a later release. Until then {self.task} can name what follows "
            "it: apply_async(link=…)."
        )

    def clone(
        self, args: Sequence[Any] | None = None, kwargs: Mapping[str, Any] | None = None, **options: Any
    ) -> "Signature[R]":
        """Return a copy, with these arguments and options added."""
        args, kwargs, options = self.merged(args, kwargs, options)
        copy = Signature.from_dict(
            {**self, "args": args, "kwargs": kwargs, "options": deepcopy(options)}, app=self._app
        )
        copy._type = self._type  # noqa: SLF001 - a copy of itself
        return copy

    partial = clone

    def replace(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> "Signature[R]":
        """Return a copy with these in the place of its own."""
        copy = self.clone()
        given = {"args": args, "kwargs": kwargs, "options": options}
        copy.update({name: value for name, value in given.items() if value is not None})
        return copy

    def set(self, immutable: bool | None = None, **options: Any) -> "Signature[R]":
        """Set options of the call; returns itself."""
        if immutable is not None:
            self.set_immutable(immutable)
        self.options.update(options)
        return self

    def set_immutable(self, immutable: bool) -> None:
        """Say whether arguments given later are left out."""
        self["immutable"] = immutable

    def freeze(
        self,
        _id: str | None = None,
        group_id: str | None = None,
        chord: Any = None,
        root_id: str | None = None,
        parent_id: str | None = None,
        group_index: int | None = None,
    ) -> AsyncResult[R]:
        """Give it the id with which it will be published, and return the result it will have.

        An id it has is kept. Publishing it twice would send two messages of one id.
        """
        options = self.options
        task_id: str = options.setdefault("task_id", _id or uuid())
        given = {"root_id": root_id, "parent_id": parent_id, "chord": chord, "group_index": group_index}
        options.update({name: value for name, value in given.items() if value is not None})
        if group_id:
            options.setdefault("group_id", group_id)
        return self.app.AsyncResult(task_id)

    _freeze = freeze

    # Callbacks.

    def link(self, callback: "Signature[Any]") -> "Signature[Any]":
        """Add a signature that is published with the result when this one succeeds; returns it."""
        return self._append("link", callback)

    def link_error(self, errback: "Signature[Any]") -> "Signature[Any]":
        """Add a signature that is called when this one fails; returns it."""
        return self._append("link_error", errback)

    def on_error(self, errback: "Signature[Any]") -> "Signature[R]":
        """Add an errback and return itself, for chaining."""
        self.link_error(errback)
        return self

    def flatten_links(self) -> "list[Signature[Any]]":
        """Return itself and its callbacks, their callbacks, and so on."""
        links = [maybe_signature(link, app=self._app) for link in as_list(self.options.get("link"))]
        return [self, *(inner for link in links for inner in link.flatten_links())]

    def _append(self, option: str, callback: "Signature[Any]") -> "Signature[Any]":
        callbacks = self.options[option] = as_list(self.options.get(option))
        if callback not in callbacks:
            callbacks.append(callback)
        return callback

    # What it is.

    @property
    def app(self) -> "Celeriac":
        """The app it is published with."""
        if self._app is not None:
            return self._app
        return self._type.app if self._type is not None else get_current_app()

    @property
    def type(self) -> "Task[..., R]":
        """The task; raises ``NotRegistered`` if this process does not know it."""
        return self._type if self._type is not None else self.app.tasks[self.task]

    def registered_task(self) -> "Task[..., R] | None":
        """Return the task, or None if this process does not know it."""
        return self._type if self._type is not None else self.app.tasks.get(self.task)

    @property
    def id(self) -> str | None:
        """The id it was given by ``freeze``."""
        return cast("str | None", self.options.get("task_id"))

    @property
    def parent_id(self) -> str | None:
        """The id of the task that it follows."""
        return cast("str | None", self.options.get("parent_id"))

    @property
    def root_id(self) -> str | None:
        """The id of the first task of its workflow."""
        return cast("str | None", self.options.get("root_id"))

    @property
    def name(self) -> str:
        """The task's name."""
        return self["task"]  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        if name in _FIELDS:
            return self[name]
        raise AttributeError(f"A signature has no attribute {name!r}.")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIELDS:
            self[name] = value
        else:
            super().__setattr__(name, value)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        memo[id(self)] = self
        return dict(self)

    def __reduce__(self) -> Any:
        return _from_plain, (dict(self),)

    def __json__(self) -> dict[str, Any]:
        return dict(self)

    def __repr__(self) -> str:
        arguments = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{self.task}({', '.join(arguments)})"


#: Keys that are attributes too.
_FIELDS = frozenset({"task", "args", "kwargs", "options", "subtask_type", "immutable", "chord_size"})


def signature(varies: Any, *args: Any, **kwargs: Any) -> Signature[Any]:
    """Return a signature of a task, a task's name, or the dict of a signature."""
    if isinstance(varies, Signature):
        return varies.clone()
    if isinstance(varies, Mapping):
        return Signature.from_dict(varies, app=kwargs.get("app"))
    return Signature(varies, *args, **kwargs)


def maybe_signature(d: Any, app: "Celeriac | None" = None, clone: bool = False) -> Any:
    """Return the signature that a dict describes; a signature and None as they are."""
    if d is None:
        return None
    if isinstance(d, Signature):
        result = d.clone() if clone else d
    elif isinstance(d, Mapping):
        result = Signature.from_dict(d)
    else:
        return d
    if app is not None and result._app is None:  # noqa: SLF001 - this module's class
        result._app = app  # noqa: SLF001 - this module's class
    return result


def as_list(value: Any) -> list[Any]:
    """Return what an option like ``link`` holds as a list: nothing, one signature, or several."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _from_plain(values: dict[str, Any]) -> Signature[Any]:
    return Signature.from_dict(values)
