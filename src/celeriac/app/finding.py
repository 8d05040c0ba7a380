"""Finding the app that a command line names (``-A``), by Celery's rules (``celery/app/utils.py``).

``module:attribute`` names it exactly. A module is searched for ``app``, then ``celery``, then any app in it; a package
also in its module ``celery``.
"""

import importlib
import importlib.util
from types import ModuleType

from celeriac.app.base import Celeriac
from celeriac.exceptions import ImproperlyConfigured

__all__ = ["find_app"]

_USUAL_NAMES = ("app", "celery", "celeriac")
_USUAL_MODULES = ("celery", "celeriac")


def find_app(name: str) -> Celeriac:
    """Import and return the app; raises ``ImproperlyConfigured`` with the cure, or what importing raises."""
    module_name, colon, attribute = name.partition(":")
    if not module_name or module_name.startswith(".") or (colon and not attribute):
        raise ImproperlyConfigured(f"-A {name!r} names no app: write -A module or -A module:attribute.")
    module, rest = _import_longest(module_name)
    if colon:
        return _attribute(module, ".".join([*rest, attribute]), name)
    if rest:
        return _attribute(module, ".".join(rest), name)
    app = _search(module)
    if app is None:
        raise ImproperlyConfigured(
            f"There is no app in module {module_name!r} ({getattr(module, '__file__', 'a namespace package')}): "
            "make one with `app = Celeriac(...)`, or name it with -A module:attribute."
        )
    return app


def _import_longest(name: str) -> tuple[ModuleType, list[str]]:
    """Import as much of a dotted name as is a module; return it and the names that are left."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        candidate = ".".join(parts[:length])
        try:
            return importlib.import_module(candidate), parts[length:]
        except ModuleNotFoundError as error:
            # Only when it is this very name that is missing; a missing import inside it is the user's to see.
            if error.name is None or not (candidate == error.name or candidate.startswith(error.name + ".")):
                raise
    raise ImproperlyConfigured(
        f"There is no module {name!r}: check -A, and run the command from the folder that holds it "
        "(or use --workdir, or PYTHONPATH)."
    )


def _attribute(module: ModuleType, path: str, name: str) -> Celeriac:
    found: object = module
    for part in path.split("."):
        if not hasattr(found, part):
            raise ImproperlyConfigured(f"-A {name}: {module.__name__} has no attribute {path!r}.")
        found = getattr(found, part)
    if isinstance(found, ModuleType):
        app = _search(found)
        if app is not None:
            return app
    if not isinstance(found, Celeriac):
        raise ImproperlyConfigured(f"-A {name}: that is a {type(found).__name__}, not a Celeriac app.")
    return found


def _search(module: ModuleType) -> Celeriac | None:
    for attribute in _USUAL_NAMES:
        found = getattr(module, attribute, None)
        if isinstance(found, ModuleType):
            found = getattr(found, "app", None)
        if isinstance(found, Celeriac):
            return found
    if hasattr(module, "__path__"):
        for submodule in _USUAL_MODULES:
            full_name = f"{module.__name__}.{submodule}"
            if importlib.util.find_spec(full_name) is not None:
                app = _search(importlib.import_module(full_name))
                if app is not None:
                    return app
    return next((each for each in vars(module).values() if isinstance(each, Celeriac)), None)
