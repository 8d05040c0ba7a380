"""Exceptions as plain values, and back.

The form is Celery's (``celery/backends/base.py``): ``exc_type``, ``exc_message`` (the arguments) and ``exc_module``.
Reading one imports nothing: only classes of modules that are loaded already are used, and only exception classes,
because whoever can write to the result store chooses the names.
"""

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from celeriac import exceptions
from celeriac.exceptions import DecodeError, EncodeError, SecurityError, SerializationError
from celeriac.protocol import serialization
from celeriac.protocol.representation import represent

__all__ = ["exception_to_value", "value_to_exception"]

_OURS = "celeriac.exceptions"
#: Where Celery 5.7 has the exceptions that are not in its own module.
_CELERY_MODULES = {
    "ContentDisallowed": "kombu.exceptions",
    "DecodeError": "kombu.exceptions",
    "EncodeError": "kombu.exceptions",
    "OperationalError": "kombu.exceptions",
    "SerializationError": "kombu.exceptions",
    "SoftTimeLimitExceeded": "billiard.exceptions",
    "Terminated": "billiard.exceptions",
    "TimeLimitExceeded": "billiard.exceptions",
    "WorkerLostError": "billiard.exceptions",
}
#: Ours alone: written under our own module, so that a Celery that reads them makes a class of that name.
_UNKNOWN_TO_CELERY = frozenset(
    {"BrokerUnavailable", "MessageRefused", "PublishUnconfirmed", "ResultsDisabled", "UnreadableMessage"}
)
_CELERY_SOURCES = frozenset({"celery.exceptions", *_CELERY_MODULES.values()})
_CELERY_NAMES = {"CeleriacError": "CeleryError"}
_CURE = "a task that sets FAILURE or RETRY by update_state passes an exception as meta"

#: Classes made on the fly, so that two errors of one kind are of one class; emptied when full.
_made: dict[tuple[str, str], type[BaseException]] = {}
_MAX_MADE = 1000


def exception_to_value(exc: BaseException, serializer: str = "json") -> Any:
    """Return the exception as something the serializer can write.

    With pickle that is the exception itself, if it survives that. Otherwise a dict; an argument that cannot be written
    becomes text.
    """
    if serializer == "pickle" and _survives_pickle(exc):
        return exc
    module, name = _public_name(type(exc))
    return {"exc_type": name, "exc_message": _writable(exc.args, serializer), "exc_module": module}


def value_to_exception(value: Any) -> BaseException | None:
    """Return the exception; None for no value.

    A class that is not there is replaced by a new one of the same name. Raises ``SecurityError`` when the name belongs
    to something that is no exception class, and ``DecodeError`` for values of another form.
    """
    if isinstance(value, BaseException):
        return value
    if not value:
        return None
    if not isinstance(value, dict):
        raise DecodeError(f"An exception is stored as a dict, not as {type(value).__name__} ({value!r:.200}); {_CURE}.")
    name, module = value.get("exc_type"), value.get("exc_module")
    if not isinstance(name, str) or not (module is None or isinstance(module, str)):
        raise DecodeError(f"This stored exception does not say its type in exc_type: {value!r:.200}; {_CURE}.")
    message = value.get("exc_message", "")
    return _instance(_find_class(module, name), tuple(message) if isinstance(message, (list, tuple)) else (message,))


def _public_name(cls: type[BaseException]) -> tuple[str, str]:
    """Return module and name; for our own classes those of Celery's counterpart, which any Celery then finds."""
    name = cls.__qualname__
    if cls.__module__ != _OURS or name in _UNKNOWN_TO_CELERY:
        return cls.__module__, name
    return _CELERY_MODULES.get(name, "celery.exceptions"), _CELERY_NAMES.get(name, name)


def _writable(arguments: Iterable[Any], serializer: str) -> tuple[Any, ...]:
    return tuple(argument if _can_write(argument, serializer) else _text(argument) for argument in arguments)


def _can_write(argument: Any, serializer: str) -> bool:
    if argument is None or isinstance(argument, (str, int, float)):
        return True
    try:
        serialization.dumps(argument, serializer)
    except EncodeError:
        return False
    return True


def _text(value: Any) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - code of the user's: an error shall be stored whatever its arguments are
        return represent(value)


def _find_class(module: str | None, name: str) -> type[BaseException]:
    if module in _CELERY_SOURCES and name in exceptions.__all__:
        module = _OURS
    found = _loaded(module, name) if module else None
    if found is None:
        return _make_class(module or _OURS, name)
    if not isinstance(found, type) or not issubclass(found, BaseException):
        raise SecurityError(
            f"The stored exception names {module}.{name}, which is no exception class; "
            "somebody may have tampered with the result store."
        )
    return found


def _loaded(module: str, name: str) -> Any:
    """Return what a loaded module has under a dotted name, or None; runs no code of the module's."""
    first, *rest = name.split(".")
    found = getattr(sys.modules.get(module), "__dict__", {}).get(first)
    for part in rest:
        found = found.__dict__.get(part) if isinstance(found, type) else None
    return found


def _make_class(module: str, name: str) -> type[BaseException]:
    if len(_made) >= _MAX_MADE:
        _made.clear()
    key = (module, name)
    if key not in _made:
        try:
            _made[key] = type(name, (Exception,), {"__module__": module})
        except ValueError as error:
            raise DecodeError(f"The stored exception has a name that no class can have: {name!r:.200}.") from error
    return _made[key]


def _instance(cls: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    """Make the exception, if need be without its ``__init__``, which may want other arguments than it passed on."""
    with suppress(Exception):
        exc = cls(*arguments)
        if isinstance(exc, BaseException):  # its __new__ may think otherwise
            return exc
    with suppress(Exception):
        exc = cls.__new__(cls, *arguments)
        exc.args = arguments
        # Both may miss what __init__ would have set.
        str(exc), repr(exc)
        return exc
    return Exception(f"{cls}({list(arguments)})")


def _survives_pickle(exc: BaseException) -> bool:
    try:
        pickled = serialization.dumps(exc, "pickle")
        serialization.loads(pickled.data, pickled.content_type, pickled.content_encoding, {"pickle"})
    except SerializationError:
        return False
    return True
