"""From the dotted name of something to the thing itself.

``package.module:attribute`` and ``package.module.attribute`` are the same; a module alone is fine too.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["import_dotted_name"]


def import_dotted_name(name: str) -> Any:
    """Import what is called so, also from the current directory.

    Raises ``ImportError`` with a sentence that says which part does not exist; an error inside an imported module
    passes as it is.
    """
    with _current_directory_importable():
        path, colon, attribute = name.partition(":")
        if colon:
            return _attribute(importlib.import_module(path), attribute, name)
        return _import_longest(name)


def _import_longest(name: str) -> Any:
    """Import as much of the name as is a module; the rest is attributes."""
    module_name, rest = name, ""
    while True:
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if not (module_name == missing or module_name.startswith(f"{missing}.")):
                raise  # the module is there, and imports something that is not
            parent, _, last = module_name.rpartition(".")
            if not parent:
                raise ImportError(f"There is no module {module_name!r} (wanted for {name!r}).", name=name) from error
            module_name, rest = parent, f"{last}.{rest}" if rest else last
        else:
            return _attribute(module, rest, name) if rest else module


def _attribute(value: Any, attributes: str, name: str) -> Any:
    for attribute in attributes.split("."):
        try:
            value = getattr(value, attribute)
        except AttributeError:
            owner = getattr(value, "__name__", repr(value))
            raise ImportError(f"{owner!r} has no {attribute!r} (wanted for {name!r}).", name=name) from None
    return value


@contextlib.contextmanager
def _current_directory_importable() -> Iterator[None]:
    here = os.getcwd()  # noqa: PTH109 - sys.path holds text
    if here in sys.path or "" in sys.path:
        yield
        return
    sys.path.insert(0, here)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(here)
