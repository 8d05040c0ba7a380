"""Starts the programs of the demo, passes on what they say, and ends them all."""

import argparse
import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

from celeriac.cli.development.ensemble import Ensemble
from celeriac.cli.development.port import PortChoice, choose_port, is_listening
from celeriac.cli.development.program import Program
from celeriac.cli.development.terminal import Terminal
from celeriac.engines import broker_from_url
from celeriac.exceptions import ImproperlyConfigured, OperationalError
from instance import DemoError, choosing_ports, claim_directory, queue_of

HERE = Path(__file__).resolve().parent

PORT = 8000
SMTP_PORT = 8025
#: Seconds that a server has to listen, and a program to end.
START_PATIENCE = 30.0
STOP_PATIENCE = 10.0

COLOURS = {"site": "cyan", "worker": "green", "smtp": "magenta", "setup": "yellow", "demo": "blue"}
TITLES = {"site": "The site", "worker": "The worker", "smtp": "The SMTP server", "setup": "The set-up"}


class Demo:
    """The set-up first, then everything at once, until Ctrl-C or until a program ends, which none should."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._terminal = Terminal(COLOURS)
        self._ensemble = Ensemble(self._terminal, speaker="demo", restarts=False)
        self._environment: dict[str, str] = {}
        #: The server that was asked for, without its password.
        self._shown_broker = ""

    async def run(self) -> int:
        try:
            with claim_directory(self._options.directory) as directory:
                self._environment = _environment(directory, host=self._options.host)
                await self._choose_broker(directory)
                return await self._ensemble.run(self._play)
        except (DemoError, ImproperlyConfigured, OperationalError) as error:
            self._ensemble.say(str(error))
            return 1

    async def _choose_broker(self, directory: Path) -> None:
        """Have all programs use the server that is asked for, if one is; raises a sentence if nobody is there."""
        if not self._options.broker:
            return
        self._environment |= {"CELERIAC_BROKER_URL": self._options.broker, "POSTOFFICE_QUEUE": queue_of(directory)}
        with contextlib.closing(broker_from_url(self._options.broker)) as broker:
            await asyncio.to_thread(broker.open)
            self._shown_broker = broker.url

    async def _play(self) -> None:
        host = self._options.host
        setup = await self._ensemble.complete(self._program("setup", "manage.py", "prepare"))
        if setup.exit_code != 0:
            raise DemoError("The database could not be set up: see above.")
        # One demo at a time chooses ports, so that two that start together do not choose the same.
        async with choosing_ports():
            port = self._said(choose_port(option="--port", asked=self._options.port, default=PORT, host=host))
            smtp_port = self._said(
                choose_port(
                    option="--smtp-port",
                    asked=self._options.smtp_port,
                    default=SMTP_PORT,
                    host="127.0.0.1",
                    avoid={port},
                )
            )
            self._begin_programs(port=port, smtp_port=smtp_port)
            await _wait_until_listening("smtp", "127.0.0.1", smtp_port)
            await _wait_until_listening("site", host, port)
        shown = {"Letters go through": self._shown_broker} if self._shown_broker else {}
        self._terminal.block(
            {"The post office is open": f"http://{_address(host, port)}/", **shown, "To close it": "Ctrl-C"}
        )

    def _begin_programs(self, *, port: int, smtp_port: int) -> None:
        self._environment["POSTOFFICE_SMTP_PORT"] = str(smtp_port)
        mailbox = str(Path(self._environment["POSTOFFICE_DIRECTORY"], "mailbox"))
        concurrency = str(self._options.concurrency)
        self._ensemble.begin(
            # It stays for the letters that are being handed to it.
            self._program(
                "smtp", "smtp_server.py", "--port", str(smtp_port), "--mailbox", mailbox, outlives_others=True
            ),
            # With --beat it publishes what is due, too: no other process is needed for that.
            self._program(
                "worker", "-m", "celeriac", "-A", "postoffice", "worker", "--beat", "--concurrency", concurrency
            ),
            self._program("site", "manage.py", "runserver", "--noreload", _address(self._options.host, port)),
        )

    def _program(self, name: str, *words: str, **more: Any) -> Program:
        return Program(
            name=name,
            title=TITLES[name],
            color=COLOURS[name],
            command=(sys.executable, *words),
            environment=dict(self._environment),
            patience=STOP_PATIENCE,
            **more,
        )

    def _said(self, choice: PortChoice) -> int:
        if choice.instead_of is not None:
            self._ensemble.say(f"Port {choice.instead_of} is in use by another program; using {choice.port}.")
        return choice.port


def _environment(directory: Path, *, host: str) -> dict[str, str]:
    environment = {
        "DJANGO_SETTINGS_MODULE": "postoffice.settings",
        "DJANGO_RUNSERVER_HIDE_WARNING": "true",
        "POSTOFFICE_DIRECTORY": str(directory),
    }
    if host not in {"127.0.0.1", "localhost", "::1"}:
        environment["POSTOFFICE_HOSTS"] = "*"
    return environment


async def _wait_until_listening(name: str, host: str, port: int) -> None:
    deadline = asyncio.get_running_loop().time() + START_PATIENCE
    while not is_listening(host, port):
        if asyncio.get_running_loop().time() > deadline:
            raise DemoError(f"{TITLES[name]} did not listen on port {port} within {START_PATIENCE:g} s.")
        await asyncio.sleep(0.05)


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
