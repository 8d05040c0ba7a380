"""``celeriac dev``: site and worker in one terminal, for development."""

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

import click

from celeriac.cli.development.ensemble import Ensemble
from celeriac.cli.development.port import PortChoice, choose_port, reachable
from celeriac.cli.development.programs import DevOptions, programs_of
from celeriac.cli.development.project import Project, name_settings
from celeriac.cli.development.terminal import Terminal
from celeriac.cli.parameters import LOG_LEVEL, QUEUES, SLOTS, flat
from celeriac.cli.session import Session, pass_session
from celeriac.worker.reload import CodeWatcher

__all__ = ["dev"]

_PORT = 8000
#: Seconds after which the block is shown though the site does not listen.
_PATIENCE = 15.0
_MOMENT = 0.1


@click.command()
@click.option("--host", default="127.0.0.1", metavar="HOST", help="Where the site listens.  [default: 127.0.0.1]")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="NUMBER",
    help="The site's port.  [default: the next free from 8000]",
)
@click.option("--no-site", is_flag=True, help="Start the worker only.")
@click.option("-c", "--concurrency", type=SLOTS, metavar="NUMBER", help="The worker's slots.")
@click.option("-P", "--pool", metavar="EXECUTOR", help="Where `def` tasks run: processes, threads or solo.")
@click.option("-Q", "--queues", type=QUEUES, multiple=True, help="Take from these queues only, parted by commas.")
@click.option("-l", "--loglevel", type=LOG_LEVEL, metavar="LEVEL", help="Of the worker.  [default: INFO]")
@pass_session
@click.pass_context
def dev(context: click.Context, session: Session, /, **given: Any) -> None:
    """Run site and worker for development.

    Both in this terminal, each line with the name of who says it, until Ctrl-C. In a Django project that is `runserver`
    and a worker; elsewhere the worker alone. Changed code is taken up; a task that runs is finished first.

    Not for production.
    """
    if not session.names_app:
        name_settings()
    project = Project.of(session, script=_script(context))
    port = _port(given) if project.is_django and not given["no_site"] else PortChoice(_PORT)
    options = DevOptions(
        site=not given["no_site"], host=given["host"], port=port.port, worker_words=tuple(_worker_words(given))
    )
    context.exit(asyncio.run(_Dev(project, options, color=context.color).run(instead_of=port.instead_of)))


class _Dev:
    """One run of the command."""

    def __init__(self, project: Project, options: DevOptions, *, color: bool | None) -> None:
        self._project = project
        self._options = options
        self._programs = programs_of(project, options)
        self._has_site = any(program.name == "site" for program in self._programs)
        colors = {program.name: program.color for program in self._programs} | {"dev": "yellow"}
        self._terminal = Terminal(colors, color=color)
        self._ensemble = Ensemble(self._terminal, speaker="dev")

    async def run(self, *, instead_of: int | None) -> int:
        """Run until Ctrl-C; return the exit status."""
        if instead_of is not None:
            self._ensemble.say(f"Port {instead_of} is in use by another program; the site takes {self._options.port}.")
        loop = asyncio.get_running_loop()

        def tell(_changed: set[Path]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(self._ensemble.note_change)

        with CodeWatcher([Path.cwd()], on_change=tell):
            return await self._ensemble.run(self._play)

    async def _play(self) -> None:
        """Start everything; show the block once the site can be opened, or will not be for a while."""
        self._ensemble.begin(*self._programs)
        facts, _ = await asyncio.gather(self._project.facts(), self._wait_for_site())
        rows = {"Site": f"http://{self._options.address}/"} if self._has_site else {}
        if facts is None:
            rows["Broker"] = "not known before the app can be imported"
        else:
            same = facts["results"] == facts["broker"]
            rows |= {"Broker": facts["broker"], "Results": "in the same place" if same else facts["results"]}
        self._terminal.block({**rows, "Stop": "Ctrl-C"})

    async def _wait_for_site(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        while self._has_site and loop.time() < deadline:
            try:
                _, writer = await asyncio.open_connection(reachable(self._options.host), self._options.port)
            except OSError:
                await asyncio.sleep(_MOMENT)
            else:
                writer.close()
                return


def _port(given: dict[str, Any]) -> PortChoice:
    return choose_port(option="--port", asked=given["port"], default=_PORT, host=given["host"])


def _worker_words(given: dict[str, Any]) -> list[str]:
    named = {
        "--concurrency": given["concurrency"],
        "--pool": given["pool"],
        "--queues": ",".join(flat(given["queues"])),
        "--loglevel": given["loglevel"],
    }
    return [word for option, value in named.items() if value for word in (option, str(value))]


def _script(context: click.Context) -> str | None:
    """Return the manage.py that was started, if one was."""
    started_by_manage = " " in (context.find_root().info_name or "")
    return sys.argv[0] if started_by_manage and sys.argv[0].endswith(".py") and "__main__" not in sys.argv[0] else None
