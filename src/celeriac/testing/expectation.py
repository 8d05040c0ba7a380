"""What a test expects to have been published, and whether something is it."""

import difflib
import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from celeriac.app.task import Task
from celeriac.canvas import Signature
from celeriac.exceptions import SerializationError
from celeriac.local import get_current_app, maybe_evaluate
from celeriac.protocol import serialization
from celeriac.protocol.representation import represent
from celeriac.testing.published_task import OPTIONS, PublishedTask

__all__ = ["Expectation"]

_JSON = "application/json"


class Expectation:
    """A call of a task; what it does not say may be anything.

    The task is a task, its name, or a signature, whose arguments then count. Arguments are compared as the serializer
    leaves them (a tuple arrives as a list), and by the task's parameters: ``send(7)`` is ``send(letter=7)``. Those of
    ``headers`` are looked for among the message's; ``countdown``, and ``expires`` in seconds, fit to the second.
    """

    def __init__(
        self,
        task: Any,
        args: Sequence[Any] | None,
        kwargs: Mapping[str, Any] | None,
        options: Mapping[str, Any],
    ) -> None:
        task = maybe_evaluate(task)
        if isinstance(task, Signature):
            args = task.args if args is None else args
            kwargs = task.kwargs if kwargs is None else kwargs
        self.name = _name_of(task)
        #: Where its calls are published, unless somebody publishes them elsewhere.
        self.app = task.app if isinstance(task, Task) else get_current_app()
        self.args = None if args is None else list(args)
        self.kwargs = None if kwargs is None else dict(kwargs)
        self.options = {("id" if name == "task_id" else name): value for name, value in options.items()}
        for option in self.options:
            if option not in OPTIONS:
                near = difflib.get_close_matches(option, OPTIONS, n=1)
                raise TypeError(
                    f"Published tasks have no {option!r} that could be compared"
                    + (f"; did you mean {near[0]!r}?" if near else f": they have {', '.join(OPTIONS)}.")
                )

    def fits(self, published: PublishedTask) -> bool:
        """Say whether this is what is expected."""
        return (
            published.task == self.name
            and self._arguments_fit(published)
            and all(_option_fits(published, name, value) for name, value in self.options.items())
        )

    def _arguments_fit(self, published: PublishedTask) -> bool:
        # First as they are: what compares equal to anything can only be compared so.
        if (self.args is None or _same(self.args, published.args, published)) and (
            self.kwargs is None or _same(self.kwargs, published.kwargs, published)
        ):
            return True
        return self._parameters_fit(published)

    def _parameters_fit(self, published: PublishedTask) -> bool:
        """Compare by parameters: the same call, written in another way."""
        task = get_current_app().tasks.get(self.name)
        if task is None:
            return False
        signature = inspect.signature(task.run)
        try:
            expected = signature.bind_partial(*(self.args or ()), **(self.kwargs or {}))
            found = signature.bind(*published.args, **published.kwargs)
        except TypeError:
            return False
        if self.args is not None and self.kwargs is not None:
            expected.apply_defaults()
            found.apply_defaults()
            return _same(expected.arguments, found.arguments, published)
        return all(
            name in found.arguments and _same(value, found.arguments[name], published)
            for name, value in expected.arguments.items()
        )

    def __str__(self) -> str:
        words = [] if self.args is None else [f"args={represent(self.args)}"]
        words += [] if self.kwargs is None else [f"kwargs={represent(self.kwargs)}"]
        words += [f"{name}={value!r}" for name, value in self.options.items()]
        return self.name + (f" with {', '.join(words)}" if words else "")


def _name_of(task: Any) -> str:
    if isinstance(task, str):
        return task
    if isinstance(task, Signature):
        return str(task.task)
    if isinstance(task, Task):
        return str(task.name)
    # The task framework of Django: its tasks have a function, by whose place a worker finds them.
    path = getattr(task, "module_path", None)
    if isinstance(path, str):
        return path
    raise TypeError(f"{task!r} is no task: give the task, its name, or a signature such as task.s(1).")


def _same(expected: Any, found: Any, published: PublishedTask) -> bool:
    expected = _with_lists(expected)
    if expected == _with_lists(found):
        return True
    if published.message.content_type != _JSON:
        return False
    # As the serializer leaves it: keys of dicts that were numbers, and the like.
    with suppress(SerializationError):
        content_type, content_encoding, data = serialization.dumps(expected)
        return bool(serialization.loads(data, content_type, content_encoding, [content_type]) == _with_lists(found))
    return False


def _with_lists(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_with_lists(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _with_lists(item) for key, item in value.items()}
    return value


def _option_fits(published: PublishedTask, name: str, expected: Any) -> bool:
    found = getattr(published, name)
    if name == "headers":
        return all(key in found and found[key] == value for key, value in (expected or {}).items())
    if name == "expires" and isinstance(found, datetime) and isinstance(expected, (int, float)):
        found = found.timestamp() - published.published_at
    if name in {"countdown", "expires"} and isinstance(found, float) and isinstance(expected, (int, float)):
        return abs(found - expected) <= 1.0
    return bool(found == expected)
