"""The project that is developed: how its commands are called, and what it says of itself."""

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celeriac.cli.session import Session
from celeriac.supervision.interpreter import command, environment

__all__ = ["Project", "name_settings"]

_SETTINGS = "DJANGO_SETTINGS_MODULE"
_NAMES_SETTINGS = re.compile(rf"""["']{_SETTINGS}["']\s*[,\]]\s*=?\s*["']([\w.]+)["']""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project in the current directory, as the command line names it; none of its code is imported."""

    is_django: bool
    #: What stands before a sub-command of ``celeriac``.
    global_options: tuple[str, ...]
    #: The manage.py that started this command, if one did.
    script: str | None = None

    @classmethod
    def of(cls, session: Session, *, script: str | None) -> "Project":
        """Return the project; fails with the cure when none is named."""
        given = (
            ("-A", session.app_name),
            ("-b", session.broker_url),
            ("--result-backend", session.result_backend),
        )
        options = [word for option, value in given if value for word in (option, value)]
        options += ["--no-color"] * session.no_color + ["--quiet"] * session.quiet
        return cls(is_django=session.choice().is_django, global_options=tuple(options), script=script)

    def celeriac(self, *words: str) -> tuple[str, ...]:
        """Return the command line of a command of ``celeriac``; it wants ``environment``."""
        return (*command("celeriac"), *self.global_options, *words)

    def manage(self, *words: str) -> tuple[str, ...]:
        """Return the command line of one of Django's commands."""
        script = self.script or ("manage.py" if Path("manage.py").is_file() else None)
        return (sys.executable, *([script] if script else ["-m", "django"]), *words)

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which ``celeriac`` is found as this process has found it."""
        return environment()

    async def facts(self) -> dict[str, Any] | None:
        """Ask the app, in a process of its own, for what ``celeriac report`` knows; None when it cannot be imported."""
        asked = await asyncio.create_subprocess_exec(
            *self.celeriac("report", "--json"),
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            answer, _ = await asked.communicate()
        except asyncio.CancelledError:
            asked.kill()
            raise
        try:
            facts: dict[str, Any] | None = json.loads(answer)["app"]
        except (ValueError, KeyError, TypeError):
            return None
        return facts


def name_settings() -> None:
    """Where nobody has named Django's settings, take those that the manage.py of this folder names."""
    script = Path("manage.py")
    if os.environ.get(_SETTINGS) or not script.is_file():
        return
    found = _NAMES_SETTINGS.search(script.read_text(encoding="utf-8", errors="replace"))
    if found is not None:
        os.environ[_SETTINGS] = found[1]
