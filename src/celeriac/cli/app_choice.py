"""Which app a command line means, decided without importing any code of the user's."""

import importlib
import re
from collections.abc import Mapping
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import NamedTuple

__all__ = ["APP_VARIABLES", "AppChoice", "choose_app", "no_app"]

#: Environment variables that name the app, the stronger first.
APP_VARIABLES = ("CELERIAC_APP", "CELERY_APP")

_LOADER = "celeriac.app.finding:find_app"
_DJANGO_LOADER = "celeriac.django.finding:find_app"
_SETTINGS = "DJANGO_SETTINGS_MODULE"
#: Modules of a package that need not be named when the package is.
_APP_MODULES = frozenset({"celery", "celeriac", "__init__"})
_MAKES_AN_APP = re.compile(r"^\s*\w+(?::\s*\w+)?\s*=\s*(?:\w+\.)?(?:Celeriac|Celery)\(", re.MULTILINE)
#: Bytes of a file that are searched, and files that are looked at.
_SEARCHED = 65536
_MOST_FILES = 200


class AppChoice(NamedTuple):
    """What ``-A`` says, and the ``module:function`` that finds the app so named."""

    name: str
    loader: str

    @property
    def is_django(self) -> bool:
        """Whether it is the app of a Django project."""
        return self.loader == _DJANGO_LOADER


def choose_app(given: str | None, environ: Mapping[str, str]) -> AppChoice | None:
    """Return the app that is named by ``-A``, the environment or Django's settings; None when none is.

    A Django project, also one with an app of its own, is loaded by Django's loader, which sets Django up.
    """
    name = given or next((environ[variable] for variable in APP_VARIABLES if environ.get(variable)), None)
    settings = environ.get(_SETTINGS)
    if name is None:
        return AppChoice(settings.partition(".")[0], _DJANGO_LOADER) if settings else None
    module = name.partition(":")[0]
    if settings or _is_django_project(module) or _is_django_project(module.rpartition(".")[0]):
        return AppChoice(name, _DJANGO_LOADER)
    return AppChoice(name, _LOADER)


def no_app(command: str) -> str:
    """Return the sentence for a command line that names no app; looks for one in the current directory."""
    sentence = (
        "No app is named: say -A MODULE, the module with `app = Celeriac(...)`, or set CELERIAC_APP "
        "(for a Django project: DJANGO_SETTINGS_MODULE)."
    )
    found = _likely_app(Path.cwd())
    return f"{sentence} Here this may be it: celeriac -A {found} {command}" if found else sentence


def _is_django_project(name: str) -> bool:
    """Say whether the package has a module of Django's settings; nothing is imported."""
    spec = _find(name) if name else None
    folders = (spec.submodule_search_locations if spec is not None else None) or ()
    return any(_has_django_settings(Path(folder)) for folder in folders)


def _has_django_settings(folder: Path) -> bool:
    files = [folder / "settings.py", *sorted((folder / "settings").glob("*.py"))]
    return any("INSTALLED_APPS" in _beginning(file) for file in files)


def _find(name: str) -> ModuleSpec | None:
    """Find a package by its dotted name without importing the packages around it."""
    path: list[str] | None = None
    spec: ModuleSpec | None = None
    importlib.invalidate_caches()
    for part in name.split("."):
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or [])
    return spec


def _likely_app(directory: Path) -> str | None:
    """Return the only module or package in a folder that seems to make an app or to be a Django project."""
    files = [*sorted(directory.glob("*.py")), *sorted(directory.glob("*/*.py"))][:_MOST_FILES]
    found = {_module_of(file, directory) for file in files if _MAKES_AN_APP.search(_beginning(file))}
    packages = [file.parent for file in files if file.name == "__init__.py" and file.parent != directory]
    found.update(package.name for package in packages if _has_django_settings(package))
    return found.pop() if len(found) == 1 else None


def _module_of(file: Path, directory: Path) -> str:
    parts = file.relative_to(directory).with_suffix("").parts
    is_usual = len(parts) > 1 and parts[-1] in _APP_MODULES
    return ".".join(parts[:-1] if is_usual else parts)


def _beginning(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_SEARCHED).decode("utf-8", errors="replace")
    except OSError:
        return ""
