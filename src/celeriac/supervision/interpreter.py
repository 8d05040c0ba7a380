"""A new Python interpreter that finds the same modules as this one."""

import os
import sys

from msgspec import Struct

__all__ = ["Surroundings", "command", "environment"]


class Surroundings(Struct, frozen=True, kw_only=True):
    """What the new interpreter takes over from the one that started it."""

    module_path: list[bytes]
    arguments: list[bytes]
    #: The starting process's own PYTHONPATH, which ``environment`` hid.
    python_path: bytes | None

    @classmethod
    def current(cls) -> "Surroundings":
        """Describe this process."""
        return cls(
            module_path=[os.fsencode(entry) for entry in _module_path()],
            arguments=[os.fsencode(argument) for argument in sys.argv],
            python_path=os.environb.get(b"PYTHONPATH"),
        )

    def take_over(self) -> None:
        """Make this process like the described one, as far as modules, arguments and environment go."""
        sys.path[:] = map(os.fsdecode, self.module_path)
        sys.argv[:] = map(os.fsdecode, self.arguments)
        if self.python_path is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environb[b"PYTHONPATH"] = self.python_path


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module with this interpreter and its options.

    ``-P``: the current directory is searched only if this process searches it (``environment``).
    """
    options = ["-P", *["-O"] * sys.flags.optimize, *["-B"] * sys.flags.dont_write_bytecode]
    options += [f"-W{option}" for option in sys.warnoptions]
    for name, value in sys._xoptions.items():  # noqa: SLF001 - documented by this name
        options += ["-X", name if value is True else f"{name}={value}"]
    return [sys.executable, *options, "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return this process's environment, changed so that celeriac is found where this process found it."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in _module_path() if os.pathsep not in entry)}


def _module_path() -> list[str]:
    """Return ``sys.path`` without what Python ignores there."""
    entries: list[object] = list(sys.path)
    return [entry for entry in entries if isinstance(entry, str)]
