"""Automatic names of tasks: the module's and the function's."""

import sys
from pathlib import Path

__all__ = ["make_name"]


def make_name(name: str, module_name: str | None, main: str | None) -> str:
    """Return ``module.name``.

    A script run as ``python tasks.py`` is the module ``__main__`` there and ``tasks`` in the worker, so its tasks are
    named after the app (``main``), or after the script.
    """
    module = sys.modules.get(module_name or "__main__")
    module_name = getattr(module, "__name__", module_name) or ""
    if module_name == "__main__":
        module_name = main or _script_name(getattr(module, "__file__", None))
    return ".".join(part for part in (module_name, name) if part)


def _script_name(file: str | None) -> str:
    if not file:
        return "__main__"
    path = Path(file)
    if path.stem == "__main__":  # python -m package
        return path.parent.name
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec.name if spec is not None and spec.name else path.stem
