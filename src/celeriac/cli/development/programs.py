"""The programs of ``celeriac dev``: a table that says which there are, and when each has a place."""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from celeriac.cli.development.program import Program
from celeriac.cli.development.project import Project

__all__ = ["PROGRAMS", "DevOptions", "programs_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    """The command line of ``celeriac dev``."""

    #: The site is started, too, where there is one.
    site: bool = True
    host: str = "127.0.0.1"
    #: The site's port, chosen already.
    port: int = 8000
    #: Options of ``celeriac worker``, as words.
    worker_words: tuple[str, ...] = field(default_factory=tuple)

    @property
    def address(self) -> str:
        """Where the site listens, as ``runserver`` and a URL have it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Entry:
    applies: Callable[[Project, DevOptions], bool]
    make: Callable[[Project, DevOptions], Program]


def _has_site(project: Project, options: DevOptions) -> bool:
    return project.is_django and options.site


def _always(_project: Project, _options: DevOptions) -> bool:
    return True


def _site(project: Project, options: DevOptions) -> Program:
    return Program(
        name="site",
        title="The site",
        color="cyan",
        command=project.manage("runserver", options.address),
        # The block at the start says what runserver's warning says, and how to stop.
        environment={"DJANGO_RUNSERVER_HIDE_WARNING": "true"},
        # The reloader and the server it has started. As an answer to SIGINT both may still show a traceback.
        stops_as_group=True,
    )


def _worker(project: Project, options: DevOptions) -> Program:
    return Program(
        name="worker",
        title="The worker",
        color="green",
        command=project.celeriac("worker", "--in-development", "--beat", *options.worker_words),
        environment=project.environment,
        hard_signal=signal.SIGQUIT,
        patience=None,  # worker_shutdown_timeout
    )


#: In the order in which they are started.
PROGRAMS: Final = (_Entry(_has_site, _site), _Entry(_always, _worker))


def programs_of(project: Project, options: DevOptions) -> list[Program]:
    """Return the programs that have a place in this project."""
    return [entry.make(project, options) for entry in PROGRAMS if entry.applies(project, options)]
