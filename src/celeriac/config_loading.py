"""Where settings come from: modules, objects, environment variables and the command line.

This is the edge that ``settings`` itself does not have: it imports modules and looks into objects, and hands plain
dicts to ``Settings.load``.
"""

import json
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from celeriac.dotted_name import import_dotted_name
from celeriac.exceptions import ImproperlyConfigured
from celeriac.settings import Settings
from celeriac.settings_names import known_name, unknown_setting

__all__ = [
    "CONFIG_MODULE_VARIABLES",
    "config_module",
    "load_settings",
    "module_in_variable",
    "parse_assignments",
    "read_source",
]

#: Environment variables that name a module of settings, the stronger first.
CONFIG_MODULE_VARIABLES = ("CELERIAC_CONFIG_MODULE", "CELERY_CONFIG_MODULE")

#: Read from every source, though no setting of ours: Django's zone.
_DJANGO_NAMES = frozenset({"TIME_ZONE"})


def load_settings(
    settings: Settings,
    source: Any,
    *,
    namespace: str | None = None,
    silent: bool = False,
    unknown: Literal["warn", "refuse"] | None = None,
) -> bool:
    """Read a module (or its dotted name), class, object or dict into the settings; say whether there was something.

    ``silent``: a module that cannot be imported is no error. ``unknown`` as in ``Settings.load``; by default names of
    no setting are refused in the namespace ``CELERIAC``, which is ours alone, and warned of elsewhere.
    """
    values = read_source(source, namespace=namespace, silent=silent)
    if values is None:
        return False
    ours = namespace is not None and namespace.rstrip("_").upper() == "CELERIAC"
    settings.load(values, namespace=namespace, unknown=unknown or ("refuse" if ours else "warn"))
    return True


def read_source(source: Any, *, namespace: str | None = None, silent: bool = False) -> dict[str, Any] | None:
    """Return what a source of settings holds; None for a module that cannot be imported, if ``silent``.

    Raises ``ImproperlyConfigured`` for such a module otherwise.
    """
    if isinstance(source, str):
        try:
            source = import_dotted_name(source)
        except ImportError as error:
            if silent:
                return None
            raise ImproperlyConfigured(_not_importable(source, error)) from error
    if isinstance(source, Mapping):
        return dict(source)
    return _read_object(source, namespace)


def config_module(environ: Mapping[str, str]) -> str | None:
    """Return the module of settings that the environment names, if any."""
    return next((environ[variable] for variable in CONFIG_MODULE_VARIABLES if environ.get(variable)), None)


def module_in_variable(variable: str, environ: Mapping[str, str], *, silent: bool = False) -> str | None:
    """Return the module that this environment variable names; without one None, or ``ImproperlyConfigured``."""
    module = environ.get(variable)
    if not module and not silent:
        raise ImproperlyConfigured(
            f"The environment variable {variable} is not set: set it to the dotted name of your module of settings."
        )
    return module or None


def parse_assignments(arguments: Iterable[str]) -> dict[str, Any]:
    """Return settings written as ``worker_concurrency=4`` or ``worker.concurrency=4``, for the command line.

    A value that is JSON counts as what it says, any other is text. Raises ``ImproperlyConfigured``.
    """
    values: dict[str, Any] = {}
    for argument in arguments:
        key, sign, text = argument.partition("=")
        if not sign:
            raise ImproperlyConfigured(f"{argument!r} sets nothing: write name=value.")
        name = key.strip().replace(".", "_")
        if known_name(name) is None:
            raise ImproperlyConfigured(unknown_setting(name))
        try:
            values[name] = json.loads(text)
        except ValueError:
            values[name] = text
    return values


def _read_object(source: Any, namespace: str | None) -> dict[str, Any]:
    """Return an object's attributes that may be settings; the others are not even looked at.

    Django's settings, for one, raise an error when an empty ``SECRET_KEY`` is looked at.
    """
    names = [name for name in dir(source) if not name.startswith("_")]
    is_bag = isinstance(source, (types.ModuleType, type)) and not namespace
    prefix = f"{namespace.rstrip('_')}_" if namespace else "CELERY"
    values = {}
    for name in names:
        if known_name(name) or name in _DJANGO_NAMES or name.startswith(prefix):
            values[name] = getattr(source, name)
        elif is_bag or (name.islower() and not isinstance(getattr(type(source), name, None), property)):
            value = getattr(source, name)
            if not isinstance(value, types.ModuleType) and not callable(value):  # imports and functions are no settings
                values[name] = value
    return values


def _not_importable(name: str, error: ImportError) -> str:
    if name.endswith(".py"):
        cure = f"write it without the ending, as {name.removesuffix('.py')!r}"
    else:
        cure = "check the name, and that its directory is on the Python path"
    return f"The settings {name!r} cannot be imported ({str(error).rstrip('.')}): {cure}."
